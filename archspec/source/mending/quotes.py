"""Closes quotes, adds missing ones, and escapes a backslash."""

from __future__ import annotations

import re
from collections.abc import Iterator

from archspec.source.brackets import open_brackets
from archspec.source.mending.change import Change, Mend
from archspec.source.mending.lines import content_end
from archspec.source.syntax import Fault


def close_quote(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Close a quote before a comma or bracket, or at the end of the line."""
    text = fault.lines[line]
    mark = text[column : column + 1]
    if open_brackets(text[:column]):
        for match in re.finditer(r"[,\]}]", text[column + 1 :]):
            yield Mend((Change(line, (at := column + 1 + match.start()), at, mark),))
    end = len(re.sub(r"\s+#.*", "", text[column:]).rstrip()) + column
    yield Mend((Change(line, end, end, mark),))


def escape(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Escape a backslash."""
    yield Mend((Change(line, column, column, "\\"),), True)


def in_quotes(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Put a value in quotes that begins with a character YAML reserves."""
    text = fault.lines[line]
    end = content_end(text)
    if open_brackets(text[:column]) and (match := re.search(r"[,\]}]", text[column:])):
        end = column + match.start()
    yield from quoting(fault, line, column, end)


def quoting(fault: Fault, line: int, start: int, end: int) -> Iterator[Mend]:
    """Put quotes around a part of a line, of a kind that it does not contain."""
    inside = fault.lines[line][start:end]
    if '"' not in inside and "\\" not in inside:
        yield Mend((Change(line, start, start, '"'), Change(line, end, end, '"')))
    elif "'" not in inside:
        yield Mend((Change(line, start, start, "'"), Change(line, end, end, "'")))
