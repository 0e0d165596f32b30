"""Adds a missing colon or the space after it, and braces or quotes around a second one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from archspec.source.brackets import bare, open_brackets
from archspec.source.mending.change import Change, Mend
from archspec.source.mending.indentation import realigned
from archspec.source.mending.lines import KEY, content_end, indent, with_text
from archspec.source.mending.quotes import quoting
from archspec.source.syntax import Fault


def second_colon(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Correct a line with two colons, or its indentation, or a line above without one."""
    text = fault.lines[line]
    if text[column] == ":" and text[column + 1 : column + 2].strip():
        yield from colon_space(fault, line, column)
    if column == indent(text) or text[:column].strip(" -") == "":
        yield from _colon(fault, line, column)
        yield from realigned(fault, line)
        return
    key = KEY.match(text)
    if key is None:
        return
    start, end = len(text) - len(text[key.end() :].lstrip()), content_end(text)
    if start >= end:  # no value
        return
    if key[2] in ("description", "name"):
        yield from quoting(fault, line, start, end)
    elif text[end - 1] == "}" and "}" not in open_brackets(text[:start]):
        yield Mend((Change(line, start, start, "{"),))
    yield Mend((Change(line, start, start, "{"), Change(line, end, end, "}")))
    yield from quoting(fault, line, start, end)


def _colon(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Add a `:` after the first word of the line, or after the last word of a line above that has none."""
    text = fault.lines[line]
    above = with_text(fault, line - 1) if line else line
    if ":" not in bare(text[column:]):
        if match := re.compile(r"(?:- +)*[\w$.-]+(?= )").match(text, column):
            yield Mend((Change(line, match.end(), match.end(), ":"),))
        yield Mend((Change(line, content_end(text), content_end(text), ":"),))
    elif above < line and ":" not in bare(fault.lines[above]) and indent(fault.lines[above]) < column:
        end = content_end(fault.lines[above])
        yield Mend((Change(above, end, end, ":"),))


def key_colon(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Add a `:` after the key, before the space."""
    end = fault.lines[line].index(" ", column)
    yield Mend((Change(line, end, end, ":"),))


def no_colon(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Add a `:`, or the space after it."""
    text = fault.lines[line]
    if text[column : column + 1] == ":":
        yield Mend((Change(line, column + 1, column + 1, " "),), True)
    else:
        yield from _colon(fault, line, column)


def colon_space(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Add a space after a `:`."""
    yield Mend((Change(line, column + 1, column + 1, " "),), True)
