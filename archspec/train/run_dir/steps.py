"""Writes figures within epochs to `steps.jsonl`, thinned so that the file stays small in a long run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from archspec.standard_json import json_text
from archspec.train.callbacks import Callback
from archspec.train.run import Run
from archspec.train.run_dir.full_disk import save_text, warn_write_failures
from archspec.train.run_dir.step_points import NAME, StepPoint, read_steps

MOST_POINTS: Final = 8_000  # in a run; keeps the file below 1 MB
MOST_AN_EPOCH: Final = 100
LEAST_AN_EPOCH: Final = 2


class StepLog(Callback):
    """Writes the points of an epoch at its end, from the figures in the meter, so that no step waits for it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self.points: list[StepPoint] = []

    def on_start(self, run: Run) -> None:
        """Keep the points of the finished epochs of a resumed run."""
        done = run.state.step - run.state.position
        self.points = [point for point in read_steps(self._path) if point.step <= done] if run.state.step else []

    def on_epoch(self, run: Run) -> None:
        """Add the points of the epoch. If the disk is full, the next epoch writes them too."""
        self.points += points_of(run)
        text = "".join(json_text(point.to_json()) + "\n" for point in self.points)
        with warn_write_failures(run):
            save_text("the figures of the steps", self._path, text)


def points_of(run: Run) -> list[StepPoint]:
    """Means over equal stretches of the last epoch; every image has the same weight."""
    meter, sizes = run.state.meter, run.state.meter.sizes
    losses, shares, name = meter.losses().tolist(), meter.shares(), meter.score.name
    steps = len(sizes)
    count = min(steps, MOST_AN_EPOCH, max(LEAST_AN_EPOCH, MOST_POINTS // max(1, run.recipe.epochs)))
    found = []
    for k in range(count):
        part = range(k * steps // count, (k + 1) * steps // count)
        images = sum(sizes[i] for i in part)
        hits, labels = (sum(column) for column in zip(*(shares[i] for i in part), strict=True))
        metric = _short(hits / labels) if labels else 0.0
        last = run.state.meter.first + part[-1]
        found.append(StepPoint(
            last + 1, round((last + 1) / run.state.steps_per_epoch, 4),
            _short(sum(losses[i] * sizes[i] for i in part) / images), metric if name == "accuracy" else math.nan,
            _short(run.rate_at(last)), {} if name in (None, "accuracy") else {str(name): metric},
        ))
    return found


def _short(value: float) -> float:
    return float(f"{value:.5g}")
