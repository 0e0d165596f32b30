"""Draws the learning curves of a run at the end of each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.atomic_files import write_text
from archspec.train.callbacks import Callback, Phase
from archspec.train.report.curves import NAME, Curve, curves_svg, events_of
from archspec.train.run import Run
from archspec.train.run_dir.steps import StepLog

if TYPE_CHECKING:
    from archspec.train.doctor import Doctor


class Redraw(Callback):
    """Keeps `curves.svg` in the run folder up to date. doctors: their findings are marked."""

    phase = Phase.DRAW

    def __init__(self, folder: Path, name: str, steps: StepLog, doctors: Sequence[Doctor] = ()) -> None:
        self._path, self._name, self._steps, self._doctors = folder / NAME, name, steps, doctors

    def on_epoch(self, run: Run) -> None:
        """Draw the curves so far. A failed write is only a warning."""
        findings = [finding.to_json() for doctor in self._doctors for finding in doctor.findings]
        events = events_of(findings, run.state.steps_per_epoch)
        recipe = run.recipe
        batch = f"batch {recipe.batch_size}" + (f" × {recipe.accumulate}" if recipe.accumulate > 1 else "")
        about = f"{self._name}: {recipe.optimizer}, lr {recipe.lr:g}, {batch}, seed {recipe.seed}"
        text = curves_svg([Curve(self._name, run.state.results, self._steps.points, events)], about)
        with suppress(OSError):
            write_text(self._path, text)
