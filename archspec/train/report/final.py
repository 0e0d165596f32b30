"""The confusion matrix of a finished run."""

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
    """Computes the confusion matrix of the test split at the end of a run, and writes it into the run folder.

    test: the test split. classes: the names of its labels. confusion: the result; None before the end.
    Each process of a run needs this callback; process 0 writes the files.
    """

    def __init__(self, test: Batches, classes: Sequence[str], *, name: str, folder: Path) -> None:
        self._test, self._classes, self._name, self._folder = test, classes, name, folder
        self.confusion: Confusion | None = None

    def on_finish(self, run: Run) -> None:
        """Evaluate the test split of a classifier, unless the run has just done so."""
        if not run.objective.classifies:
            return
        if run.test is not None:
            _, tally = run.test
        else:
            tally = Tally()
            evaluate_run(run, self._test, tally)
        self.confusion = tally.confusion(self._classes, run.runtime.group)
        if self.confusion is not None and run.runtime.group.leads:
            with warn_write_failures(run):
                draw_confusion(self.confusion, self._folder / PICTURE, self._name, run.recipe.data)
            with warn_write_failures(run):
                save_confusion(self.confusion, self._folder)
