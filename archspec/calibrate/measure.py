"""Measures kernels one by one, within a budget of time: on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final, Protocol

import torch

from archspec.calibrate.regression import Point
from archspec.calibrate.sample import Run, Sample
from archspec.profile.timing import Clock, quantile

MOST_TURNS: Final = 16


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """How to time a kernel.

    clock: what times are measured with. synchronise: waits for the device. enough: seconds after which a kernel that
    ran `fewest` times is measured; a short one runs `most` times in a row at each reading of the clock.
    """

    clock: Clock
    synchronise: Callable[[], None]
    enough: float = 0.012
    fewest: int = 4
    most: int = 100
    shortest: float = 2e-4

    @property
    def issued(self) -> float:
        """See Watch."""
        return 0.0

    def seconds(self, runs: Sequence[Run]) -> float:
        """The usual time of a run, after two rounds that warm up.

        runs: the same kernel on different memory. They take turns, and the results of a whole round are kept, so that
        what one reads and writes is as far from the caches as the others push it.
        """
        ring: Iterator[tuple[int, Run]] = cycle(enumerate(runs))
        kept: list[object] = [None] * len(runs)
        for _ in range(2):  # the first run allocates, and the library prepares
            self._timed(ring, kept, len(runs))
        once = self._timed(ring, kept, 1)
        count = max(1, min(self.most, int(self.shortest / max(once, 1e-9))))
        times: list[float] = []
        total = 0.0
        while len(times) < self.fewest or (total < self.enough and len(times) < self.most):
            seconds = self._timed(ring, kept, count)
            times.append(seconds / count)
            total += seconds
        return quick(times)

    def _timed(self, ring: Iterator[tuple[int, Run]], kept: list[object], count: int) -> float:
        start = self.clock()
        for k, run in islice(ring, count):
            kept[k] = run()
        self.synchronise()
        return self.clock() - start


class Watch(Protocol):
    """Times kernels."""

    @property
    def clock(self) -> Clock:
        """What deadlines are measured with."""

    @property
    def issued(self) -> float:
        """Seconds that the host took to enqueue the last kernel that was timed; 0 where it runs it."""

    def seconds(self, runs: Sequence[Run]) -> float:
        """The time of a kernel; see `Stopwatch.seconds`."""


def quick(times: Sequence[float]) -> float:
    """The lower quartile: a time that nothing disturbed."""
    return quantile(times, 0.25)


def measure(
    samples: Iterable[Sample], watch: Watch, deadline: float, progress: Callable[[float], None] = lambda _: None,
    *, apart: int = 0, within: Callable[[Sample], AbstractContextManager[object]] = nullcontext,
) -> dict[str, list[Point]]:
    """The measured points of each curve. Stops at the deadline (of the watch's clock).

    A kernel that this machine cannot run is left out. apart: bytes that a kernel's turns touch before one of them sees
    the same memory again. within: the context in which a sample runs.
    """
    start, found = watch.clock(), dict[str, list[Point]]()
    with torch.no_grad():
        for sample in samples:
            now = watch.clock()
            if now > deadline:
                break
            progress((now - start) / max(deadline - start, 1e-9))
            turns = max(1, min(MOST_TURNS, apart // max(1, sample.work.nbytes)))
            # There may be no kernel for a dtype, or no memory for it.
            with suppress(RuntimeError, NotImplementedError), within(sample):
                seconds = watch.seconds([sample.make() for _ in range(turns)])
                point = Point(sample.work, seconds / sample.parts, watch.issued / sample.parts)
                found.setdefault(sample.curve, []).append(point)
    return found
