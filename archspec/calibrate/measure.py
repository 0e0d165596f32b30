"""Measures kernels one by one, within a budget of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from math import inf
from statistics import geometric_mean, mean
from typing import Final, Protocol

import torch
from torch import Tensor

from archspec.calibrate.regression import Point
from archspec.calibrate.sample import Run, Sample
from archspec.profile.timing import quantile

MOST_TURNS: Final = 16
_SIDE: Final = 384  # of the matrices of the product that shows the pace
_SUMMED: Final = 1 << 20  # elements of the sum that does
_TRIES: Final = 2
DISTURBED: Final = 1.1  # times as slow as usual
Clock = Callable[[], float]  # seconds since a fixed moment


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


class Metronome(Protocol):
    """How fast the machine is at the moment, over its usual speed."""

    def now(self) -> float:
        """Seconds of the same work at this moment."""

    def usual(self) -> float:
        """When nothing disturbs the machine."""


class Pace:
    """How fast the machine is from moment to moment, by kernels that are measured again and again.

    The clock of a processor changes, and others share its caches and memory; a kernel's time is worth most beside
    that of these kernels at the same moment.
    """

    def __init__(self, watch: Stopwatch, device: torch.device) -> None:
        """On a CPU they are a large and a small product, and a sum that reads memory; on a GPU the large product."""
        self._watch = watch

        def tensor(*shape: int) -> Tensor:
            return torch.empty(*shape, device=device).uniform_(-1, 1)

        product = partial(torch.mm, tensor(_SIDE, _SIDE), tensor(_SIDE, _SIDE))
        images, filters = tensor(2, 16, 8, 8), tensor(16, 16, 3, 3)
        self.runs: list[Run] = [product] if device.type != "cpu" else [
            partial(torch.add, tensor(_SUMMED), tensor(_SUMMED)), product,
            partial(torch.conv2d, images, filters, padding=1),
        ]
        self.seen: list[float] = []

    def now(self, rounds: int = 8) -> float:
        """Seconds of the kernels at this moment: the geometric mean of their median times in so many rounds."""
        clock, times = self._watch.clock, [list[float]() for _ in self.runs]
        with torch.no_grad():
            for k in range(rounds + 1):
                for run, found in zip(self.runs, times, strict=True):
                    start = clock()
                    run()
                    self._watch.synchronise()
                    if k:  # the first round warms up
                        found.append(clock() - start)
        self.seen.append(geometric_mean(map(quick, times)))
        return self.seen[-1]

    def usual(self) -> float:
        """When nothing disturbs the machine."""
        return undisturbed(self.seen)

    def seconds(self, watch: Stopwatch, run: Run) -> float:
        """The time of a run when nothing disturbs the machine, which some tries wait for."""
        best = inf
        for _ in range(_TRIES):
            before, seconds = self.now(), watch.seconds([run])
            slow = mean((before, self.now())) / self.usual()
            best = min(best, seconds / max(slow, 1.0))
            if slow < DISTURBED:
                break
        return best


def undisturbed(paces: Sequence[float]) -> float:
    """The pace while nothing disturbs the machine, which may be seldom: a tenth of all that was seen is quicker."""
    return quantile(paces, 0.1)


def quick(times: Sequence[float]) -> float:
    """The lower quartile: a time that nothing disturbed."""
    return quantile(times, 0.25)


def measure(
    samples: Iterable[Sample], watch: Watch, deadline: float, progress: Callable[[float], None] = lambda _: None,
    *, pace: Metronome, apart: int = 0, within: Callable[[Sample], AbstractContextManager[object]] = nullcontext,
) -> dict[str, list[Point]]:
    """The measured points of each curve, at the usual pace. Stops at the deadline (of the watch's clock).

    A kernel that this machine cannot run is left out. apart: bytes that a kernel's turns touch before one of them sees
    the same memory again. within: the context in which a sample runs.
    """
    start, seen = watch.clock(), list[tuple[Sample, float, float, float]]()
    before = pace.now()
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
                after = pace.now()
                seen.append((sample, seconds, watch.issued, (before + after) / 2))
                before = after
    usual, found = pace.usual(), dict[str, list[Point]]()
    for sample, seconds, issued, product in seen:
        point = Point(sample.work, seconds / sample.parts * usual / product, issued / sample.parts)
        found.setdefault(sample.curve, []).append(point)
    return found
