"""Statistics of small samples: whether the means of two sets differ, with intervals and adjusted p-values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from archspec.train.statistics import LEVEL, t_cdf, t_quantile

Test = Literal["paired t", "Welch t", "none"]


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of `a` minus the mean of `b`, and whether chance explains it.

    test: `paired t` over common seeds, `Welch t` if there are fewer than two of them, `none` if one side has a single
    value; p is then None. low, high: the confidence interval of the difference at LEVEL.
    """

    mean: float
    test: Test
    n: int
    p: float | None = None
    low: float | None = None
    high: float | None = None


def difference(a: Mapping[int, float], b: Mapping[int, float], level: float = LEVEL) -> Difference:
    """Compare two sets of figures, seed → figure. Equal seeds have equal data orders, so they are compared in pairs."""
    shared = sorted(a.keys() & b.keys())
    if len(shared) >= 2:
        gaps = [a[seed] - b[seed] for seed in shared]
        return _tested(fmean(gaps), stdev(gaps) / math.sqrt(len(gaps)), len(gaps) - 1, "paired t", len(gaps), level)
    mean, n = fmean(a.values()) - fmean(b.values()), min(len(a), len(b))
    if n < 2:
        return Difference(mean, "none", n)
    # Welch 1947: for unequal variances
    parts = [stdev(side.values()) ** 2 / len(side) for side in (a, b)]
    error = math.sqrt(sum(parts))
    if not error:
        return _tested(mean, 0.0, 1, "Welch t", n, level)
    freedom = sum(parts) ** 2 / sum(part**2 / (len(s) - 1) for part, s in zip(parts, (a, b), strict=True))
    return _tested(mean, error, freedom, "Welch t", n, level)


def _tested(mean: float, error: float, freedom: float, test: Test, n: int, level: float) -> Difference:
    if not error:  # every pair differs by the same amount
        return Difference(mean, test, n, 0.0 if mean else 1.0, mean, mean)
    half = t_quantile((1 + level) / 2, freedom) * error
    p = 2 * (1 - t_cdf(abs(mean) / error, freedom))
    return Difference(mean, test, n, min(1.0, max(0.0, p)), mean - half, mean + half)


def holm(values: Sequence[float]) -> list[float]:
    """P-values adjusted for several comparisons, which controls the chance of any false positive (Holm 1979)."""
    order = sorted(range(len(values)), key=lambda k: values[k])
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, k in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[k]))
        adjusted[k] = highest
    return adjusted
