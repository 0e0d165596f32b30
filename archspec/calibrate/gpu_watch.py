"""Times kernels on a GPU: on its own clock, without the host that enqueues them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from statistics import median
from typing import Final

import torch

from archspec.calibrate.sample import Run
from archspec.profile.timing import Clock

_SIDE: Final = 4096  # of the product behind which kernels queue
_BEHIND: Final = 2e-3  # seconds that the GPU is busy, at least, while the host enqueues
_ROUNDS: Final = 3
_MOST: Final = 40  # kernels in a queue
_LONGEST: Final = 6e-3  # seconds of them


class GpuStopwatch:
    """The time of a kernel between others, from CUDA events.

    The GPU first gets a product to work on; while it does, the host enqueues the kernel some times, so that they follow
    each other at once however slow the host is.
    """

    def __init__(self, device: torch.device, clock: Clock) -> None:
        self.clock, self.issued = clock, 0.0
        self._device = device
        a, b, out = (torch.ones(_SIDE, _SIDE, dtype=torch.float16, device=device) for _ in range(3))
        self._product = partial(torch.mm, a, b, out=out)
        with torch.no_grad():
            self._product()
            alone = self._elapsed(1, self._product)
            self._products = max(1, int(_BEHIND / alone) + 1)
            self._behind = self._elapsed(self._products, self._product)

    def seconds(self, runs: Sequence[Run]) -> float:
        """The median time of a run, after two rounds that warm up. runs: see `Stopwatch.seconds`."""
        ring: Iterator[tuple[int, Run]] = cycle(enumerate(runs))
        kept: list[object] = [None] * len(runs)
        self._issue(ring, kept, 2 * len(runs))
        torch.cuda.synchronize(self._device)
        few = min(4, len(runs) + 1)
        once = self._elapsed(few, partial(self._issue, ring, kept, 1)) / few
        issue = self._issue(ring, kept, few) / few
        fits = 0.7 * self._behind / max(issue, 1e-7)  # else the queue would run empty
        count = max(1, int(min(_MOST, fits, _LONGEST / max(once, 1e-9))))
        rounds = [self._queued(ring, kept, count) for _ in range(_ROUNDS)]
        self.issued = median([issued for _, issued in rounds])
        return median([seconds for seconds, _ in rounds])

    def _queued(self, ring: Iterator[tuple[int, Run]], kept: list[object], count: int) -> tuple[float, float]:
        """Seconds of one of `count` runs that follow each other, on the device and on the host."""
        for _ in range(self._products):
            self._product()
        issued: list[float] = []
        seconds = self._elapsed(1, lambda: issued.append(self._issue(ring, kept, count)))
        return seconds / count, issued[0] / count

    def _issue(self, ring: Iterator[tuple[int, Run]], kept: list[object], count: int) -> float:
        """Enqueue runs, and return the host's seconds."""
        start = self.clock()
        for k, run in islice(ring, count):
            kept[k] = run()
        return self.clock() - start

    def _elapsed(self, times: int, run: Callable[[], object]) -> float:
        """Seconds on the GPU from the start of the first run to the end of the last."""
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        before.record()
        for _ in range(times):
            run()
        after.record()
        torch.cuda.synchronize(self._device)
        return float(before.elapsed_time(after)) / 1000
