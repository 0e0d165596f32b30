"""Mean, standard deviation and confidence interval of the figures of a few runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LEVEL: Final = 0.95  # of the interval
_HALVINGS: Final = 200  # bisection steps: more than the precision of a float needs
_TINY: Final = 1e-300
_STEPS: Final = 500  # terms of the continued fraction; it converges much earlier


@dataclass(frozen=True, slots=True)
class Statistic:
    """A figure over several runs.

    std: the sample standard deviation (n - 1). interval: of the mean, by Student's t. Both are None for one run.
    """

    mean: float
    n: int
    std: float | None = None
    interval: tuple[float, float] | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> Statistic:
        """The statistics of one value or more."""
        mean, n = statistics.fmean(values), len(values)
        if n == 1:
            return cls(mean, n)
        std = statistics.stdev(values)
        half = t_quantile((1 + LEVEL) / 2, n - 1) * std / math.sqrt(n)
        return cls(mean, n, std, (mean - half, mean + half))

    def to_json(self) -> dict[str, object]:
        """As plain data."""
        low, high = self.interval or (None, None)
        interval = None if low is None else {"level": LEVEL, "low": low, "high": high}
        return {"mean": self.mean, "std": self.std, "n": self.n, "interval": interval}

    def text(self) -> str:
        """`0.8512 ± 0.0031 (n = 5; 95 % interval of the mean: 0.8473 to 0.8551)`."""
        if self.interval is None:
            return f"{self.mean:.4f} (n = 1: standard deviation and interval are not known)"
        low, high = self.interval
        return f"{self.mean:.4f} ± {self.std:.4f} (n = {self.n}; 95 % interval of the mean: {low:.4f} to {high:.4f})"


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
    """The t with P(T ≤ t) = p. `freedom` need not be an integer. Raises ValueError unless 0 < p < 1."""
    if not 0 < p < 1 or freedom <= 0:
        raise ValueError(f"no quantile of t for {p} and {freedom} degrees of freedom")
    if p < 0.5:
        return -t_quantile(1 - p, freedom)
    low, high = 0.0, 1.0
    while t_cdf(high, freedom) < p and high < 1e12:
        high *= 2
    for _ in range(_HALVINGS):
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
    """The value, or a tiny number instead of 0."""
    return value if abs(value) > _TINY else _TINY
