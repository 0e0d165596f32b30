"""Draws a confusion matrix as SVG."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from archspec.data.registry import RunSplit
from archspec.svg import Style, box, cut, label, paragraph, picture, svg_text, text_width
from archspec.train.report.confusion import Confusion
from archspec.train.run_dir.full_disk import save_text

CELL: Final = 34  # pixels; has room for a number
SMALL_CELL: Final = 7  # pixels, in matrices too large for numbers and names
READABLE: Final = 32  # the most classes with room for names and numbers
NAME_WIDTH: Final = 130.0  # pixels; longer names are cut
LEAST_WIDTH: Final = 300.0  # pixels, the width of the picture that title and axes need
MARGIN: Final = 16
GAP: Final = 6  # pixels, between a name and its row
PICTURE: Final = "confusion.svg"  # its name in the run folder
OTHER_PICTURE: Final = "confusion-evaluate.svg"  # for images other than the run's test set
READING: Final = "row: true class, column: predicted class; shade: share of the row"
FAINTEST: Final = 0.06  # opacity of a cell with one of very many images
STYLES: Final[Style] = {
    "cell": ("fill:#08519c", "fill:#58a6ff"),  # blues that colour-blind people can distinguish from the page
    "on": ("fill:#fff", "fill:#0d1117"),  # a number on a cell of high opacity
}


def confusion_svg(confusion: Confusion, title: str) -> str:
    """The matrix with a row for each true class, shaded by the share of the row, with counts if they have room."""
    columns = confusion.columns
    readable = len(columns) <= READABLE
    cell = CELL if readable else SMALL_CELL
    names = _names(confusion, columns) if readable else _numbers(columns)
    room = max(map(text_width, names)) + GAP
    side = MARGIN + room
    width = max(side + cell * len(columns) + MARGIN, LEAST_WIDTH)
    head, y = paragraph(MARGIN, MARGIN / 2, title, width - 2 * MARGIN, size=14, bold=True)
    reading, y = paragraph(MARGIN, y, READING, width - 2 * MARGIN, style="faint")
    top = y + GAP + room
    height = top + cell * confusion.classes + MARGIN
    return picture(width, height, [
        *head, *reading,
        *_labels(names, confusion.classes, side, top, cell),
        *_cells(confusion, columns, side, top, cell),
        box(side, top, cell * len(columns), cell * confusion.classes, "axis"),
    ], title, styles=STYLES)


def draw_confusion(confusion: Confusion, path: Path, name: str, data: str, split: RunSplit = "test") -> None:
    """Write the picture of the network `name` on a split of `data`."""
    title = f"{name} on {data}, {split}: {confusion.accuracy:.2%} of {confusion.images:,}"
    save_text("the picture", path, confusion_svg(confusion, title))


def _names(confusion: Confusion, columns: tuple[int, ...]) -> list[str]:
    """A name for each column, with its number if names that are cut would look the same."""
    names = [cut(confusion.names[k], NAME_WIDTH) for k in columns]
    if len(set(names)) == len(names):
        return names
    return [cut(f"{k} {confusion.names[k]}", NAME_WIDTH) for k in columns]


def _numbers(columns: tuple[int, ...]) -> list[str]:
    """Labels if names have no room: the number of every tenth class, or of every fiftieth if there are very many."""
    every = 10 if len(columns) <= 200 else 50
    return [str(k) if k % every == 0 else "" for k in columns]


def _labels(names: list[str], rows: int, side: float, top: float, cell: int) -> Iterator[str]:
    for k, name in enumerate(names):
        if not name:
            continue
        middle = k * cell + cell / 2 + 4
        if k < rows:
            yield label(round(side - GAP, 1), round(top + middle, 1), name, anchor="end")
        yield label(round(side + middle, 1), round(top - GAP, 1), name, turned=True)


def _cells(confusion: Confusion, columns: tuple[int, ...], side: float, top: float, cell: int) -> Iterator[str]:
    totals = [result.images for result in confusion.per_class()]
    place = {column: k for k, column in enumerate(columns)}
    for (true, predicted), number in sorted(confusion.counts.items()):
        share = number / totals[true]
        x, y = side + place[predicted] * cell, top + true * cell
        hover = f"{confusion.names[true]} taken for {confusion.names[predicted]}: {number:,} of {totals[true]:,}"
        yield f'<rect x="{x:g}" y="{y:g}" width="{cell}" height="{cell}" class="cell" ' \
              f'fill-opacity="{_opacity(share):.3f}"><title>{svg_text(hover)}</title></rect>'
        if cell == CELL:
            yield _count(x, y, str(number), "on" if share > 0.7 else "ink")
    if cell == CELL:
        for row, total in enumerate(totals):
            if not total:  # the class has no images
                yield _count(side + row * cell, top + row * cell, "–", "faint")


def _count(x: float, y: float, text: str, style: str) -> str:
    size = min(12.0, CELL / (0.66 * len(text)))  # so that the digits fit into their cell
    middle = f'x="{x + CELL / 2:g}" y="{y + CELL / 2 + 4:g}" text-anchor="middle" font-size="{size:.3g}"'
    return f'<text {middle} class="{style}" pointer-events="none">{text}</text>'


def _opacity(share: float) -> float:
    return FAINTEST + (1 - FAINTEST) * share
