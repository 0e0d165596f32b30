"""Shows the progress of a run: a live line on a terminal, otherwise a plain line per epoch."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, TextIO

from archspec.diagnostics import wrapped
from archspec.train.callbacks import Callback, Phase
from archspec.train.report.table import epoch_line, figures_text
from archspec.train.run import Run

if TYPE_CHECKING:
    from rich.progress import Progress

REFRESH_S: Final = 0.25  # not more often, because reading loss and accuracy waits for the device


def display(stream: TextIO) -> Callback:
    """The display that suits `stream`."""
    dumb = os.environ.get("TERM") in {"dumb", "unknown"}
    return LiveDisplay(stream) if stream.isatty() and not dumb else PlainDisplay(stream)


class PlainDisplay(Callback):
    """A line of text at the end of every epoch."""

    phase = Phase.SHOW

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def on_epoch(self, run: Run) -> None:
        """Write the line of the epoch immediately."""
        self.on_notice(epoch_line(run.state.results[-1], run.recipe.epochs))

    def on_notice(self, text: str) -> None:
        """Write the text immediately."""
        self._stream.write(text + "\n")
        self._stream.flush()


class LiveDisplay(Callback):
    """A live line (epoch, step, loss, accuracy, speed, time left) below the lines of the finished epochs."""

    phase = Phase.SHOW

    def __init__(self, stream: TextIO) -> None:
        self._progress = _progress(stream)
        self._task = self._progress.add_task("", total=None, epoch="", figures="")
        self._next = self._begin = 0.0
        self._first_step = 0

    def on_start(self, run: Run) -> None:
        """Show the line."""
        self._begin, self._first_step = time.perf_counter(), run.state.step
        epoch = f"epoch {run.state.epoch + 1}/{run.recipe.epochs}"
        self._progress.update(self._task, total=run.state.steps_per_epoch, epoch=epoch)
        self._progress.start()

    def on_step(self, run: Run) -> None:
        """Update the figures, four times a second and at the last step of an epoch."""
        now = time.perf_counter()
        if now < self._next and len(run.state.meter) < run.state.steps_per_epoch:
            return
        self._next = now + REFRESH_S
        metrics = run.state.meter.metrics()
        speed = metrics.images / (now - run.state.meter.started)
        left = (now - self._begin) * (run.total_steps - run.state.step) / (run.state.step - self._first_step)
        self._progress.update(
            self._task,
            completed=len(run.state.meter), total=run.state.steps_per_epoch,
            epoch=f"epoch {run.state.epoch + 1}/{run.recipe.epochs}",
            figures=f"{figures_text(metrics.figures())}  {speed:,.0f} {run.samples}/s  {clock(left)} left",
        )

    def on_epoch(self, run: Run) -> None:
        """Print the line of the epoch above the live line."""
        self._progress.console.print(epoch_line(run.state.results[-1], run.recipe.epochs), highlight=False)

    def on_notice(self, text: str) -> None:
        """Print the text above the live line."""
        console = self._progress.console
        console.print(wrapped(text, console.width, 2), highlight=False, markup=False, soft_wrap=True)

    def on_end(self, run: Run) -> None:
        """Remove the live line."""
        self._progress.stop()


def _progress(stream: TextIO) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.fields[epoch]}"), BarColumn(bar_width=20), MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        console=Console(file=stream), transient=True, refresh_per_second=4,
    )


def clock(seconds: float) -> str:
    """`0:07`, `12:34`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
