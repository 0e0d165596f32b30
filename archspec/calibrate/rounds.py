"""Measures kernels in rounds of different kernels, as a network runs them: on a CPU.

A kernel that runs again and again finds its code, its data and the branch predictor's history in the caches. In a
network another kernel has run in between: small ones then take a multiple of that time. But one of its inputs is what
that kernel has just written, so the first input of all of them lies in the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from statistics import geometric_mean
from typing import Final, NamedTuple

import torch

from archspec.calibrate.measure import DISTURBED, Clock, Pace, quick, undisturbed
from archspec.calibrate.regression import Point
from archspec.calibrate.sample import Run, Sample

GROUP: Final = 24  # kernels that take turns
WINDOW: Final = 10 * GROUP  # kernels among which those of a size are looked for
_MOST_SLOW: Final = 2.2  # times as slow as usual: more is not of the machine, but of a moment
_WARM: Final = 1  # rounds, after the first run, which allocates, and in which the library prepares
_FEWEST, _MOST, _ENOUGH = 4, 12, 0.014  # rounds, and seconds of a kernel on average after which they end


class _Measured(NamedTuple):
    """A group that was measured. pace: seconds of the kernels that show it, among them."""

    group: Sequence[Sample]
    pace: float
    times: list[tuple[Sample, float]]


def measure_in_rounds(
    samples: Iterable[Sample], clock: Clock, deadline: float, progress: Callable[[float], None] = lambda _: None, *,
    pace: Pace,
) -> dict[str, list[Point]]:
    """The measured points of each curve, at the usual pace. Stops at the deadline (of the clock).

    A kernel that this machine cannot run is left out. What is left of the time measures again what something disturbed.
    """
    start, seen = clock(), list[_Measured]()
    with torch.no_grad():
        for group in _groups(samples):
            if (now := clock()) > deadline:
                break
            progress((now - start) / max(deadline - start, 1e-9))
            pace.now()
            seen.append(_measured(group, pace, clock))
        for _ in range(len(seen)):
            worst = max(seen, key=lambda m: m.pace)
            if worst.pace < DISTURBED * undisturbed([m.pace for m in seen]) or clock() > deadline:
                break
            seen[seen.index(worst)] = min(_measured(worst.group, pace, clock), worst, key=lambda m: m.pace)
    usual, found = undisturbed([m.pace for m in seen] or [1.0]), dict[str, list[Point]]()
    for measured in seen:
        slow = min(measured.pace / usual, _MOST_SLOW)
        for sample, seconds in measured.times:
            found.setdefault(sample.curve, []).append(Point(sample.work, seconds / sample.parts / slow))
    return found


def _measured(group: Sequence[Sample], pace: Pace, clock: Clock) -> _Measured:
    made = [(sample, run) for sample in group if (run := _made(sample)) is not None]
    times = _times([*pace.runs, *[run for _, run in made]], clock)
    number = len(pace.runs)
    return _Measured(
        group, geometric_mean(times[:number]), [(s, t) for (s, _), t in zip(made, times[number:], strict=True)],
    )


def _groups(samples: Iterable[Sample]) -> Iterator[Sequence[Sample]]:
    """Groups of kernels of about the same size: in networks, too, small ones follow small ones."""
    rest = iter(samples)
    while window := list(islice(rest, WINDOW)):
        window.sort(key=lambda sample: sample.work.nbytes)
        for k in range(0, len(window), GROUP):
            yield window[k : k + GROUP]


def _made(sample: Sample) -> Run | None:
    """What runs a kernel, after its first run; None if there is no kernel for this type, or no memory."""
    with suppress(RuntimeError, NotImplementedError):
        sample.warm()
        run = sample.make()
        run()
        return run
    return None


def _times(runs: list[Run], clock: Clock) -> list[float]:
    """The usual time of each, in turns. Results are kept for a round, as a network keeps them for backward."""
    kept: list[object] = [None] * len(runs)
    times: list[list[float]] = [[] for _ in runs]
    start, rounds = clock(), 0
    while rounds < _WARM + _FEWEST or (rounds < _WARM + _MOST and clock() - start < _ENOUGH * len(runs)):
        for k, run in enumerate(runs):
            before = clock()
            kept[k] = run()
            times[k].append(clock() - before)
        rounds += 1
    return [quick(found[_WARM:]) for found in times]
