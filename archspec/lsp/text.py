"""Lines and columns as an editor counts them: lines end at CR, LF or both; columns count UTF-16 or other code units."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_BREAK: Final = re.compile(r"\r\n|\r|\n")
_UNITS: Final = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}


class Spot(NamedTuple):
    """A place between two characters: line and column from 0."""

    line: int
    column: int


class Change(NamedTuple):
    """Replace the text between two spots, whose columns count code units, with `text`. None: the whole text."""

    start: Spot | None
    end: Spot | None
    text: str


def lines_of(text: str) -> list[str]:
    """The lines without their ends."""
    return _BREAK.split(text)


def to_units(line: str, column: int, encoding: str = "utf-16") -> int:
    """Convert a column from characters to code units."""
    if line.isascii():
        return min(column, len(line))
    name, size = _UNITS[encoding]
    return len(line[:column].encode(name, "surrogatepass")) // size


def to_characters(line: str, units: int, encoding: str = "utf-16") -> int:
    """Convert a column from code units to characters. Inside a character, it is the place before it."""
    if line.isascii():
        return min(units, len(line))
    name, size = _UNITS[encoding]
    count = 0
    for column, char in enumerate(line):
        count += len(char.encode(name, "surrogatepass")) // size
        if count > units:
            return column
    return len(line)


def changed(text: str, change: Change, encoding: str = "utf-16") -> str:
    """The text after one change of an editor."""
    if change.start is None or change.end is None:
        return change.text
    starts = [0, *(match.end() for match in _BREAK.finditer(text))]
    start, end = (_offset(text, starts, spot, encoding) for spot in (change.start, change.end))
    return text[:start] + change.text + text[max(start, end) :]


def _offset(text: str, starts: list[int], spot: Spot, encoding: str) -> int:
    if spot.line >= len(starts):
        return len(text)
    start = starts[spot.line]
    stop = starts[spot.line + 1] if spot.line + 1 < len(starts) else len(text)
    line = text[start:stop].rstrip("\r\n")
    return start + to_characters(line, spot.column, encoding)
