"""Reads the points within epochs from `steps.jsonl`, without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from archspec.files import MiB, read_regular

NAME: Final = "steps.jsonl"
MAX_BYTES: Final = 8 * MiB


@dataclass(frozen=True, slots=True)
class StepPoint:
    """Means over a few consecutive steps. step: the last of them, counted from 1. epoch: as a fraction."""

    step: int
    epoch: float
    loss: float
    accuracy: float
    learning_rate: float

    def scalars(self) -> dict[str, float]:
        """The figures, by the names that TensorBoard and other tools show."""
        return {"steps/loss": self.loss, "steps/accuracy": self.accuracy, "steps/learning_rate": self.learning_rate}


_POINT: Final = TypeAdapter(StepPoint)


def read_steps(path: Path) -> list[StepPoint]:
    """The points in a file, up to the first invalid line; empty if the file does not exist."""
    found: list[StepPoint] = []
    try:
        for line in read_regular(path, MAX_BYTES).decode("utf-8").splitlines():
            found.append(_POINT.validate_python(json.loads(line)))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass
    return found
