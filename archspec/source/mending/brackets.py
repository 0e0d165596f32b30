"""Opens, closes and removes brackets, and adds the commas between their items."""

from __future__ import annotations

import re
from collections.abc import Iterator

from archspec.source.brackets import open_brackets
from archspec.source.mending.change import Change, Mend
from archspec.source.mending.lines import KEY, content_end, indent
from archspec.source.syntax import Fault


def flow(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Correct a bracket of another kind, add a missing comma, or close or open a bracket."""
    text = fault.lines[line]
    char = text[column : column + 1]
    here = (fault.line, fault.column) == (line, column)
    if char in ("]", "}") and here:
        yield from _wrong_closer(fault, line, column)
    if here:
        before = len(text[:column].rstrip())
        if char == ":" and " " in text[:before]:  # in `a: 1 b: 2` a comma is missing before the key
            before = len(text[: text.rindex(" ", 0, before)].rstrip())
        yield Mend((Change(line, before, before, ","),))
    yield from _close_bracket(fault, fault.context_line)
    if here:
        start = text.rfind(": ", 0, column) + 2
        if start > 1:
            yield Mend((Change(line, start, start, "{"),))


def _wrong_closer(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    start = fault.context_line
    other = {"]": "}", "}": "]"}[fault.lines[line][column]]
    outer = open_brackets(fault.lines[start][: fault.context_column])
    if outer and outer[-1] == fault.lines[line][column]:
        last = re.search(r", *[\w$.-]+: [^\[\]{}]*$", fault.lines[line][:column])
        if other == "]" and last and ": " not in fault.lines[line][fault.context_column : last.start()]:
            yield Mend((Change(line, last.start(), last.start(), other),))
        yield Mend((Change(line, column, column, other),))
    yield Mend((Change(line, column, column + 1, other),))
    yield Mend((Change(line, column, column + 1, ""),))


def open_above(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Close a bracket that a line above opens."""
    yield from _close_bracket(fault, line)


def _close_bracket(fault: Fault, start: int) -> Iterator[Mend]:
    """Close all open brackets at the end of the part that the opening line begins, or at the end of that line."""
    key = KEY.match(fault.lines[start])
    depth = len(key[1]) if key else indent(fault.lines[start])
    last = start
    for k in range(start + 1, min(len(fault.lines), fault.line + 1)):
        if fault.lines[k].strip():
            if indent(fault.lines[k]) <= depth:
                break
            last = k
    for k in dict.fromkeys((last, start)):
        end = content_end(fault.lines[k])
        missing = open_brackets("\n".join((*fault.lines[start:k], fault.lines[k][:end])))
        if missing:
            yield Mend((Change(k, end, end, "".join(reversed(missing))),))


def open_before(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Open the list before its first item."""
    start = fault.lines[line].rindex(":", 0, column) + 1
    start += len(fault.lines[line][start:]) - len(fault.lines[line][start:].lstrip())
    yield Mend((Change(line, start, start, "["),))


def list_in_line(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Put brackets around a list after its key."""
    text = fault.lines[line]
    end = content_end(text)
    start = len(text) - len(text[column + 1 :].lstrip())
    if start < end:
        yield Mend((Change(line, column, start, "["), Change(line, end, end, "]")))
    else:
        yield Mend((Change(line, column, column + 1, "[]"),))


def stray(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Remove an extra bracket or comma, or add a missing key."""
    if fault.lines[line][column : column + 1] in ("]", "}", ","):
        yield Mend((Change(line, column, column + 1, ""),))
    if fault.lines[line][column : column + 1] == ":":
        yield Mend((Change(line, column, column, '"?"', True),))
