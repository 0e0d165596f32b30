"""The order in which a frame's boxes lie: layers along the flow, and columns across it. Sizes do not matter here.

A layered drawing (Sugiyama, Tagawa & Toda 1981): a box lies in the layer after its last source; an edge over several
layers gets a lane in each of them, so that it passes no box; the order in a layer is that of the branches, improved
where edges cross. Boxes and lanes that follow each other share a column, as in Brandes & Köpf 2001.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from archspec.show.scene import END, START, Box, Edge, Key

_SWEEPS: Final = 4
_BESIDE: Final = 1 << 30  # in a lane's key: right of every branch


@dataclass(frozen=True, slots=True)
class Layers:
    """How the boxes of a frame lie.

    cells: the boxes of the frame by their numbers, then the lanes. layers: cells, from left to right.
    columns: for each cell, the number of its column; cells of a column have the same centre.
    paths: for each edge, the lanes through which it runs.
    """

    layers: tuple[tuple[int, ...], ...]
    columns: tuple[int, ...]
    paths: tuple[tuple[int, ...], ...]


def layers_of(frame: Box) -> Layers:
    """Layers, columns and lanes for the boxes of a frame."""
    draft = _Draft(frame)
    draft.sort()
    return Layers(tuple(map(tuple, draft.layers)), draft.columns(), tuple(map(tuple, draft.paths)))


class _Draft:
    def __init__(self, frame: Box) -> None:
        self.boxes = len(frame.boxes)
        self.keys: list[Key] = list(frame.keys)
        self.level = _levels(self.boxes, frame.edges)
        self.layers: list[list[int]] = [[] for _ in range(max(self.level, default=-1) + 1)]
        for box, level in enumerate(self.level):
            self.layers[level].append(box)
        self.above: dict[int, list[int]] = {}  # cells of the layer before, from which edges come
        self.below: dict[int, list[int]] = {}
        self.paths = [self._lanes(edge) for edge in frame.edges]

    def _lanes(self, edge: Edge) -> list[int]:
        """The lanes of an edge, one in each layer between its ends."""
        first = 0 if edge.source == START else self.level[edge.source] + 1
        last = len(self.layers) if edge.target == END else self.level[edge.target]
        lanes = []
        for level in range(first, last):
            lane = len(self.keys)
            self.keys.append(self._lane_key(edge, last - first))
            self.level.append(level)
            self.layers[level].append(lane)
            lanes.append(lane)
        for upper, lower in pairwise([edge.source, *lanes, edge.target]):
            if upper != START and lower != END:
                self.above.setdefault(lower, []).append(upper)
                self.below.setdefault(upper, []).append(lower)
        return lanes

    def _lane_key(self, edge: Edge, length: int) -> Key:
        """That of its branch; beside everything if it skips boxes of its own branch, longer ones further out."""
        inner = self.keys[edge.source] if edge.source != START else ()
        ends_alone = edge.target == END and edge.source != START
        return inner if ends_alone else edge.key if len(edge.key) > len(inner) else (*edge.key, _BESIDE, length)

    def sort(self) -> None:
        """Order the cells of each layer: by their branches, then so that fewer edges cross."""
        for layer in self.layers:
            layer.sort(key=lambda cell: (self.keys[cell], cell))
        best, fewest = [list(layer) for layer in self.layers], self._crossings()
        for sweep in range(_SWEEPS):
            if not fewest:
                break
            self._sweep(self.above if sweep % 2 == 0 else self.below, down=sweep % 2 == 0)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(layer) for layer in self.layers], crossings
        self.layers = best

    def _sweep(self, neighbours: dict[int, list[int]], *, down: bool) -> None:
        """Move each cell to the mean place of its neighbours, layer by layer."""
        for layer in self.layers if down else reversed(self.layers):
            place = {cell: k for row in self.layers for k, cell in enumerate(row)}

            def mean(cell: int, place: dict[int, int] = place) -> float:
                near = neighbours.get(cell, ())
                return sum(place[other] for other in near) / len(near) if near else place[cell]

            layer.sort(key=mean)  # stable: equal means keep their order

    def _crossings(self) -> int:
        place = {cell: k for layer in self.layers for k, cell in enumerate(layer)}
        total = 0
        for layer in self.layers[:-1]:
            ends = [(place[cell], place[lower]) for cell in layer for lower in self.below.get(cell, ())]
            total += sum((a - c) * (b - d) < 0 for k, (a, b) in enumerate(ends) for c, d in ends[k + 1:])
        return total

    def columns(self) -> tuple[int, ...]:
        """The column of each cell: that of the cell above with which it is aligned, or a new one."""
        place = {cell: k for layer in self.layers for k, cell in enumerate(layer)}
        column = [-1] * len(self.keys)
        number = 0
        for layer in self.layers:
            links = self._links(layer, place)
            for cell in layer:
                if cell in links:
                    column[cell] = column[links[cell]]
                else:
                    column[cell], number = number, number + 1
        return tuple(column)

    def _links(self, layer: Sequence[int], place: dict[int, int]) -> dict[int, int]:
        """For cells of a layer the cell above with which each is aligned, so that no two alignments cross."""
        wanted = sorted(
            (rank, place[cell], place[upper], cell, upper) for cell in layer for upper in self.above.get(cell, ())
            if (rank := self._rank(upper, cell)) is not None
        )
        links: dict[int, int] = {}
        for _, x, y, cell, upper in wanted:
            if cell not in links and all(
                (place[other] - x) * (place[links[other]] - y) > 0 for other in links
            ):
                links[cell] = upper
        return links

    def _rank(self, upper: int, cell: int) -> int | None:
        """How much an alignment matters: 0 most, None not at all. Lanes stay straight, then the main path."""
        is_lane, from_lane = cell >= self.boxes, upper >= self.boxes
        if is_lane and from_lane:
            return 0
        if is_lane:
            return 2 if len(self.below[upper]) == 1 else None
        real = [other for other in self.above[cell] if other < self.boxes]
        if from_lane:
            return None if real or len(self.above[cell]) > 1 else 2
        if self.keys[upper] == self.keys[cell]:
            return 1 if len(real) == 1 else None
        if len(self.keys[cell]) > len(self.keys[upper]):  # a branch begins
            return 1 if len([other for other in self.below[upper] if other < self.boxes]) == 1 else None
        return 1 if len(real) == 1 else None


def _levels(boxes: int, edges: Sequence[Edge]) -> list[int]:
    """The layer of each box: after its last source. A box without a source is just before its first target."""
    level = [0] * boxes
    fed = {edge.target for edge in edges}
    inner = sorted((edge for edge in edges if edge.source != START and edge.target != END), key=lambda e: e.target)
    for edge in inner:  # boxes are in the order of the flow, so the source's layer is final
        level[edge.target] = max(level[edge.target], level[edge.source] + 1)
    for box in range(boxes):
        targets = [level[edge.target] for edge in inner if edge.source == box]
        if box not in fed and targets:
            level[box] = max(0, min(targets) - 1)
    return level
