"""How fast a CPU is from moment to moment, and what kernels take while it is as fast as usual.

A processor's clock changes, and a virtual machine shares cores, caches and memory with others: from one second to the
next, products may take half as long again, those in bf16 while those in fp32 do not. Small kernels that run again and
again show it, and only the runs between two usual moments count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import inf
from statistics import median
from typing import Final, NamedTuple

import torch

from archspec.calibrate.sample import Run
from archspec.profile.timing import Clock
from archspec.train.step.precision import Precision

KERNELS: Final = ("product", "bf16_product", "sum")
DISTURBED: Final = 1.15  # times as slow or as fast as usual
# All fit into a core's caches, and write where they wrote before: what ran in between does not matter.
_SIDES: Final = {"product": 256, "bf16_product": 384}  # of the matrices
_WORK: Final = (_SIDES["bf16_product"] / _SIDES["product"]) ** 3  # of the product in bf16 over that in fp32
_SUMMED: Final = 1 << 16  # elements of the sum
_RUNS: Final = {"product": 4, "bf16_product": 4, "sum": 12}  # of each, the first of which fills the caches
_APART: Final = 8e-3  # seconds of runs between two looks, or one run
_FEWEST: Final = 3  # undisturbed runs of which a median is worth something
Look = tuple[float, ...]  # seconds of each kernel


class Pace:
    """How fast the machine is, by KERNELS.

    patient_until: the time of the clock after which `series` does not wait for undisturbed moments any more.
    """

    def __init__(self, clock: Clock, usual: Mapping[str, float] | None = None) -> None:
        """usual: seconds of each kernel at the usual moment, if known; else their medians."""
        self.patient_until = inf
        self.clock, self._given = clock, tuple((usual or {}).values())
        self.runs = _kernels()
        if usual:
            self.runs = {name: self.runs[name] for name in usual}
        elif self._seconds("bf16_product") > _WORK * self._seconds("product"):
            del self.runs["bf16_product"]  # computed without instructions for it, and much slower
        self.seen: list[Look] = []

    def look(self) -> Look:
        """Seconds of each kernel at this moment: the least of some runs."""
        self.seen.append(tuple(map(self._seconds, self.runs)))
        return self.seen[-1]

    def _seconds(self, name: str) -> float:
        times, run = [], self.runs[name]
        with torch.no_grad():
            for _ in range(_RUNS[name]):
                start = self.clock()
                run()
                times.append(self.clock() - start)
        return min(times[1:])

    def settle(self, seconds: float) -> None:
        """Look for so long."""
        end = self.clock() + seconds
        while self.clock() < end:
            self.look()

    @property
    def usual(self) -> Look:
        """Seconds of each kernel at the usual moment."""
        return self._given or tuple([median(times) for times in zip(*self.seen, strict=True)])

    def slow(self, looks: Iterable[Look], precision: Precision) -> list[float]:
        """How many times as slow as usual the machine was at each look, by the kernel that shows it most.

        Of the products, the one in this precision counts.
        """
        other = "product" if precision == "bf16" and "bf16_product" in self.runs else "bf16_product"
        shown = [(k, usual) for k, (name, usual) in enumerate(zip(self.runs, self.usual, strict=True)) if name != other]
        return [max([look[k] / usual for k, usual in shown], key=_far) for look in looks]


def _kernels() -> dict[str, Run]:
    """What runs each of KERNELS."""
    made = list[Run]()
    for side, dtype in zip(_SIDES.values(), (torch.float32, torch.bfloat16), strict=True):
        a, b, product = (torch.rand(side, side).to(dtype) for _ in range(3))
        made.append(partial(torch.mm, a, b, out=product))
    x, y, total = (torch.rand(_SUMMED) for _ in range(3))
    return dict(zip(KERNELS, [*made, partial(torch.add, x, y, out=total)], strict=True))


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
    precisions: in which each computes.
    """

    looks: list[Look]
    times: list[list[tuple[float, int]]]
    precisions: Sequence[Precision]

    def slow(self, pace: Pace) -> list[list[float]]:
        """For each kernel, how slow the machine was between each look and the next."""
        found = dict[Precision, list[float]]()
        for precision in set(self.precisions):
            found[precision] = [max(pair, key=_far) for pair in pairwise(pace.slow(self.looks, precision))]
        return [found[precision] for precision in self.precisions]

    def undisturbed(self, pace: Pace) -> list[list[float]]:
        """The times of each kernel that nothing disturbed."""
        each = zip(self.times, self.slow(pace), strict=True)
        return [[seconds for seconds, at in times if _far(slow[at]) <= DISTURBED] for times, slow in each]

    def seconds(self, pace: Pace) -> list[float]:
        """The median time of each kernel while nothing disturbs it; else of its best runs, at the usual pace."""
        found = list[float]()
        for good, times, slow in zip(self.undisturbed(pace), self.times, self.slow(pace), strict=True):
            best = sorted(times, key=lambda run: _far(slow[run[1]]))[:_FEWEST]
            usual = [seconds / slow[at] for seconds, at in best]
            found.append(median(good if len(good) >= len(best) else usual))
        return found


def series(runs: Sequence[Run], pace: Pace, effort: Effort, precisions: Sequence[Precision]) -> Series:
    """Run each in turn, round after round, until enough runs of each are undisturbed.

    precisions: in which each computes. Results are kept for a round, as a network keeps them for backward. The first
    round is not timed.
    """
    clock, kept = pace.clock, list[object]([None] * len(runs))
    for k, run in enumerate(runs):
        kept[k] = run()
    found = Series([pace.look()], [[] for _ in runs], precisions)
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
        now = clock()
        if good >= effort.fewest or now > min(start + effort.enough + effort.patience, pace.patient_until):
            return found
