"""How large a box is: from estimated widths of its texts, so that it fits with any font."""

from __future__ import annotations

from typing import Final, NamedTuple

from archspec.show.scene import END, START, Box, Edge
from archspec.show.words import figure_text
from archspec.svg import cut, text_width

SIZE: Final = 11.0  # pixels, the font size of a box's first line
SMALL: Final = 9.0  # of its second line, its figure and of the shapes at edges
PAD: Final = 8.0  # between text and border
SPACE: Final = 6.0  # between two words with different looks
ROW: Final = 24.0  # height of a box of one line, and of a frame's head
TWO_ROWS: Final = 38.0
WIDEST: Final = 180.0  # of one word; longer ones are cut


class Word(NamedTuple):
    """A part of a box's first line. look: strong, plain, faint or times."""

    text: str
    look: str


def title_of(box: Box) -> list[Word]:
    """The first line of a box: its name, what it is, in which form, and how often."""
    words = [
        Word(box.name, "strong"), Word(box.label, "plain" if box.kind != "frame" or not box.name else "faint"),
        Word(box.detail, "faint"), Word(f"×{box.count}" if box.count > 1 else "", "times"), Word(box.note, "faint"),
    ]
    return [Word(cut(text, WIDEST, SIZE), look) for text, look in words if text]


def summary_of(box: Box) -> str:
    """The second line of a closed frame: the ops in it, each once."""
    ops = dict.fromkeys(inner.label for inner in box.walk() if inner.kind == "op")
    return cut(", ".join(ops), WIDEST, SMALL)


def title_width(box: Box, measure: str) -> float:
    """The width of the first line and of the figure behind it."""
    widths = [text_width(text, SIZE) * (1.1 if look in ("strong", "times") else 1) for text, look in title_of(box)]
    words = sum(widths) + SPACE * (len(widths) - 1)
    figure = figure_text(box.figures.get(measure, 0), measure)
    return words + (2 * SPACE + text_width(figure, SMALL) if figure else 0)


def closed_size(box: Box, measure: str) -> tuple[float, float]:
    """Width and height of a box that shows nothing of what is in it."""
    width = title_width(box, measure)
    if box.is_frame:
        width = max(width, text_width(summary_of(box), SMALL))
    return round(width + 2 * PAD), TWO_ROWS if box.is_frame else ROW


def edge_text(edge: Edge, *, direct: bool) -> str:
    """The words at an edge: the shape, after the name of the frame's input if there are several.

    direct: whether it passes no other box. Then a value that crosses a frame's border has its shape outside alone.
    """
    if direct and (edge.target == END or (edge.source == START and not edge.port)):
        return ""
    return f"{cut(edge.port, WIDEST / 2, SMALL)} {edge.shape}" if edge.port else edge.shape


def edge_width(text: str) -> float:
    """The width of the words at an edge."""
    return text_width(text, SMALL)
