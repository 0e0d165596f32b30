"""The picture of a run, drawn anew at the end of each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from archspec.train.files import write_text
from archspec.train.report.curves import NAME, Curve, curves_svg, events_of
from archspec.train.run import Run, Watcher
from archspec.train.steps import StepLog


class Redraw(Watcher):
    """Keeps `curves.svg` in a run's folder. findings: what the doctor has found so far, as plain data."""

    def __init__(
        self, folder: Path, name: str, steps: StepLog, findings: Callable[[], Sequence[Mapping[str, Any]]] = tuple
    ) -> None:
        self._path, self._name, self._steps, self._findings = folder / NAME, name, steps, findings

    def on_epoch(self, run: Run) -> None:
        """Draw what there is. A picture that cannot be written ends no run."""
        events = events_of(self._findings(), run.steps_per_epoch)
        recipe = run.recipe
        about = f"{self._name}: {recipe.optimizer}, lr {recipe.lr:g}, batch {recipe.batch_size}, seed {recipe.seed}"
        text = curves_svg([Curve(self._name, run.results, self._steps.points, events)], about)
        with suppress(OSError):
            write_text(self._path, text)
