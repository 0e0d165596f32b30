"""Mean, standard deviation and confidence interval of a few runs' figures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LEVEL: Final = 0.95  # of the interval
_HALVINGS: Final = 200  # of an interval of floats: more than they can tell apart


@dataclass(frozen=True, slots=True)
class Statistic:
    """A figure over several runs. std: of the sample, n - 1 in the denominator. interval: of the mean, by Student's t.

    With one run neither is known.
    """

    mean: float
    n: int
    std: float | None = None
    interval: tuple[float, float] | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> Statistic:
        """Of at least one value."""
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


def t_within(t: float, freedom: int) -> float:
    """The probability that Student's t with so many degrees of freedom lies between -t and t, for t ≥ 0.

    Abramowitz & Stegun 1964, 26.7.3 and 26.7.4: a finite sum for each whole number of degrees of freedom.
    """
    angle = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine * cosine * (k - 1) / k
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def t_quantile(probability: float, freedom: int) -> float:
    """The value that Student's t with so many degrees of freedom stays below with this probability, of 0.5 to 1."""
    if not 0.5 <= probability < 1 or freedom < 1:
        raise ValueError(f"no quantile of t for {probability} and {freedom} degrees of freedom")
    wanted, low, high = 2 * probability - 1, 0.0, 1.0
    while t_within(high, freedom) < wanted:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if t_within(middle, freedom) < wanted else (low, middle)
    return high
