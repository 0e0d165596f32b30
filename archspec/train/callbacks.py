"""The interface of everything that follows a run: display, run folder, checkpoints, doctor, your own code."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import ClassVar

from archspec.train.run import Run


class Phase(IntEnum):
    """The order in which the callbacks of one event run; within a phase, the order in which they were given.

    UPDATE: changes the state that others read, such as the average of the weights. FOLDER: writes what has happened,
    before a checkpoint refers to it. SAVE: writes checkpoints. SHOW: tells the user. OBSERVE: measures and records.
    DRAW: pictures of what the others have recorded.
    """

    UPDATE = 0
    FOLDER = 1
    SAVE = 2
    SHOW = 3
    OBSERVE = 4
    DRAW = 5


class Callback:
    """Follows a run; each method does nothing unless overridden. An exception from it ends the run.

    phase: when it runs among the others. A callback reads the run; only `Phase.UPDATE` may change its state.
    """

    phase: ClassVar[Phase] = Phase.OBSERVE

    def on_start(self, run: Run) -> None:
        """Before the first step."""

    def on_step(self, run: Run) -> None:
        """After every update. Reading from the device here makes every step wait for it."""

    def on_epoch(self, run: Run) -> None:
        """After every epoch's evaluation; `run.state.results[-1]` is the epoch's result."""

    def on_notice(self, text: str) -> None:
        """A line for the user: `run.notify` was called."""

    def on_stop(self, run: Run) -> None:
        """A signal has ended the run between two steps, or it is paused: save now what should outlast it."""

    def on_finish(self, run: Run) -> None:
        """After the last epoch, if nothing failed."""

    def on_end(self, run: Run) -> None:
        """At the very end, however the run ended; also where `on_start` was not reached."""


def in_phases(callbacks: Iterable[Callback]) -> tuple[Callback, ...]:
    """The callbacks in the order in which they run."""
    return tuple(sorted(callbacks, key=lambda callback: callback.phase))
