"""Times something: repeats it until the figure is reliable. Does not depend on torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, inf
from typing import Final

Clock = Callable[[], float]  # seconds since a fixed moment, like time.perf_counter


@dataclass(frozen=True, slots=True)
class Until:
    """When to stop repeating: after at least `runs` runs and `seconds` in total.

    If it is slow, `few` runs are enough once they took `most_seconds`.
    """

    runs: int
    seconds: float = 0.0
    few: int = 1
    most_seconds: float = inf

    def reached(self, runs: int, seconds: float) -> bool:
        """Whether this number of runs, which took `seconds` in total, is enough."""
        if runs >= self.few and seconds >= self.most_seconds:
            return True
        return runs >= self.runs and seconds >= self.seconds


WARMUP: Final = Until(runs=3, seconds=0.3, few=1, most_seconds=3.0)
MEASURED: Final = Until(runs=10, seconds=1.0, few=3, most_seconds=10.0)


@dataclass(frozen=True, slots=True)
class Runs:
    """The measured runs, in their order, without warm-up runs. peak_memory_bytes: None if it was not measured."""

    times_ms: tuple[float, ...]
    warmup_runs: int
    batch_size: int
    peak_memory_bytes: int | None = None

    @property
    def median_ms(self) -> float:
        """The median time of a run, in milliseconds."""
        return quantile(self.times_ms, 0.5)

    @property
    def p10_ms(self) -> float:
        """The time below which a tenth of the runs are, in milliseconds."""
        return quantile(self.times_ms, 0.1)

    @property
    def p90_ms(self) -> float:
        """The time above which a tenth of the runs are, in milliseconds."""
        return quantile(self.times_ms, 0.9)

    @property
    def images_per_s(self) -> float:
        """Images per second: the batch size over the median time."""
        return self.per_s(self.batch_size)

    def per_s(self, amount: float) -> float:
        """The rate of something of which each run does `amount`; infinite if a run is shorter than the clock's tick."""
        return 1000 * amount / self.median_ms if self.median_ms else inf


def quantile(values: Sequence[float], q: float) -> float:
    """The value below which a share `q` of `values` is, interpolated between neighbours.

    Source: Hyndman & Fan 1996, "Sample quantiles in statistical packages", definition 7 (numpy's default).
    """
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def time_runs(
    run: Callable[[], object], *, batch_size: int, synchronise: Callable[[], None], clock: Clock,
    warmup: Until = WARMUP, measured: Until = MEASURED,
) -> Runs:
    """Call `run` until it is warm, then until it is measured.

    synchronise: waits until the device has finished its work; called before every reading of the clock, so that the
    time of a run ends with its last kernel.
    """
    cold = _repeat(run, synchronise, clock, warmup)
    times = _repeat(run, synchronise, clock, measured)
    return Runs(tuple(1000 * seconds for seconds in times), len(cold), batch_size)


def _repeat(
    run: Callable[[], object], synchronise: Callable[[], None], clock: Clock, until: Until
) -> list[float]:
    """The seconds of each run."""
    times: list[float] = []
    total = 0.0
    while not until.reached(len(times), total):
        synchronise()
        start = clock()
        run()
        synchronise()
        times.append(clock() - start)
        total += times[-1]
    return times
