"""The interface of code that follows a run: display, run folder, checkpoints, doctor, or your own."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import ClassVar

from archspec.train.run import Run


class Phase(IntEnum):
    """The order in which callbacks run on an event. Callbacks of the same phase keep the order of the list.

    UPDATE: changes the state that others read, such as the average of the weights. FOLDER: writes results to the run
    folder, before a checkpoint refers to them. SAVE: writes checkpoints. SHOW: shows progress. OBSERVE: measures and
    records. DRAW: draws what the others have recorded.
    """

    UPDATE = 0
    FOLDER = 1
    SAVE = 2
    SHOW = 3
    OBSERVE = 4
    DRAW = 5


class Callback:
    """Follows a run. Each method does nothing unless overridden. An exception from a callback ends the run.

    phase: when it runs among the others. Only a callback in `Phase.UPDATE` may change the state of the run.
    """

    phase: ClassVar[Phase] = Phase.OBSERVE

    def on_start(self, run: Run) -> None:
        """Called before the first step."""

    def on_step(self, run: Run) -> None:
        """Called after every update. Reading from the device here makes every step wait for it."""

    def on_epoch(self, run: Run) -> None:
        """Called after every epoch's evaluation; `run.state.results[-1]` is the epoch's result."""

    def on_notice(self, text: str) -> None:
        """Called by `run.notify`, with a line for the user."""

    def on_stop(self, run: Run) -> None:
        """Called when a signal has ended the run between two steps, or when it pauses: save what must survive."""

    def on_finish(self, run: Run) -> None:
        """Called after the last epoch, if nothing failed."""

    def on_end(self, run: Run) -> None:
        """Called at the very end, however the run ended, even if `on_start` was never called."""


def in_phases(callbacks: Iterable[Callback]) -> tuple[Callback, ...]:
    """The callbacks, in the order in which they run."""
    return tuple(sorted(callbacks, key=lambda callback: callback.phase))
