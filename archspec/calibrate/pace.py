"""How fast a CPU is from moment to moment, and what kernels take while it is as fast as usual.

A processor's clock changes, and a virtual machine shares cores, caches and memory with others: from one second to the
next, products may take half as long again. Two kernels that run again and again show it, and only the runs between two
usual moments count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

import torch

from archspec.calibrate.sample import Run
from archspec.profile.timing import Clock

KERNELS: Final = ("product", "sum")
DISTURBED: Final = 1.15  # times as slow or as fast as usual
# Both fit into a core's caches, and write where they wrote before: what ran in between does not matter.
_SIDE: Final = 256  # of the product's matrices
_SUMMED: Final = 1 << 16  # elements of the sum
_RUNS: Final = (4, 12)  # of each, the first of which fills the caches
_APART: Final = 8e-3  # seconds of runs between two looks, or one run
_FEWEST: Final = 3  # undisturbed runs of which a median is worth something
Look = tuple[float, ...]  # seconds of each kernel of KERNELS


class Pace:
    """How fast the machine is, by KERNELS."""

    def __init__(self, clock: Clock, usual: Sequence[float] = ()) -> None:
        """usual: seconds of each kernel at the usual moment, if known; else their medians."""
        self.clock, self._given = clock, tuple(usual)

        a, b, product = (torch.rand(_SIDE, _SIDE) for _ in range(3))
        x, y, total = (torch.rand(_SUMMED) for _ in range(3))
        self.runs: Sequence[Run] = (partial(torch.mm, a, b, out=product), partial(torch.add, x, y, out=total))
        self.seen: list[Look] = []

    def look(self) -> Look:
        """Seconds of each kernel at this moment: the least of some runs."""
        found = []
        with torch.no_grad():
            for run, count in zip(self.runs, _RUNS, strict=True):
                times = []
                for _ in range(count):
                    start = self.clock()
                    run()
                    times.append(self.clock() - start)
                found.append(min(times[1:]))
        self.seen.append(tuple(found))
        return self.seen[-1]

    def settle(self, seconds: float) -> None:
        """Look for so long."""
        end = self.clock() + seconds
        while self.clock() < end:
            self.look()

    @property
    def usual(self) -> Look:
        """Seconds of each kernel at the usual moment."""
        return self._given or tuple([median(times) for times in zip(*self.seen, strict=True)])

    def slow(self, looks: Iterable[Look]) -> list[float]:
        """How many times as slow as usual the machine was at each look, by the kernel that shows it most."""
        usual = self.usual
        return [max([now / then for now, then in zip(look, usual, strict=True)], key=_far) for look in looks]


def _far(slow: float) -> float:
    """How many times as slow or as fast as usual."""
    return max(slow, 1 / slow)


class Effort(NamedTuple):
    """How long runs in turns go on.

    fewest, most: rounds. enough: seconds of all runs, after which `fewest` rounds are enough. patience: seconds, at
    most, to wait for undisturbed moments besides.
    """

    fewest: int
    most: int
    enough: float
    patience: float


@dataclass(frozen=True, slots=True)
class Series:
    """Timed runs of some kernels that took turns.

    looks: at the pace, in order. times: of each kernel, (seconds, the look before it); the next look is after it.
    """

    looks: list[Look]
    times: list[list[tuple[float, int]]]

    def slow(self, pace: Pace) -> list[float]:
        """How slow the machine was between each look and the next."""
        each = pace.slow(self.looks)
        return [max(pair, key=_far) for pair in pairwise(each)]

    def undisturbed(self, pace: Pace) -> list[list[float]]:
        """The times of each kernel that nothing disturbed."""
        slow = self.slow(pace)
        return [[seconds for seconds, at in times if _far(slow[at]) <= DISTURBED] for times in self.times]

    def seconds(self, pace: Pace) -> list[float]:
        """The median time of each kernel while nothing disturbs it; else of its best runs, at the usual pace."""
        slow, found = self.slow(pace), list[float]()
        for good, times in zip(self.undisturbed(pace), self.times, strict=True):
            best = sorted(times, key=lambda run: _far(slow[run[1]]))[:_FEWEST]
            usual = [seconds / slow[at] for seconds, at in best]
            found.append(median(good if len(good) >= len(best) else usual))
        return found


def series(runs: Sequence[Run], pace: Pace, effort: Effort) -> Series:
    """Run each in turn, round after round, until enough runs of each are undisturbed.

    Results are kept for a round, as a network keeps them for backward. The first round is not timed.
    """
    clock, kept = pace.clock, list[object]([None] * len(runs))
    for k, run in enumerate(runs):
        kept[k] = run()
    found = Series([pace.look()], [[] for _ in runs])
    start = opened = asked = clock()
    rounds, total = 0, 0.0
    while True:
        for k, run in enumerate(runs):
            before = clock()
            kept[k] = run()
            now = clock()
            total += now - before
            found.times[k].append((now - before, len(found.looks) - 1))
            if now - opened >= _APART:
                found.looks.append(pace.look())
                opened = clock()
        rounds += 1
        if rounds < effort.fewest or (rounds < effort.most and total < effort.enough):
            continue
        if clock() - asked < _APART:
            continue  # after each round, looks would take the place of small kernels in the caches
        if found.times[-1][-1][1] == len(found.looks) - 1:  # no look after the last run
            found.looks.append(pace.look())
            opened = clock()
        asked = clock()
        good = min(map(len, found.undisturbed(pace)))
        if good >= effort.fewest or clock() - start > effort.enough + effort.patience:
            return found
