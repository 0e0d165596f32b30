"""Boxes and edges as SVG elements, with the shade of their cost."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, sqrt
from typing import Final

from archspec.show.place import Line, Placed, Point
from archspec.show.scene import END, Box
from archspec.show.sizes import PAD, ROW, SIZE, SMALL, SPACE, edge_width, summary_of, title_of
from archspec.show.words import MEASURES, figure_text
from archspec.svg import Style, box, label, line_of_words, svg_text

SHADES: Final = 8  # colours of a cost, beside that of none
DARK_SHADE: Final = 6  # the first on which text has the colour of the page
STACKED: Final = (6.0, 3.0)  # pixels: how far the sheets behind a box of several copies stand out
STYLES: Final[Style] = {
    "s0": ("fill:#f6f8fa", "fill:#161b22"), "s1": ("fill:#e3eef9", "fill:#14243a"),
    "s2": ("fill:#cfe1f2", "fill:#163150"), "s3": ("fill:#b5d4e9", "fill:#184069"),
    "s4": ("fill:#93c3df", "fill:#1b5084"), "s5": ("fill:#6daed5", "fill:#2262a0"),
    "s6": ("fill:#2b77b5", "fill:#5b9bd8"), "s7": ("fill:#1764ab", "fill:#85b9ea"),
    "s8": ("fill:#084a91", "fill:#b5d8f7"),
    "soft": ("fill-opacity:.72", "fill-opacity:.72"), "b": ("font-weight:bold", "font-weight:bold"),
    "over": ("fill:#fff", "fill:#0d1117"),
    "rim": ("stroke:#818b98", "stroke:#656c76"),
    "edge": ("fill:none;stroke:#59636e;stroke-width:1.2", "fill:none;stroke:#9198a1;stroke-width:1.2"),
    "tip": ("fill:#59636e", "fill:#9198a1"),
    "shape": ("fill:#59636e;stroke:#fff;stroke-width:3;paint-order:stroke",
              "fill:#9198a1;stroke:#0d1117;stroke-width:3;paint-order:stroke"),
}

_LOOKS: Final = {"strong": "b", "plain": "", "faint": "soft", "times": "b"}  # of a word → its class


class Painter:
    """Draws boxes. Their shade is the square root of their cost over the largest of those that are drawn closed."""

    def __init__(self, drawn: Placed, measure: str, *, right: bool) -> None:
        self.measure = measure
        self.right = right
        self.whole = drawn.box.figures.get(measure, 0.0)
        self.largest = max((x.box.figures.get(measure, 0.0) for x in drawn.walk() if not x.open), default=0.0)

    def shade(self, x: Placed) -> int:
        """0 for no cost, to SHADES for the largest."""
        if x.open or not self.largest:
            return 0
        share: float = x.box.figures.get(self.measure, 0.0) / self.largest
        return min(SHADES, ceil(SHADES * sqrt(share) - 1e-9))

    def inside(self, frame: Placed) -> Iterator[str]:
        """What is in an open frame: its edges below its boxes, and the words at the edges above them."""
        for line in frame.lines:
            yield f'<path class="edge" d="{path_of(line, right=self.right)}"/>'
        if tips := "".join(_tip(line.points[-1], right=self.right) for line in frame.lines if line.edge.target != END):
            yield f'<path class="tip" d="{tips}"/>'
        for inner in frame.boxes:
            yield "<g>"
            yield from self._box(inner)
            yield "</g>"
        for line in frame.lines:
            x, y = line.at
            if line.text and line.covers:
                half = edge_width(line.text) / 2
                yield box(round(x - half, 1), y - SMALL / 2, round(2 * half, 1), SMALL, "page")
            if line.text:
                yield label(x, round(y + SMALL * 0.35, 1), line.text, size=SMALL, anchor=line.anchor, style="shape")

    def _box(self, x: Placed) -> Iterator[str]:
        shade = self.shade(x)
        style = f"{'page' if x.open else f's{shade}'} rim"
        yield f"<title>{svg_text(about(x.box), lines=True)}</title>"
        corner = ROW / 2 if x.box.kind in ("input", "output") else 4
        for offset in (*(STACKED if x.box.count > 1 else ()), 0.0):
            yield box(x.x + offset, x.y + offset, x.width, x.height, style, corner=corner)
        ink = "over" if shade >= DARK_SHADE else "ink"
        if x.open:
            yield from self._share(x)
            yield from self.inside(x)
        elif x.box.is_frame:
            yield label(x.x + PAD, x.y + ROW + 6, summary_of(x.box), size=SMALL, style=f"{ink} soft")
        yield from self._title(x, ink)

    def _title(self, x: Placed, ink: str) -> Iterator[str]:
        words = [(word.text, _LOOKS[word.look]) for word in title_of(x.box)]
        figure = figure_text(x.box.figures.get(self.measure, 0.0), self.measure)
        y = x.y + ROW / 2 + SIZE * 0.36
        ends = x.box.kind in ("input", "output")
        yield line_of_words(x.x + (x.width / 2 if ends else PAD), y, words, size=SIZE, space=SPACE, style=ink,
                            anchor="middle" if ends else "start")
        if figure:
            yield label(x.x + x.width - PAD, y, figure, size=SMALL, anchor="end", style=f"{ink} soft")

    def _share(self, x: Placed) -> Iterator[str]:
        """A frame's part of the network's cost, as a bar below its head."""
        share = x.box.figures.get(self.measure, 0.0) / self.whole if self.whole else 0.0
        yield box(x.x, x.y + ROW - 3, x.width, 3, "s1")
        if share > 0:
            yield box(x.x, x.y + ROW - 3, round(x.width * min(1.0, share), 1), 3, "s6")


def about(x: Box) -> str:
    """What hovering over a box shows."""
    lines = [x.path + (f" ×{x.copies}" if x.copies > 1 else ""), x.written or x.label, f"output {x.shape}"]
    lines += [f"{text} {name}" for key, name in MEASURES.items() if (text := figure_text(x.figures.get(key, 0.0), key))]
    return "\n".join(line for line in (*lines, x.note) if line)


def path_of(line: Line, *, right: bool) -> str:
    """The path of an edge: straight along the flow, S-shaped across it. It ends in the tip of its arrow."""
    *most, (end_x, end_y) = line.points
    tip = 0 if line.edge.target == END else 4
    (x, y), *rest = [*most, (end_x - tip, end_y) if right else (end_x, end_y - tip)]
    parts = [f"M{x:g} {y:g}"]
    for to_x, to_y in rest:
        if (to_y == y) if right else (to_x == x):
            parts.append(f"L{to_x:g} {to_y:g}" if (to_x, to_y) != (x, y) else "")
        else:
            middle = (x + to_x) / 2 if right else (y + to_y) / 2
            a, b = ((middle, y), (middle, to_y)) if right else ((x, middle), (to_x, middle))
            parts.append(f"C{a[0]:g} {a[1]:g} {b[0]:g} {b[1]:g} {to_x:g} {to_y:g}")
        x, y = to_x, to_y
    return "".join(parts)


def _tip(point: Point, *, right: bool) -> str:
    x, y = point
    return f"M{x:g} {y:g}l-6 -3v6z" if right else f"M{x:g} {y:g}l-3 -6h6z"
