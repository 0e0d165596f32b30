"""Measures kernels one by one, within a budget of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import torch

from archspec.calibrate.regression import Point
from archspec.calibrate.sample import Run, Sample

Clock = Callable[[], float]  # seconds since a fixed moment


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """How to time a kernel.

    clock: what times are measured with. synchronise: waits for the device. enough: seconds after which a kernel that
    ran `fewest` times is measured; a short one runs `most` times in a row at each reading of the clock.
    """

    clock: Clock
    synchronise: Callable[[], None]
    enough: float = 0.015
    fewest: int = 4
    most: int = 100
    shortest: float = 2e-4

    def seconds(self, run: Run) -> float:
        """The typical time of a run, after two that warm up: a quarter of the runs take less.

        On a busy machine the median has the time of others in it.
        """
        for _ in range(2):  # the first run allocates, and the library prepares
            run()
        self.synchronise()
        once = self._timed(run, 1)
        count = max(1, min(self.most, int(self.shortest / max(once, 1e-9))))
        times: list[float] = []
        total = 0.0
        while len(times) < self.fewest or (total < self.enough and len(times) < self.most):
            seconds = self._timed(run, count)
            times.append(seconds / count)
            total += seconds
        return sorted(times)[len(times) // 4]

    def _timed(self, run: Run, count: int) -> float:
        start = self.clock()
        for _ in range(count):
            run()
        self.synchronise()
        return self.clock() - start


def measure(
    samples: Iterable[Sample], watch: Stopwatch, deadline: float, progress: Callable[[float], None] = lambda _: None,
) -> dict[str, list[Point]]:
    """The measured points of each curve. Stops at the deadline (of the watch's clock).

    A kernel that this machine cannot run is left out.
    """
    start, found = watch.clock(), dict[str, list[Point]]()
    with torch.no_grad():
        for sample in samples:
            now = watch.clock()
            if now > deadline:
                break
            progress((now - start) / max(deadline - start, 1e-9))
            with suppress(RuntimeError, NotImplementedError):  # a dtype without a kernel, or no memory for it
                seconds = watch.seconds(sample.make())
                found.setdefault(sample.curve, []).append(Point(sample.work, seconds))
    return found
