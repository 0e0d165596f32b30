"""What a function prints to a console of rich, as HTML: its tables as tables, its texts as lines."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from archspec.printing import html
from archspec.printing.plain import UNLIMITED

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_CLASSES: Final = {"bold": "b", "dim": "d", "red": "r", "green": "g", "yellow": "y", "cyan": "u", "blue": "u"}
Piece = tuple[str, str]  # classes, text


def html_of(show: Callable[[Console], None], pictures: Sequence[str] = ()) -> str:
    """What `show` prints, as HTML. pictures: SVGs to put below it."""
    from rich.table import Table

    console, found = _recorder()
    show(console)
    parts: list[str] = []
    waiting: list[list[Piece]] = []
    for item in found:
        if isinstance(item, Table):
            parts += [html.lines(waiting)] if any(waiting) else []
            parts.append(_table(item, console))
            waiting = []
        else:
            waiting += _lines(item)
    parts += [html.lines(waiting)] if any(waiting) else []
    return html.section(*parts, *map(_picture, pictures))


def _recorder() -> tuple[Console, list[Any]]:
    """A console that prints nothing, and the tables and texts that it was given."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found: list[Table | Text] = []

    class Recorder(Console):
        """Keeps what it is given."""

        def print(self, *objects: Any, **_: Any) -> None:
            """See rich."""
            found.extend(x if isinstance(x, (Table, Text)) else self.render_str(str(x)) for x in objects or ("",))

    console = Recorder(  # its texts are as `console_of` prints them
        width=UNLIMITED, color_system=None, force_terminal=False, highlight=False, markup=False, emoji=False
    )
    return console, found


def _lines(text: Text) -> list[list[Piece]]:
    """The lines of a text as pieces with classes."""
    return [list(_pieces(line)) for line in text.split("\n", allow_blank=True)]


def _pieces(text: Text) -> Iterator[Piece]:
    """A text in pieces of one style."""
    ends = sorted({0, len(text.plain), *(max(0, at) for span in text.spans for at in (span.start, span.end))})
    for start, end in pairwise(ends):
        styles = [str(text.style), *(str(s.style) for s in text.spans if s.start <= start and end <= s.end)]
        yield _classes(" ".join(styles)), text.plain[start:end]


def _classes(style: str) -> str:
    """The classes of a style: `bold cyan` → `b u`. `not dim` takes one away."""
    names: dict[str, None] = {}
    words = style.split()
    for before, word in zip(["", *words], words, strict=False):
        if word not in _CLASSES:
            continue
        if before == "not":
            names.pop(_CLASSES[word], None)
        else:
            names[_CLASSES[word]] = None
    return " ".join(names)


def _table(table: Table, console: Console) -> str:
    left = [k for k, column in enumerate(table.columns) if column.justify != "right"]

    def cell(value: Any, style: object = "") -> html.Cell:
        text = console.render_str(value) if isinstance(value, str) else value.copy()
        text.style = f"{style} {text.style}"
        return list(_pieces(text))

    columns = [list(column.cells) for column in table.columns]
    head = [cell(column.header) for column in table.columns] if table.show_header else []
    foot = [cell(column.footer) for column in table.columns] if table.show_footer else []
    inner: Iterable[Sequence[Any]] = zip(*columns, strict=True)
    rows = [
        [cell(value, row.style or "") for value in cells] for row, cells in zip(table.rows, inner, strict=True)
    ]
    return html.table(head, rows, left=left, foot=foot)


def _picture(svg: str) -> str:
    """An SVG as an image of its own: its styles do not reach the page, and none of the page reach it."""
    data = base64.b64encode(svg.encode()).decode()
    return f'<img alt="" src="data:image/svg+xml;base64,{data}">'
