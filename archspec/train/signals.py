"""SIGTERM and SIGINT end a run between two steps: its state is saved, and the exit code is the shell's."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

if TYPE_CHECKING:
    from archspec.train.distributed.process_group import Agreement

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
T = TypeVar("T")


class Stopped(SystemExit):
    """Raised when a signal ends the program; the exit code is 128 + the number of the signal.

    place: where the run was stopped, for the user.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number).name
        self.place = "before the first step: there was nothing to save"


class Stop:
    """Receives signals while it is used as a context manager, and raises Stopped at a safe place.

    Outside of `deferred` a signal raises Stopped at once. Inside, Stopped is raised where a `window` is open, or else
    at the end of the block. A second SIGINT raises KeyboardInterrupt immediately, a third kills the program; further
    SIGTERMs have no effect.

    agreement: of the processes that stop together. All of them must then reach each window, and all raise Stopped at
    the same one: one or two windows after the one at which any of them received a signal.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.agreement: Agreement | None = None
        self._deferred = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            try:
                self._before[number] = signal.signal(number, self._receive)
            except ValueError:  # only the main thread can receive signals
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            if number == signal.SIGINT:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                raise KeyboardInterrupt
            return
        self.number = number
        if not self._deferred:
            raise Stopped(number)

    def check(self) -> None:
        """Raise Stopped if a signal has been received."""
        if self.number is not None:
            raise Stopped(self.number)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Defer signals until the end of the block, because its work must not be interrupted."""
        before, self._deferred = self._deferred, True
        try:
            yield
        finally:
            self._deferred = before
        if not before:
            self.check()

    @contextmanager
    def window(self) -> Iterator[None]:
        """Let signals take effect inside a `deferred` block, for code that changes nothing."""
        if self.agreement is not None:
            if number := self.agreement.ask(self.number or 0):
                raise Stopped(number)
            yield
            return
        before, self._deferred = self._deferred, False
        try:
            self.check()
            yield
        finally:
            self._deferred = before

    def between(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items. Stopped is raised before an item or while waiting for it, never while it is used."""
        iterator = iter(items)
        try:
            while True:
                with self.window():
                    try:
                        item = next(iterator)
                    except StopIteration:
                        return
                yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
