"""Where the columns of a frame lie across the flow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from archspec.show.layers import Layers

BETWEEN: Final = 12.0  # pixels across the flow between two boxes


def centres_of(order: Layers, extents: Sequence[tuple[float, float]]) -> tuple[list[float], float]:
    """The centre of each cell, across, and how much room all of them take.

    Columns move as far to the left as their neighbours let them, then as far to the right; their place is the mean.
    """
    count = max(order.columns, default=-1) + 1
    before, after = [0.0] * count, [0.0] * count
    for cell, column in enumerate(order.columns):
        before[column], after[column] = max(before[column], extents[cell][0]), max(after[column], extents[cell][1])
    apart: dict[tuple[int, int], float] = {}
    for cell, other in (pair for cells in order.layers for pair in pairwise(cells)):
        pair = (order.columns[cell], order.columns[other])
        apart[pair] = max(apart.get(pair, 0.0), extents[cell][1] + extents[other][0] + BETWEEN)
    leftmost = _settled(before, apart)
    room = max((c + reach for c, reach in zip(leftmost, after, strict=True)), default=0.0)
    from_right = _settled(after, {(b, a): distance for (a, b), distance in apart.items()})
    centres = [(x + room - y) / 2 for x, y in zip(leftmost, from_right, strict=True)]
    return [centres[column] for column in order.columns], room


def _settled(least: Sequence[float], apart: dict[tuple[int, int], float]) -> list[float]:
    """The smallest places of columns that are not below `least`, and far enough apart."""
    places = list(least)
    for _ in places:  # a pass for each column is enough: no column is left of itself
        before = list(places)
        for (a, b), distance in apart.items():
            places[b] = max(places[b], places[a] + distance)
        if places == before:
            break
    return places
