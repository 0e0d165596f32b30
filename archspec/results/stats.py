"""What can be said of a few numbers: means with intervals, and whether two sets of them differ."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final, Literal

LEVEL: Final = 0.95
RESAMPLES: Final = 10_000
_TINY: Final = 1e-300
_STEPS: Final = 500  # of the continued fraction; it converges in far fewer


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean of `n` values, their sample standard deviation (None for one value) and the t-interval of the mean.

    low, high: the ends of the interval at LEVEL, None for one value.
    """

    n: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None


def spread(values: Sequence[float], level: float = LEVEL) -> Spread:
    """Mean, standard deviation and interval of at least one finite value (Student 1908)."""
    if len(values) == 1:
        return Spread(1, values[0], None, None, None)
    mean, deviation = fmean(values), stdev(values)
    half = t_quantile((1 + level) / 2, len(values) - 1) * deviation / math.sqrt(len(values))
    return Spread(len(values), mean, deviation, mean - half, mean + half)


Test = Literal["paired t", "Welch t", "none"]


@dataclass(frozen=True, slots=True)
class Difference:
    """How much larger the mean of `a` is than that of `b`, and whether chance explains it.

    test: `paired t` over the seeds that both have, `Welch t` where they share fewer than two, `none` where one side
    has a single value: then p is None, and nothing is known. low, high: the difference's interval at LEVEL.
    """

    mean: float
    test: Test
    n: int
    p: float | None = None
    low: float | None = None
    high: float | None = None


def difference(a: Mapping[int, float], b: Mapping[int, float], level: float = LEVEL) -> Difference:
    """Compare two sets of figures, each by seed. Equal seeds see equal data orders, so they are compared in pairs."""
    shared = sorted(a.keys() & b.keys())
    if len(shared) >= 2:
        gaps = [a[seed] - b[seed] for seed in shared]
        return _tested(fmean(gaps), stdev(gaps) / math.sqrt(len(gaps)), len(gaps) - 1, "paired t", len(gaps), level)
    mean, n = fmean(a.values()) - fmean(b.values()), min(len(a), len(b))
    if n < 2:
        return Difference(mean, "none", n)
    # Welch 1947: the variances need not be equal
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
    """P-values of several comparisons, adjusted so that the chance of any false one stays what it is (Holm 1979)."""
    order = sorted(range(len(values)), key=lambda k: values[k])
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, k in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[k]))
        adjusted[k] = highest
    return adjusted


def bootstrap_interval(values: Sequence[float], level: float = LEVEL, seed: int = 0) -> tuple[float, float]:
    """The percentile interval of the mean (Efron & Tibshirani 1993, section 13.3), a function of `seed`.

    It assumes no shape of the distribution, but of fewer than about ten values it is too narrow.
    """
    source = random.Random(seed)  # noqa: S311
    means = sorted(fmean(source.choices(values, k=len(values))) for _ in range(RESAMPLES))
    tail = (1 - level) / 2
    return means[int(tail * RESAMPLES)], means[min(RESAMPLES - 1, math.ceil((1 - tail) * RESAMPLES))]


def t_cdf(t: float, freedom: float) -> float:
    """P(T ≤ t) of Student's t with `freedom` degrees of freedom."""
    if math.isinf(t):
        return float(t > 0)
    square = t * t
    if square < freedom:  # 1 - x of the other form would lose the digits of a small t
        middle = 0.5 * beta_regularized(0.5, freedom / 2, square / (freedom + square))
        return 0.5 + math.copysign(middle, t)
    tail = 0.5 * beta_regularized(freedom / 2, 0.5, freedom / (freedom + square))
    return 1 - tail if t > 0 else tail


def t_quantile(p: float, freedom: float) -> float:
    """The t with P(T ≤ t) = p, 0 < p < 1."""
    if p < 0.5:
        return -t_quantile(1 - p, freedom)
    low, high = 0.0, 1.0
    while t_cdf(high, freedom) < p and high < 1e12:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if t_cdf(middle, freedom) < p else (low, middle)
    return (low + high) / 2


def beta_regularized(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22, Lentz's method)."""
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # where the fraction converges fast
        return 1 - beta_regularized(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    ) / a
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away(1 + term * d)
            c = _away(1 + term / c)
            result *= d * c
        if abs(d * c - 1) < 1e-16:
            break
    return front * result


def _away(value: float) -> float:
    """The value, kept away from 0."""
    return value if abs(value) > _TINY else _TINY
