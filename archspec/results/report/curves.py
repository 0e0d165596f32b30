"""Encodes learning curves with two characters per value, so that a page of 500 runs stays small.

A value is one of LEVELS steps between the minimum and the maximum of its curve; losses use a logarithmic scale.
The script of the page decodes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal

from archspec.results.record import RunRecord

MOST_POINTS: Final = 60
LEAST_POINTS: Final = 4
ALPHABET: Final = "".join(chr(code) for code in range(0x23, 0x7F) if chr(code) not in "\\<")  # not escaped in JSON
LEVELS: Final = len(ALPHABET) ** 2 - 1  # the last code means: not finite


def thinned(count: int, points: int) -> list[int]:
    """At most `points` evenly spaced indices below `count`, including the first and the last."""
    if count <= points:
        return list(range(count))
    return sorted({round(k * (count - 1) / (points - 1)) for k in range(points)})


class Encoder:
    """Encodes curves. grids: the epochs of the points, which runs of equal length share."""

    def __init__(self, points: int = MOST_POINTS, metric: str = "accuracy") -> None:
        self.points, self.metric = points, metric
        self.grids: list[list[int]] = []
        self._numbers: dict[tuple[int, ...], int] = {}

    def encode(self, record: RunRecord) -> list[Any]:
        """`[grid, place, epoch, curve, …]`: `epoch`, the best one, replaces the epoch at `place` of the grid."""
        rows, best = record.epochs, record.best
        if best is None:
            return []
        kept = thinned(len(rows), self.points)
        grid = self._grid([rows[k].epoch for k in kept])
        at = rows.index(best)
        place = -1
        if at not in kept:
            inner = range(1, len(kept) - 1)  # keep the first and the last
            place = min(inner, key=lambda k: abs(kept[k] - at))
            kept[place] = at
        parts: tuple[Literal["evaluated", "train"], ...] = ("evaluated", "train")
        curves = [
            encode([rows[k].figure(name, part) for k in kept], name == "loss")
            for part in parts for name in (self.metric, "loss")
        ]
        return [grid, place, best.epoch, *curves]

    def _grid(self, epochs: list[int]) -> int:
        key = tuple(epochs)
        if key not in self._numbers:
            self._numbers[key] = len(self.grids)
            self.grids.append(epochs)
        return self._numbers[key]


def encode(values: Sequence[float], log: bool) -> list[Any]:
    """`[lowest, highest, text]`."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return [0, 0, _code(LEVELS) * len(values)]
    low, high = short(min(finite)), short(max(finite))
    log = log and low > 0
    return [low, high, "".join(_code(_level(value, low, high, log)) for value in values)]


def short(value: float) -> float:
    """A figure with five significant digits."""
    rounded = float(f"{value:.5g}")
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e9 else rounded


def _level(value: float, low: float, high: float, log: bool) -> int:
    if not math.isfinite(value):
        return LEVELS
    if high == low:
        return 0
    share = (
        (math.log(max(value, low)) - math.log(low)) / (math.log(high) - math.log(low)) if log
        else (value - low) / (high - low)
    )
    return round(min(max(share, 0.0), 1.0) * (LEVELS - 1))


def _code(level: int) -> str:
    return ALPHABET[level // len(ALPHABET)] + ALPHABET[level % len(ALPHABET)]
