"""What a finished run shows beside its curves: which classes it knows, and what it takes for what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archspec.data.batches import Batches
from archspec.train.callbacks import Callback
from archspec.train.loop import evaluate_run
from archspec.train.report.confusion import Confusion, Tally
from archspec.train.report.confusion_data import save_confusion
from archspec.train.report.confusion_picture import PICTURE, draw_confusion
from archspec.train.run import Run
from archspec.train.run_dir.full_disk import warn_write_failures


class FinalConfusion(Callback):
    """The test split's confusion matrix, when a run is finished: draws it into the run's folder and keeps its numbers.

    test: the test split. classes: the names of its labels. confusion: the result, None before the end.
    Each process of a run needs one; process 0 draws.
    """

    def __init__(self, test: Batches, classes: Sequence[str], *, name: str, folder: Path) -> None:
        self._test, self._classes, self._name, self._folder = test, classes, name, folder
        self.confusion: Confusion | None = None

    def on_finish(self, run: Run) -> None:
        """One pass over the test split, where the run itself has not just made it."""
        if run.test is not None:
            _, tally = run.test
        else:
            tally = Tally()
            evaluate_run(run, self._test, tally)
        self.confusion = tally.confusion(self._classes, run.runtime.group)
        if run.runtime.group.leads:
            with warn_write_failures(run):
                draw_confusion(self.confusion, self._folder / PICTURE, self._name, run.recipe.data)
            with warn_write_failures(run):
                save_confusion(self.confusion, self._folder)
