"""Reads the points within epochs from `steps.jsonl`, without torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from archspec.files import MiB, read_regular
from archspec.language.loss import FIGURES

NAME: Final = "steps.jsonl"
MAX_BYTES: Final = 8 * MiB


@dataclass(frozen=True, slots=True)
class StepPoint:
    """Means over a few consecutive steps. step: the last of them, counted from 1. epoch: as a fraction.

    metrics: the metric of a loss that has no accuracy, which then is NaN.
    """

    step: int
    epoch: float
    loss: float
    accuracy: float
    learning_rate: float
    metrics: Mapping[str, float] = field(default_factory=dict)

    def figure(self, name: str) -> float:
        """Loss or metric; NaN where there is none of that name."""
        if name in ("loss", "accuracy"):
            return self.loss if name == "loss" else self.accuracy
        return self.metrics.get(name, math.nan)

    def to_json(self) -> dict[str, float]:
        """As plain data: the metric under its name."""
        data = {"step": self.step, "epoch": self.epoch, "loss": self.loss}
        return data | self._metrics() | {"learning_rate": self.learning_rate}

    def _metrics(self) -> dict[str, float]:
        return ({} if math.isnan(self.accuracy) else {"accuracy": self.accuracy}) | dict(self.metrics)

    def scalars(self) -> dict[str, float]:
        """The figures, by the names that TensorBoard and other tools show."""
        metrics = {f"steps/{name}": value for name, value in self._metrics().items()}
        return {"steps/loss": self.loss, **metrics, "steps/learning_rate": self.learning_rate}


_POINT: Final = TypeAdapter(StepPoint)


def _fields(row: Any) -> Any:
    """A stored line with the names of the fields."""
    if not isinstance(row, dict):
        return row
    row = {key: math.nan if value is None else value for key, value in row.items()}  # JSON has no NaN
    if "accuracy" in row:
        return row
    metrics = {name: row[name] for name in FIGURES if name != "loss" and name in row}
    rest = {key: value for key, value in row.items() if key not in metrics}
    return {**rest, "accuracy": math.nan, "metrics": metrics}


def read_steps(path: Path) -> list[StepPoint]:
    """The points in a file, up to the first invalid line; empty if the file does not exist."""
    found: list[StepPoint] = []
    try:
        for line in read_regular(path, MAX_BYTES).decode("utf-8").splitlines():
            found.append(_POINT.validate_python(_fields(json.loads(line))))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass
    return found
