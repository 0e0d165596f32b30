"""Keeps torch's profiler from writing to the user's terminal."""

from __future__ import annotations

import os


def quiet_profiler() -> None:
    """Make Kineto log fatal errors only; it reads the setting once, at its first use.

    Otherwise it reports its start, its stop and every missing GPU on stderr.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
