"""Measures kernels in rounds of different kernels, as a network runs them: on a CPU.

A kernel that runs again and again finds its code, its data and the branch predictor's history in the caches. In a
network another kernel has run in between: small ones then take a multiple of that time. But one of its inputs is what
that kernel has just written, so the first input of all of them lies in the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

import torch

from archspec.calibrate.pace import Effort, Pace, Series, series
from archspec.calibrate.regression import Point
from archspec.calibrate.sample import Run, Sample

GROUP: Final = 24  # kernels that take turns
_TOUCHED: Final = 1 << 24  # bytes of a group whose data are in the caches
WINDOW: Final = 10 * GROUP  # kernels among which those of a size are looked for
_FEWEST, _MOST, _ENOUGH = 4, 12, 0.014  # rounds, and seconds of a kernel on average
_PATIENCE: Final = 0.4  # seconds that a group waits for undisturbed moments
_AGAIN: Final = 2.0  # and when it is measured again


class _Measured(NamedTuple):
    """A group that was measured: the kernels that run here, and their times."""

    samples: Sequence[Sample]
    runs: Series


def measure_in_rounds(
    samples: Iterable[Sample], deadline: float, progress: Callable[[float], None] = lambda _: None, *, pace: Pace,
) -> dict[str, list[Point]]:
    """The measured points of each curve, while nothing disturbs the machine. Stops at the deadline (of the clock).

    A kernel that this machine cannot run is left out. What is left of the time measures again what something disturbed.
    """
    start, seen = pace.clock(), list[_Measured]()
    with torch.no_grad():
        for group in _groups(samples):
            if (now := pace.clock()) > deadline:
                break
            progress((now - start) / max(deadline - start, 1e-9))
            seen.append(_measured(group, pace, _PATIENCE))
        for k in sorted(range(len(seen)), key=lambda k: _undisturbed(seen[k], pace)):
            if pace.clock() > deadline or _undisturbed(seen[k], pace) >= _FEWEST:
                break
            seen[k] = max(seen[k], _measured(seen[k].samples, pace, _AGAIN), key=lambda m: _undisturbed(m, pace))
    found: dict[str, list[Point]] = {}
    for measured in seen:
        for sample, seconds in zip(measured.samples, measured.runs.seconds(pace), strict=True):
            found.setdefault(sample.curve, []).append(Point(sample.work, seconds / sample.parts))
    return found


def _measured(group: Sequence[Sample], pace: Pace, patience: float) -> _Measured:
    made = [(sample, run) for sample in group if (run := _made(sample)) is not None]
    effort = Effort(_FEWEST, _MOST, _ENOUGH * len(made), patience)
    precisions = [sample.precision for sample, _ in made]
    runs = series([run for _, run in made], pace, effort, precisions) if made else Series([], [], [])
    return _Measured([sample for sample, _ in made], runs)


def _undisturbed(measured: _Measured, pace: Pace) -> int:
    """The fewest undisturbed runs of a kernel."""
    return min(map(len, measured.runs.undisturbed(pace)), default=_FEWEST)


def _groups(samples: Iterable[Sample]) -> Iterator[Sequence[Sample]]:
    """Groups of kernels of about the same size: in networks, too, small ones follow small ones.

    Kernels whose data are in the caches are in groups of their own.
    """
    rest = iter(samples)
    while window := list(islice(rest, WINDOW)):
        window.sort(key=lambda sample: (sample.work.hot, sample.work.nbytes))
        group, touched = list[Sample](), 0
        for sample in window:
            full = len(group) == GROUP or (sample.work.hot and touched + sample.work.nbytes > _TOUCHED)
            if group and (full or group[0].work.hot != sample.work.hot):
                yield group
                group, touched = [], 0
            group.append(sample)
            touched += sample.work.nbytes
        yield group


def _made(sample: Sample) -> Run | None:
    """What runs a kernel, after its first run; None if there is no kernel for this type, or no memory."""
    with suppress(RuntimeError, NotImplementedError):
        sample.warm()
        run = sample.make()
        run()
        return run
    return None
