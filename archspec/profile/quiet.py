"""Keeps torch's profiler from writing to the user's terminal."""

from __future__ import annotations

import os


def quiet_profiler() -> None:
    """Let Kineto, which reads this once when it is first used, log fatal errors only.

    It reports its start, its stop and every missing GPU on stderr otherwise.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
