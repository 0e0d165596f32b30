"""Removes what cannot be read: a value, a line with the lines under it, or the part around it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from archspec.source.mending.change import Change, Mend
from archspec.source.mending.lines import KEY, MAX_LINES, indent, parents, with_text
from archspec.source.syntax import Fault


def holes(fault: Fault, line: int) -> Iterator[Mend]:
    """Ways to remove the fault: its value or its line, then the parts around it, from the inside out."""
    starts = dict.fromkeys((line, with_text(fault, fault.line), fault.context_line))
    for start in starts:
        if start < len(fault.lines):
            yield from _without(fault, start)
    for parent in parents(fault, min(starts)):
        yield from _without(fault, parent)


def _without(fault: Fault, line: int) -> Iterator[Mend]:
    """Remove the value of the line, then the whole line; both with the lines that are indented under it."""
    text = fault.lines[line]
    key = KEY.match(text)
    if key:
        start = min(key.end() + 1, len(text))
        pad = " " * (key.end() + 1 - start)
        under = _under(fault, line, len(key[1]), lists="-" not in key[1])
        yield Mend((Change(line, start, len(text), f'{pad}"?"', True), *under))
    dashes = len(text) - len(re.sub(r"^ *(- +)+", "", text))
    if dashes:
        yield Mend((Change(line, dashes, len(text), '"?"', True), *_under(fault, line, indent(text))))
    elif text.strip():
        yield Mend((Change(line, 0, len(text), "", True), *_under(fault, line, indent(text))))


def _under(fault: Fault, line: int, column: int, *, lists: bool = False) -> Iterator[Change]:
    """Blank the lines after this one that are indented deeper than `column` or are items of its list."""
    for k in range(line + 1, min(len(fault.lines), line + MAX_LINES)):
        text = fault.lines[k]
        depth = indent(text)
        if text.strip() and depth <= column and not (lists and depth == column and text[depth : depth + 2] == "- "):
            return
        if text:
            yield Change(k, 0, len(text), "", True)


def unusable(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Remove an anchor, alias or tag with its value."""
    match = re.compile(r"[^,\]}#]*[^,\]}#\s]").match(fault.lines[line], column)
    if match:
        yield Mend((Change(line, column, match.end(), '"?"', True),))


def directive(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Remove a directive."""
    yield Mend((Change(line, 0, len(fault.lines[line]), ""),), True)
