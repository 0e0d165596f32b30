"""The measured times of layers, from the output of `archspec profile SPEC --json`."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any, Final

from archspec.files import read_regular

MOST_BYTES: Final = 50_000_000


def read_measured(path: Path) -> tuple[dict[str, float], int]:
    """Milliseconds of each layer by its path, and the batch size. Raises ValueError if the file is something else."""
    try:
        data = json.loads(read_regular(path, MOST_BYTES, follow=True))
        rows = data["measured"]["layers"]["layers"]
        times = {row["path"]: row["ms"] for row in rows}
        batch_size = data["measured"]["batch_size"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else "it has no measured layers"
        raise ValueError(f"{path} is not an output of `archspec profile SPEC --json`: {reason}") from problem
    if type(batch_size) is not int or not all(isinstance(key, str) and _is_time(value) for key, value in times.items()):
        raise ValueError(f"{path} is not an output of `archspec profile SPEC --json`: its times are not numbers")
    return times, batch_size


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value) and value >= 0
