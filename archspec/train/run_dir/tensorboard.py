"""A run's figures for TensorBoard, an epoch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archspec.atomic_files import check_own_folder
from archspec.diagnostics import error
from archspec.train.callbacks import Callback
from archspec.train.run import Run
from archspec.train.run_dir.steps import points_of

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER: Final = "tensorboard"  # in a run's folder
STEPS: Final = "steps"  # in that


def check_tensorboard() -> None:
    """Raise SpecError RUN362 where the package that writes TensorBoard's files is not installed."""
    if find_spec("tensorboard") is None:
        raise error("RUN362", "--tensorboard needs the package tensorboard, which is not installed",
                    hint="pip install 'archspec-nn[tensorboard]', or leave it out: metrics.jsonl is always written")


class Scalars(Callback):
    """Writes each epoch's figures into `folder`; `tensorboard --logdir RUNS` then shows them, run beside run.

    The horizontal axis counts epochs; that of the points within epochs, in a folder of their own, counts updates. A
    resumed run takes back what was written after the state it goes on from: for all tags of a folder from one place
    on, hence two folders.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._epochs: SummaryWriter | None = None
        self._steps: SummaryWriter | None = None

    def on_start(self, run: Run) -> None:
        """Open two files of events."""
        from torch.utils.tensorboard import SummaryWriter

        for folder in (self._folder, self._folder / STEPS):
            check_own_folder(folder)
        done, resumed = run.state.step - run.state.position, bool(run.state.step)
        self._epochs = SummaryWriter(str(self._folder), purge_step=run.state.epoch + 1 if resumed else None)
        self._steps = SummaryWriter(str(self._folder / STEPS), purge_step=done + 1 if resumed else None)

    def on_epoch(self, run: Run) -> None:
        """Add the epoch's figures, so that they are seen at once."""
        row = run.state.results[-1]
        _write(self._epochs, row.scalars(), row.epoch)
        for point in points_of(run):
            _write(self._steps, point.scalars(), point.step)
        self._flush()

    def on_finish(self, run: Run) -> None:
        """Add the test set's figures, where they are not each epoch's."""
        if run.test is not None:
            metrics, _ = run.test
            _write(self._epochs, {"loss/test": metrics.loss, "accuracy/test": metrics.accuracy}, run.state.epoch)
            self._flush()

    def _flush(self) -> None:
        for writer in (self._epochs, self._steps):
            if writer is not None:
                writer.flush()

    def on_end(self, run: Run) -> None:
        """Close the files."""
        for writer in (self._epochs, self._steps):
            if writer is not None:
                writer.close()


def _write(writer: SummaryWriter | None, figures: Mapping[str, float], place: int) -> None:
    assert writer is not None
    for name, value in figures.items():
        writer.add_scalar(name, value, place)
