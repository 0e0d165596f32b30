"""Where everything lies: from the order of a frame's boxes and their sizes to coordinates.

Lengths are along the flow or across it, so that the flow may go down or to the right; only the result has x and y.
`parts/place.js` computes the same in the page, where frames open and close.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from archspec.show.columns import centres_of
from archspec.show.layers import layers_of
from archspec.show.scene import END, START, Box, Edge
from archspec.show.sizes import PAD, ROW, SMALL, closed_size, edge_text, edge_width, title_width

GAP: Final = 23.0  # pixels along the flow between two layers
SHORT_GAP: Final = 14.0  # at a frame's border, where edges have no text
WIDE_GAP: Final = 36.0  # where edges bend
INSET: Final = 12.0  # pixels between a frame's border and its boxes
BESIDE: Final = 5.0  # pixels between an edge and its text
ABOVE: Final = 7.0  # pixels between an edge to the right and the middle of its text
SPREAD: Final = 16.0  # pixels between the ends of two edges at one box
NARROW: Final = 0.93  # the width of a text in a usual font over the estimate for a wide one
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """An edge as it is drawn, from point to point: straight along the flow, or in an S-shaped curve.

    text: its middle is as high as `at`; anchor: which end of it is there. covers: it stands on the line, not beside it.
    """

    edge: Edge
    points: tuple[Point, ...]
    text: str
    at: Point
    anchor: str
    covers: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """A box with its place. open: whether the boxes in it are drawn."""

    box: Box
    x: float
    y: float
    width: float
    height: float
    open: bool
    boxes: tuple[Placed, ...] = ()
    lines: tuple[Line, ...] = ()

    def walk(self) -> Iterator[Placed]:
        """It, and every drawn box in it."""
        yield self
        for box in self.boxes:
            yield from box.walk()


@dataclass(frozen=True, slots=True)
class Look:
    """How a network is drawn. depth: levels of frames that are open. measure: the figure in the boxes. right: the
    flow goes to the right, not down.
    """

    depth: int
    measure: str
    right: bool = False


def place(network: Box, look: Look) -> Placed:
    """The whole network, which has no head and no border."""
    return _Plan(network, look, 0).placed(0.0, 0.0)


class _Plan:
    """A box with its size, and the places of its parts within it.

    across, along: its size. axis: where edges arrive and leave, across. parts: of an open frame.
    """

    def __init__(self, box: Box, look: Look, level: int) -> None:
        self.box, self.look, self.level = box, look, level
        self.open = bool(box.boxes) and level <= look.depth
        self.parts: list[_Plan] = []
        if self.open:
            self._fill()
        else:
            width, height = closed_size(box, look.measure)
            self.across, self.along = (height, width) if look.right else (width, height)
            self.axis = self.across / 2

    def _fill(self) -> None:
        box, right = self.box, self.look.right
        self.parts = [_Plan(part, self.look, self.level + 1) for part in box.boxes]
        self.order = layers_of(box)
        self.texts = [edge_text(e, direct=not path) for e, path in zip(box.edges, self.order.paths, strict=True)]
        self.layer = {cell: k for k, cells in enumerate(self.order.layers) for cell in cells}
        if not right:
            self._widen()
        margin, head, title = (INSET, ROW, title_width(box, self.look.measure) + 2 * PAD) if self.level else (0, 0, 0)
        before = margin + (head if right else 0)
        centres, inner = centres_of(self.order, self._extents())
        self.across = before + inner + margin
        if not right and title > self.across:
            before, self.across = before + (title - self.across) / 2, title
        self.centres = [c + before for c in centres]
        self.start = 0.0 if right else float(head)  # along: where the edges of the frame's inputs begin
        end = self._stack()
        self.along = max(end, title) if right else end
        leaving = [self._comes_from(k) for k, edge in enumerate(box.edges) if edge.target == END]
        self.axis = next((c for c in leaving if c is not None), self.across / 2)

    def _widen(self) -> None:
        """Make the closed boxes of a column equally wide."""
        columns: dict[int, list[_Plan]] = {}
        for k, part in enumerate(self.parts):
            if not part.open and part.box.kind in ("op", "frame"):
                columns.setdefault(self.order.columns[k], []).append(part)
        for column in columns.values():
            widest = max(part.across for part in column)
            for part in column:
                part.across, part.axis = widest, widest / 2

    def _extents(self) -> list[Point]:
        """How far each cell reaches across, before its centre and after it, with the texts beside its edges."""
        side = [0.0] * len(self.layer)
        for text, edge, path in zip(self.texts, self.box.edges, self.order.paths, strict=True):
            width = 0.0 if self.look.right else edge_width(text)
            for lane in path:
                side[lane] = SMALL
            if path:
                side[path[len(path) // 2]] = max(SMALL, width / 2 + BESIDE)
            else:
                for end in (edge.source, edge.target):
                    if end >= 0:
                        side[end] = max(side[end], width + 2 * BESIDE)
        return [
            (max(part.axis, room), max(part.across - part.axis, room))
            for part, room in zip(self.parts, side, strict=False)
        ] + [(room, room) for room in side[len(self.parts):]]

    def _stack(self) -> float:
        """Put the layers behind each other. Returns where the frame ends."""
        gaps = self._gaps()
        self.starts: list[float] = []
        self.ends: list[float] = []
        at = self.start
        for gap, cells in zip(gaps, self.order.layers, strict=False):
            self.starts.append(at + gap)
            at += gap + max((self.parts[cell].along for cell in cells if cell < len(self.parts)), default=0.0)
            self.ends.append(at)
        return at + gaps[-1]

    def _gaps(self) -> list[float]:
        """The space before each layer, and that behind the last."""
        count = len(self.order.layers)
        gaps = [0.0] * (count + 1)
        for text, edge, path in zip(self.texts, self.box.edges, self.order.paths, strict=True):
            for upper, lower in pairwise([edge.source, *path, edge.target]):
                gap = count if lower == END else self.layer[lower]
                bent = upper != START and lower != END and abs(self.centres[upper] - self.centres[lower]) > 0.5
                room = WIDE_GAP if bent else GAP if (text and not path) or 0 < gap < count else SHORT_GAP
                if upper == START and text and not path:
                    room += SMALL * ((len(self._ports_of(lower)) - 1) // 2)
                if self.look.right and text and not path:
                    room = max(room, edge_width(text) + 4 * BESIDE)
                gaps[gap] = max(gaps[gap], room)
        return gaps

    def _comes_from(self, edge: int) -> float | None:
        """Where an edge is, across, before the last gap. None if it comes from the frame's border just before it."""
        path, source = self.order.paths[edge], self.box.edges[edge].source
        return self.centres[path[-1]] if path else None if source == START else self.centres[source]

    def _arrivals(self) -> list[float]:
        """Where each edge arrives, across: side by side at their target in the order in which they come."""
        places = [self.axis] * len(self.box.edges)
        targets: dict[int, list[int]] = {}
        for k, edge in enumerate(self.box.edges):
            targets.setdefault(edge.target, []).append(k)
        for target, edges in targets.items():
            centre = self.axis if target == END else self.centres[target]
            came = {k: centre if (c := self._comes_from(k)) is None else c for k in edges}
            if target == END:
                places = [came.get(k, c) for k, c in enumerate(places)]
                continue
            edges.sort(key=lambda k: (came[k], k))
            straight = [i for i, k in enumerate(edges) if abs(came[k] - centre) < 0.5]
            middle = straight[0] if len(straight) == 1 else (len(edges) - 1) / 2
            part = self.parts[target]
            reach = min(part.axis, part.across - part.axis) - BESIDE
            step = min(SPREAD, reach / max(middle, len(edges) - 1 - middle, 1))
            for i, k in enumerate(edges):
                places[k] = centre + (i - middle) * step
        return places

    def placed(self, across: float, along: float) -> Placed:
        """The box with its place. across, along: its corner."""
        def xy(c: float, a: float) -> Point:
            c, a = round(across + c, 1), round(along + a, 1)
            return (a, c) if self.look.right else (c, a)

        width, height = (self.along, self.across) if self.look.right else (self.across, self.along)
        if not self.open:
            return Placed(self.box, *xy(0, 0), width, height, False)
        boxes = tuple(
            part.placed(across + self.centres[k] - part.axis, along + self.starts[self.layer[k]])
            for k, part in enumerate(self.parts)
        )
        return Placed(self.box, *xy(0, 0), width, height, True, boxes, tuple(self._lines(xy)))

    def _lines(self, xy: Callable[[float, float], Point]) -> Iterator[Line]:
        drawn = [self._points(k, arrival) for k, arrival in enumerate(self._arrivals())]
        taken: list[_Words] = []
        for k, (edge, text, points) in enumerate(zip(self.box.edges, self.texts, drawn, strict=True)):
            place = self._free_place(*self._text_place(k, drawn), text, taken) if text else None
            at, anchor, shown = ((0.0, 0.0), "", "") if place is None else (*place, text)
            yield Line(edge, tuple(xy(*point) for point in points), shown, xy(*at), anchor, bool(self.order.paths[k]))

    def _free_place(self, at: Point, anchor: str, text: str, taken: list[_Words]) -> tuple[Point, str] | None:
        """Where a text stands: beside those that stand there already; None if the same text is near."""
        right = self.look.right
        words = _words(at[::-1] if right else at, anchor, text)
        if any(there.text == text and there.touches(words, 2 * SMALL) for there in taken):
            return None
        while any(there.touches(words, SMALL - 1) for there in taken):
            at = (at[0] + SMALL, at[1]) if right else (at[0], at[1] + SMALL)
            words = _words(at[::-1] if right else at, anchor, text)
        taken.append(words)
        return at, anchor

    def _text_place(self, k: int, drawn: Sequence[Sequence[Point]]) -> tuple[Point, str]:
        """Where the text of an edge stands: on its lane, or on the free side of its curve."""
        edge, path, right = self.box.edges[k], self.order.paths[k], self.look.right
        if path:
            layer = self.layer[path[len(path) // 2]]
            return (self.centres[path[len(path) // 2]], (self.starts[layer] + self.ends[layer]) / 2), "middle"
        first, last = drawn[k][-2:]
        siblings = [j for j, other in enumerate(self.box.edges) if edge.source == other.source != START and j != k]
        if edge.source == START:
            return self._port_place(k, first, last)
        if abs(last[0] - first[0]) >= 0.5:
            alone = [other.target for other in self.box.edges].count(edge.target) == 1
            return _beside_curve(first, last, fork=bool(siblings) and alone, right=right)
        bends = [drawn[j][2][0] - first[0] for j in siblings]
        bends += [drawn[j][-2][0] - last[0] for j, other in enumerate(self.box.edges) if other.target == edge.target]
        if right:
            return (first[0] + (ABOVE if min(bends) < -0.5 else -ABOVE), (first[1] + last[1]) / 2), "middle"
        crowded = max(bends) > 0.5
        return (first[0] + (-BESIDE if crowded else BESIDE), (first[1] + last[1]) / 2), "end" if crowded else "start"

    def _port_place(self, k: int, first: Point, last: Point) -> tuple[Point, str]:
        """For one of several edges from the frame's border to a box: half of them to the left, below each other."""
        beside = self._ports_of(self.box.edges[k].target)
        i, half = beside.index(k), len(beside) // 2
        if self.look.right:
            above = max(half, 1)
            c = -ABOVE - (above - 1 - i) * SMALL if i < above else ABOVE + (i - above) * SMALL
            return (first[0] + c, (first[1] + last[1]) / 2), "middle"
        row = i if i < half else len(beside) - 1 - i
        a = (last[1] + first[1]) / 2 - (row - (len(beside) - 1) // 2 / 2) * SMALL
        return ((first[0] - BESIDE, a), "end") if i < half else ((first[0] + BESIDE, a), "start")

    def _ports_of(self, target: int) -> list[int]:
        """The edges with a text that come straight from the frame's border to this box."""
        return [
            k for k, (edge, path, text) in enumerate(zip(self.box.edges, self.order.paths, self.texts, strict=True))
            if edge.source == START and edge.target == target and not path and text
        ]

    def _points(self, k: int, arrival: float) -> list[Point]:
        """The points of an edge, across and along."""
        edge, path = self.box.edges[k], self.order.paths[k]
        if edge.source == START:
            points = [(self.centres[path[0]] if path else arrival, self.start)]
        else:
            c, layer = self.centres[edge.source], self.layer[edge.source]
            points = [(c, self.starts[layer] + self.parts[edge.source].along), (c, self.ends[layer])]
        for lane in path:
            points += [(self.centres[lane], places[self.layer[lane]]) for places in (self.starts, self.ends)]
        points.append((arrival, self.along if edge.target == END else self.starts[self.layer[edge.target]]))
        return points


class _Words(NamedTuple):
    """The place of a text: its left end, its middle, and its width."""

    text: str
    x: float
    y: float
    width: float

    def touches(self, other: _Words, height: float) -> bool:
        """Whether both texts overlap, if lines have this height."""
        return (self.x < other.x + other.width and other.x < self.x + self.width
                and abs(self.y - other.y) < height)


def _words(at: Point, anchor: str, text: str) -> _Words:
    width = edge_width(text) * NARROW
    return _Words(text, at[0] - {"start": 0.0, "middle": width / 2, "end": width}[anchor], at[1], width)


def _beside_curve(first: Point, last: Point, *, fork: bool, right: bool) -> tuple[Point, str]:
    """The free side of a curve: near its target for one of a fork that ends there alone, else near its source."""
    after = (last[0] > first[0]) == fork
    c, a = (last[0], last[1] - SMALL) if fork else (first[0], first[1] + SMALL * 0.7)
    if right:
        return (c + (SMALL + 2 if after else -ABOVE), a), "end" if fork else "start"
    return (c + (BESIDE if after else -BESIDE), a), "start" if after else "end"
