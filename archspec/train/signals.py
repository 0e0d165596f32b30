"""SIGTERM and SIGINT: a run ends between two steps, with its state saved, and with the shell's exit code for them."""

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
    """A signal has asked the program to end; its exit code is 128 + the signal's number.

    place: where it was stopped, for the user.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number).name
        self.place = "before the first step: there was nothing to save"


class Stop:
    """Whether a signal has come; as a context it catches them. Without that nothing ever comes.

    Outside of `deferred` a signal raises Stopped at once: nothing is lost there. Within, it is raised where a
    `window` is open, or else at the end. A second SIGINT raises KeyboardInterrupt wherever the program is, and a
    third kills it; further SIGTERMs change nothing.

    agreement: of the processes that stop together. Then a window is a place that all of them reach, and Stopped is
    raised in all of them at the same one, one or two after that at which any of them received a signal.
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
            except ValueError:  # not the main thread, which alone receives signals
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
        """Raise Stopped if a signal has come."""
        if self.number is not None:
            raise Stopped(self.number)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Signals wait until the block's end, whose work must not be torn."""
        before, self._deferred = self._deferred, True
        try:
            yield
        finally:
            self._deferred = before
        if not before:
            self.check()

    @contextmanager
    def window(self) -> Iterator[None]:
        """Within `deferred`: signals take effect again; nothing is being changed in here."""
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
        """The items. Stopped is raised before one of them or while it is waited for, never while it is used."""
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
