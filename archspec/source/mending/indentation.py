"""Replaces tabs, and indents lines as deep as one of the lines above."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from archspec.source.mending.brackets import stray
from archspec.source.mending.change import Change, Mend
from archspec.source.mending.lines import MAX_LINES, content_end, indent, parents, with_text
from archspec.source.syntax import Fault

_TABS: Final = (2, 4, 8, 6)  # spaces for a tab


def indentation(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Correct the indentation of a line, or what else makes the parser see an indented one."""
    text = fault.lines[line]
    if not text[:column].strip():
        yield from realigned(fault, line)
    elif text[column] in "]}":
        yield Mend((Change(line, column, column + 1, ""),))  # its opening bracket may be missing anywhere in the line
    elif text[column] == ":":
        yield from stray(fault, line, column)
    else:
        quote = fault.quote[1]
        end = content_end(text)
        inside = text[quote:end]
        if fault.quote[0] == fault.quote[2] == line and inside[:1] == "'":
            yield Mend((Change(line, quote, end, "'" + inside.strip("'").replace("'", "''") + "'"),))


def realigned(fault: Fault, line: int) -> Iterator[Mend]:
    """Indent the line and those under it as deep as one of the lines above."""
    depth = indent(fault.lines[line])
    run = []
    for k in range(line, min(len(fault.lines), line + MAX_LINES)):
        if fault.lines[k].strip() and indent(fault.lines[k]) < depth:
            break
        run.append(k)
    before = with_text(fault, line - 1) if line else 0
    above = fault.lines[before]
    levels = {indent(fault.lines[k]): None for k in (before, *parents(fault, before))}
    levels.update(dict.fromkeys(m.end() for m in re.finditer(r"^ *(- +)", above)))
    for level in sorted(levels, key=lambda n: (abs(n - depth), n != indent(above), -n)):
        for lines in (run, [line]):
            yield Mend(tuple(
                Change(k, 0, min(depth, indent(fault.lines[k])), " " * level) for k in lines if fault.lines[k].strip()
            ), whole=True)


def tabs(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Replace tabs with the indentation of the line below, or with spaces of several widths."""
    found = [(k, re.match(r"[ \t]*", text)) for k, text in enumerate(fault.lines)]
    tabbed = [(k, m[0]) for k, m in found if m and "\t" in m[0]][:MAX_LINES]
    if any(k == line for k, _ in tabbed):
        below = next((t for t in fault.lines[tabbed[-1][0] + 1 :] if t.strip()), "")
        if indent(below):
            yield Mend(tuple(Change(k, 0, len(t), " " * indent(below)) for k, t in tabbed), True)
        for width in _TABS:
            yield Mend(tuple(Change(k, 0, len(t), t.replace("\t", " " * width)) for k, t in tabbed), True)
    else:
        end = len(fault.lines[line]) - len(fault.lines[line][column:].lstrip(" \t"))
        yield Mend((Change(line, column, end, " "),), True)
