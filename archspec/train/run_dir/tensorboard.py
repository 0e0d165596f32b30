"""A run's figures for TensorBoard, an epoch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archspec.atomic_files import check_own_folder
from archspec.diagnostics import error
from archspec.train.state import Run, Watcher

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER: Final = "tensorboard"  # in a run's folder


def check_tensorboard() -> None:
    """Raise SpecError RUN362 where the package that writes TensorBoard's files is not installed."""
    if find_spec("tensorboard") is None:
        raise error("RUN362", "--tensorboard needs the package tensorboard, which is not installed",
                    hint="pip install 'archspec-nn[tensorboard]', or leave it out: metrics.jsonl is always written")


class Scalars(Watcher):
    """Writes each epoch's figures into `folder`; `tensorboard --logdir RUNS` then shows them, run beside run.

    The horizontal axis counts epochs. A resumed run takes back what was written after the state it goes on from.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None

    def on_start(self, run: Run) -> None:
        """Open a file of events."""
        from torch.utils.tensorboard import SummaryWriter

        check_own_folder(self._folder)
        resumed = run.epoch + 1 if run.step else None
        self._writer = SummaryWriter(str(self._folder), purge_step=resumed)

    def on_epoch(self, run: Run) -> None:
        """Add the epoch's figures, so that they are seen at once."""
        row = run.results[-1]
        figures = {
            "loss/train": row.train_loss, f"loss/{row.split}": row.evaluated_loss,
            "accuracy/train": row.train_accuracy, f"accuracy/{row.split}": row.evaluated_accuracy,
            "learning_rate": row.learning_rate, "gradient_norm": row.gradient_norm, "images_per_s": row.images_per_s,
            "peak_memory_bytes": row.peak_memory_bytes,
        }
        self._write(figures, row.epoch)

    def on_finish(self, run: Run) -> None:
        """Add the test set's figures, where they are not each epoch's."""
        if run.test is not None:
            metrics, _ = run.test
            self._write({"loss/test": metrics.loss, "accuracy/test": metrics.accuracy}, run.epoch)

    def _write(self, figures: Mapping[str, float | None], epoch: int) -> None:
        assert self._writer is not None
        for name, value in figures.items():
            if value is not None:
                self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def on_end(self, run: Run) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
