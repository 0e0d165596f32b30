"""A confusion matrix as an SVG: no library draws it, no font is needed."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

from archspec.train.confusion import Confusion
from archspec.train.files import write_text

CELL: Final = 34  # pixels, where a number has room
SMALL_CELL: Final = 7  # pixels, for matrices too large for numbers and names
READABLE: Final = 32  # classes whose names and numbers still have room
NAME_CHARS: Final = 18  # longer names are cut
CHAR_WIDTH: Final = 7  # pixels, of a 12-pixel sans-serif, about
MARGIN: Final = 16
HEAD: Final = 44  # room for title and axis
PICTURE: Final = "confusion.svg"  # its name in a run's folder
OTHER_PICTURE: Final = "confusion-evaluate.svg"  # of other images than the run's own test set
READING: Final = "a row: the true class; a column: what it was taken for"
LIGHT: Final = (247, 251, 255)  # from ColorBrewer's Blues, which the colour-blind can read too
DARK: Final = (8, 48, 107)


def confusion_svg(confusion: Confusion, title: str) -> str:
    """The matrix, a row for each true class, shaded by the share of the row; counts where they have room."""
    columns = confusion.columns
    readable = len(columns) <= READABLE
    cell = CELL if readable else SMALL_CELL
    names = [_name(confusion.names[k]) for k in columns] if readable else []
    side = MARGIN + max((len(name) for name in names), default=0) * CHAR_WIDTH + 8 * readable
    top = HEAD + (side - MARGIN)
    text = max(CHAR_WIDTH * len(READING), (CHAR_WIDTH + 2) * len(title))
    width = max(side + cell * len(columns), MARGIN + text) + MARGIN
    height = top + cell * confusion.classes + MARGIN
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{MARGIN}" y="20" font-size="14" font-weight="bold">{_text(title)}</text>',
        f'<text x="{MARGIN}" y="38" fill="#555">{READING}</text>',
        *_labels(names, confusion.classes, side, top),
        *_cells(confusion, columns, side, top, cell),
        f'<rect x="{side}" y="{top}" width="{cell * len(columns)}" height="{cell * confusion.classes}" '
        'fill="none" stroke="#999"/>',
        "</svg>",
        "",
    ])


def draw_confusion(confusion: Confusion, path: Path, name: str, data: str) -> None:
    """Write the picture of the network `name` on the test split of `data`."""
    title = f"{name} on {data}, test: {confusion.accuracy:.2%} of {confusion.images:,}"
    write_text(path, confusion_svg(confusion, title))


def _labels(names: list[str], rows: int, side: int, top: int) -> Iterator[str]:
    for k, name in enumerate(names):
        middle = k * CELL + CELL // 2
        if k < rows:
            yield f'<text x="{side - 6}" y="{top + middle + 4}" text-anchor="end">{_text(name)}</text>'
        x, y = side + middle + 4, top - 6
        yield f'<text transform="translate({x} {y}) rotate(-90)">{_text(name)}</text>'


def _cells(confusion: Confusion, columns: tuple[int, ...], side: int, top: int, cell: int) -> Iterator[str]:
    totals = [result.images for result in confusion.per_class()]
    place = {column: k for k, column in enumerate(columns)}
    for (true, predicted), number in sorted(confusion.counts.items()):
        share = number / totals[true]
        x, y = side + place[predicted] * cell, top + true * cell
        hover = f"{confusion.names[true]} taken for {confusion.names[predicted]}: {number} of {totals[true]}"
        yield f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="{_shade(share)}">' \
              f"<title>{_text(hover)}</title></rect>"
        if cell == CELL:
            ink = "white" if share > 0.5 else "black"
            yield f'<text x="{x + cell // 2}" y="{y + cell // 2 + 4}" text-anchor="middle" ' \
                  f'font-size="{_font_size(number)}" fill="{ink}" pointer-events="none">{number}</text>'


def _shade(share: float) -> str:
    red, green, blue = (round(light + (dark - light) * share) for light, dark in zip(LIGHT, DARK, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _font_size(number: int) -> int:
    """So that the digits fit into their cell."""
    return min(12, int(CELL / (0.62 * len(str(number)))))


def _name(name: str) -> str:
    return name if len(name) <= NAME_CHARS else name[: NAME_CHARS - 1] + "…"


def _text(text: str) -> str:
    """For an SVG: escaped, and without the control characters that XML forbids."""
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))
