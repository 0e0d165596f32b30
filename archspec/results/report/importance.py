"""The share of a figure's variance that each varied setting alone explains."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean
from typing import Any, Final

MOST_LEVELS: Final = 8  # a number with more values is cut into bins
BINS: Final = 5


@dataclass(frozen=True, slots=True)
class Importance:
    """The importance of a setting.

    share: of the variance between runs, corrected for chance; None if there are too few runs. levels: the number of
    values, or of bins. together: settings that always vary together with this one, so that they share the variance.
    """

    key: str
    share: float | None
    levels: int
    binned: bool
    together: tuple[str, ...]


def importance(rows: Sequence[Mapping[str, Any]], figures: Sequence[float], keys: Sequence[str]) -> list[Importance]:
    """One-way analysis of variance for each setting, the largest share first.

    rows: the settings of each run. figures: its results.
    """
    labels = {key: _levels([row.get(key) for row in rows]) for key in keys}
    found = []
    for key in keys:
        mine, binned = labels[key]
        together = [other for other in keys if other != key and _same_split(mine, labels[other][0])]
        found.append(Importance(key, epsilon_squared(mine, figures), len(set(mine)), binned, tuple(together)))
    return sorted(found, key=lambda one: -1.0 if one.share is None else one.share, reverse=True)


def epsilon_squared(labels: Sequence[Hashable], figures: Sequence[float]) -> float | None:
    """The share of variance between the means of the labels (Kelley 1935): η² minus its expectation by chance.

    None for a single label, or for as many labels as figures.
    """
    groups: dict[Hashable, list[float]] = {}
    for label, figure in zip(labels, figures, strict=True):
        groups.setdefault(label, []).append(figure)
    n, k = len(figures), len(groups)
    if k < 2 or n <= k:
        return None
    mean = fmean(figures)
    total = sum((figure - mean) ** 2 for figure in figures)
    if not total:
        return None
    within = sum((figure - fmean(group)) ** 2 for group in groups.values() for figure in group)
    return max(0.0, 1 - within / (n - k) / (total / (n - 1)))


def is_number(value: Any) -> bool:
    """Whether a value is a finite number that JavaScript reads back exactly."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**53
    return isinstance(value, float) and isfinite(value)


def _levels(values: Sequence[Any]) -> tuple[list[Hashable], bool]:
    """A label for each value, and whether they are bins; many different numbers are put into bins of equal counts."""
    distinct = {repr(value) for value in values}
    numbers = [value for value in values if is_number(value)]
    if len(distinct) <= MOST_LEVELS or len(numbers) < len(values):
        return [repr(value) for value in values], False
    ranked = sorted(set(numbers))
    places = {value: k * BINS // len(ranked) for k, value in enumerate(ranked)}
    return [places[value] for value in numbers], True


def _same_split(a: Sequence[Hashable], b: Sequence[Hashable]) -> bool:
    pairs = set(zip(a, b, strict=True))
    return len(pairs) == len(set(a)) == len(set(b)) > 1
