"""The columns of a table that fit into a terminal: figures stay whole, long words are folded, the rest is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archspec.printing.plain import NARROW, TIGHT

if TYPE_CHECKING:
    from rich.table import Table

WORDS: Final = 12  # the width to which words may be folded
_WIDE: Final = (0, 1)
_PIECES: Final = re.compile(r"[^ _]*(?: |_+|$)")  # a head is broken behind spaces and underscores


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. least: the width to which its cells may be folded; None: they stay whole."""

    head: str
    cells: Sequence[str]
    least: int | None = None
    right: bool = False

    @property
    def natural(self) -> int:
        """The width in which nothing is folded."""
        return _longest([self.head, *self.cells])

    @property
    def needed(self) -> int:
        """The width with which it can still be read."""
        cells = _longest(self.cells)
        return max(_longest(_pieces(self.head)), cells if self.least is None else min(cells, self.least))


def of_values(head: str, cells: Sequence[str], *, right: bool = False) -> Column:
    """A column of settings, which are numbers or words."""
    return Column(head, cells, None if all(map(_is_number, cells)) else WORDS, right)


def padding(columns: Sequence[Column], width: int) -> tuple[int, int] | tuple[int, int, int, int]:
    """The padding of cells: three characters between two columns, or two where a narrow terminal has no room for it."""
    return TIGHT if sum(column.natural + 3 for column in columns) > width < NARROW else _WIDE


def fitting(columns: Sequence[Column], ranked: Iterable[int], width: int) -> dict[int, int]:
    """The columns that fit, in their order, each with its width. ranked: the most important first, which is always in.

    What is left of the width goes to the columns that lack least.
    """
    gap = 2 if padding(columns, width) == TIGHT else 3
    room, found = width, dict[int, int]()
    for k in dict.fromkeys(ranked):
        needed = columns[k].needed
        if needed + gap <= room or not found:
            found[k] = min(needed, room - gap)
            room -= found[k] + gap
    for k in sorted(found, key=lambda k: columns[k].natural - found[k]):
        more = min(room, columns[k].natural - found[k])
        found[k] += more
        room -= more
    return dict(sorted(found.items()))


def add_columns(table: Table, columns: Sequence[Column], widths: Mapping[int, int]) -> None:
    """Add the columns of these widths, without rows."""
    from rich.text import Text

    for k, width in widths.items():
        column = columns[k]
        table.add_column(
            Text(_broken(column.head, width)), width=width, overflow="fold", justify="right" if column.right else "left"
        )


def _broken(head: str, width: int) -> str:
    """The head on several lines, if it has to be: `label_`, `smoothing`."""
    if _longest([head]) <= width:
        return head
    lines = [""]
    for piece in _pieces(head):
        if _longest([lines[-1] + piece]) <= width:
            lines[-1] += piece
        else:
            lines.append(piece)
    return "\n".join(line.rstrip(" ") for line in lines if line)


def _pieces(head: str) -> list[str]:
    return [piece for piece in _PIECES.findall(head) if piece]


def _longest(texts: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max((cell_len(text.rstrip(" ")) for text in texts), default=0)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+−]?[\d.,]+(?:e[-+]?\d+)?|–|", text) is not None
