"""Measures kernels in rounds of different kernels, as a network runs them: on a CPU.

A kernel that runs again and again finds its code, its data and the branch predictor's history in the caches. In a
network another kernel has run in between: small ones then take a multiple of that time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from statistics import geometric_mean
from typing import Final

import torch

from archspec.calibrate.measure import Clock, Pace, quick
from archspec.calibrate.regression import Point
from archspec.calibrate.sample import Run, Sample

GROUP: Final = 24  # kernels that take turns
WINDOW: Final = 10 * GROUP  # kernels among which those of a size are looked for
_WARM: Final = 2  # rounds: the first run allocates, and the library prepares
_FEWEST, _MOST, _ENOUGH = 4, 12, 0.02  # rounds, and seconds of a kernel on average after which they end


def measure_in_rounds(
    samples: Iterable[Sample], clock: Clock, deadline: float, progress: Callable[[float], None] = lambda _: None, *,
    pace: Pace,
) -> dict[str, list[Point]]:
    """The measured points of each curve, at the usual pace. Stops at the deadline (of the clock).

    A kernel that this machine cannot run is left out.
    """
    start, seen, paces = clock(), list[tuple[Sample, float, float]](), list[float]()
    with torch.no_grad():
        for group in _groups(samples):
            now = clock()
            if now > deadline:
                break
            progress((now - start) / max(deadline - start, 1e-9))
            pace.now()
            made = [(sample, run) for sample in group if (run := _made(sample)) is not None]
            times = _times([*pace.runs, *[run for _, run in made]], clock)
            paces.append(geometric_mean(times[: len(pace.runs)]))
            seen += [(sample, t, paces[-1]) for (sample, _), t in zip(made, times[len(pace.runs) :], strict=True)]
    found = dict[str, list[Point]]()
    for sample, seconds, then in seen:
        point = Point(sample.work, seconds / sample.parts * quick(paces) / then)
        found.setdefault(sample.curve, []).append(point)
    return found


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
