"""The measured times of layers, from the output of `archspec profile SPEC --json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final, NamedTuple

from archspec.files import read_regular

MOST_BYTES: Final = 50_000_000
_FORM: Final = ("op", "output_shape", "params")  # what equal networks have in common in each layer


class Measured(NamedTuple):
    """Milliseconds of each layer by its path, and of what network and in which setting they were measured."""

    times: dict[str, float]
    forms: dict[str, list[Any]]
    batch_size: int
    precision: str
    channels_last: bool

    def other_layer(self, rows: Iterable[Mapping[str, Any]]) -> str | None:
        """The first layer in which the measured network differs from one with these rows in its JSON, or None."""
        here = _forms(rows)
        return next((path for path in {**here, **self.forms} if here.get(path) != self.forms.get(path)), None)


def read_measured(path: Path) -> Measured:
    """The measurement in a file. Raises ValueError if the file is something else."""
    try:
        data = json.loads(read_regular(path, MOST_BYTES, follow=True))
        measured, forms = data["measured"], _forms(data["layers"])
        times = {row["path"]: row["ms"] for row in measured["layers"]["layers"]}
        batch_size, settings = measured["batch_size"], measured["settings"]
        precision, channels_last = settings["precision"], settings["channels_last"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else "it has no measured layers"
        raise ValueError(f"{path} is not an output of `archspec profile SPEC --json`: {reason}") from problem
    if type(batch_size) is not int or not all(isinstance(key, str) and _is_time(value) for key, value in times.items()):
        raise ValueError(f"{path} is not an output of `archspec profile SPEC --json`: its times are not numbers")
    return Measured(times, forms, batch_size, precision, channels_last)


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value) and value >= 0


def _forms(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {row["path"]: [row[key] for key in _FORM] for row in rows}
