"""What the benchmarks share: contestants that take turns, median and spread, and where it was measured."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import archspec
from archspec.backends.device import cpu_name

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Sample:
    """Figures of several rounds: their median, and between which of them a tenth lies below and a tenth above."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        if len(self.values) < 2:
            return self.values[0], self.values[0]
        tenths = statistics.quantiles(self.values, n=10, method="inclusive")
        return tenths[0], tenths[-1]

    def over(self, other: Sample) -> Sample:
        """The ratio in each round: what slows a machine for a while slows both contestants of that round."""
        return Sample(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))

    def to_json(self) -> dict[str, float]:
        low, high = self.spread
        return {"median": self.median, "p10": low, "p90": high}

    def text(self, scale: float = 1.0, digits: int = 1) -> str:
        low, high = (f"{scale * value:.{digits}f}" for value in self.spread)
        return f"{scale * self.median:.{digits}f} ({low}–{high})"


def alternate(
    contestants: Mapping[str, Callable[[], object]], rounds: int, *, calls: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Sample]:
    """Seconds of one call of each contestant, in each of `rounds` rounds; a turn is of `calls` calls."""

    def timed(run: Callable[[], object]) -> float:
        start = clock()
        for _ in range(calls):
            run()
        return (clock() - start) / calls

    return take_turns({name: partial(timed, run) for name, run in contestants.items()}, rounds)


def take_turns(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Sample]:
    """What each contestant measures of itself in each of `rounds` rounds; a round before them is not counted.

    Within a round every contestant has its turn; the next round goes the other way round, so that none of them
    always follows the same other.
    """
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    for number in range(rounds + 1):
        for name in order:
            figure = contestants[name]()
            if number:
                figures[name].append(figure)
        order.reverse()
    return {name: Sample(tuple(values)) for name, values in figures.items()}


def calls_for(run: Callable[[], object], seconds: float) -> int:
    """How many calls of `run` fill so much time; the first call, which warms up, is not timed."""
    run()
    start = time.perf_counter()
    run()
    return max(1, round(seconds / max(time.perf_counter() - start, 1e-9)))


def rounds_option(default: int, **more: int) -> argparse.Namespace:
    """The command line: --rounds, and further numbers with their defaults."""
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for name, value in {"rounds": default, **more}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value, metavar="N")
    return parser.parse_args()


def show_place(packages: Sequence[str]) -> None:
    """Print when and where this is measured, and how busy the machine was before it."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    load = f", load {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    print(f"{datetime.now(UTC):%Y-%m-%d}, {cpu_name()}, {os.cpu_count()} CPUs{load}, {platform.system()}, "
          f"Python {platform.python_version()}, archspec {archspec.__version__}, {versions}")
    print("median (p10–p90) of alternating rounds; ratios are taken within each round\n")


def show_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"| {' | '.join(heads)} |")
    print(f"|{'---|' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
