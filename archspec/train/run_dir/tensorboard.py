"""Writes the figures of a run for TensorBoard after each epoch."""

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

FOLDER: Final = "tensorboard"  # in the run folder
STEPS: Final = "steps"  # in FOLDER


def check_tensorboard() -> None:
    """Raise SpecError RUN362 if the package that writes TensorBoard's files is not installed."""
    if find_spec("tensorboard") is None:
        raise error("RUN362", "--tensorboard needs the package tensorboard, which is not installed",
                    hint="pip install 'archspec-nn[tensorboard]', or leave it out: metrics.jsonl is always written")


class Scalars(Callback):
    """Writes the figures of each epoch into `folder`; `tensorboard --logdir RUNS` shows the runs together.

    The horizontal axis counts epochs. The points within epochs are in a separate folder, whose axis counts updates. A
    resumed run purges what was written after its checkpoint; TensorBoard does that per folder from one position on,
    so figures with different axes need different folders.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._epochs: SummaryWriter | None = None
        self._steps: SummaryWriter | None = None

    def on_start(self, run: Run) -> None:
        """Open two event files."""
        from torch.utils.tensorboard import SummaryWriter

        for folder in (self._folder, self._folder / STEPS):
            check_own_folder(folder)
        done, resumed = run.state.step - run.state.position, bool(run.state.step)
        self._epochs = SummaryWriter(str(self._folder), purge_step=run.state.epoch + 1 if resumed else None)
        self._steps = SummaryWriter(str(self._folder / STEPS), purge_step=done + 1 if resumed else None)

    def on_epoch(self, run: Run) -> None:
        """Add the figures of the epoch, and flush, so that they are visible immediately."""
        row = run.state.results[-1]
        _write(self._epochs, row.scalars(), row.epoch)
        for point in points_of(run):
            _write(self._steps, point.scalars(), point.step)
        self._flush()

    def on_finish(self, run: Run) -> None:
        """Add the final test, if the epochs were evaluated on a validation set."""
        if run.test is not None:
            metrics, _ = run.test
            figures = {f"{name}/test": value for name, value in metrics.figures().items()}
            _write(self._epochs, figures, run.state.epoch)
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
