"""A syntax error → its diagnostic, and the changes with which reading continues."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from archspec.diagnostics import Diagnostic, Label, SourceSpan, plural
from archspec.source.brackets import bare
from archspec.source.characters import explain, odd
from archspec.source.mending import Change, Mend, holes, mends
from archspec.source.syntax import fault_of, translate

_TEXT: Final = re.compile(r"\s*(description|name): ")  # lines that may contain any character
_TRIED: Final = 16  # edits that are tried, and as many ways to remove something
_SHOWN: Final = 8  # further lines with the same fault
_LATE: Final = ("quote", "long_quote", "flow", "open_above")  # reported far below the mistake
_END: Final = (2**31, 0)


@dataclass(frozen=True, slots=True)
class Found:
    """A syntax error. line: its line, from 0. mend: None if nothing helps. rule: the rule that reported it."""

    diagnostic: Diagnostic
    line: int
    mend: Mend | None
    rule: str = ""


def recover(
    exc: Exception, name: str, rows: tuple[str, ...], quote: tuple[int, int, int, int], reach: Callable[[Mend], Any]
) -> Found:
    """Explain a syntax error in these lines, and find the changes with which the parser gets furthest.

    quote: where the last quoted text starts and ends. reach: gives the error at which the parser stops after changes.
    """
    fault = fault_of(exc, name, rows, quote)
    diagnostic, rule = translate(fault)
    assert diagnostic.span is not None
    line, column = diagnostic.span.line - 1, diagnostic.span.column - 1
    if diagnostic.code == "SPEC003":
        return Found(diagnostic, line, None)
    now = _position(fault.line, fault.column, rows)
    least = _position(line, column, rows) if rule in _LATE else now

    def best(tried: Iterable[Mend]) -> Mend | None:
        chosen, furthest = None, least
        for mend in islice(tried, _TRIED):
            stop = reach(mend)
            position = _END if stop is None else _of(stop, rows, mend)
            if position > furthest and position != now:
                chosen, furthest = mend, position
            if position == _END:
                break
        return chosen

    mend = best(mends(rule, fault, line, column)) or best(holes(fault, line))
    if mend is not None and rule == "tab" and len(mend.changes) > 1:
        others = [c for c in mend.changes if c.line != line]
        spans = [SourceSpan(name, c.line + 1, c.start + 1, c.end - c.start, rows[c.line]) for c in others]
        more = len(spans) - _SHOWN
        notes = (f"the same mistake is on {plural(more, 'further line')}",) if more > 0 else ()
        labels = tuple(Label(span, "here too") for span in spans[:_SHOWN])
        diagnostic = replace(diagnostic, related=labels, notes=notes)
    return Found(diagnostic, line, mend, rule)


def odd_changes(
    text: str, parts: Iterable[tuple[int, int, frozenset[str]]], stop: Any
) -> list[tuple[str, str, Mend]]:
    """(message, hint, changes) for each line with invisible or lookalike characters.

    parts: (start, end, characters) of the parts of the text that contain some. stop: the syntax error, in whose lines
    all such characters count.
    """
    rows = text.split("\n")
    lines: dict[int, dict[int, str]] = {}
    for start, end, chars in parts:
        line, column = text.count("\n", 0, start), start - text.rfind("\n", 0, start) - 1
        for offset, char in enumerate(text[start:end]):
            if char == "\n":
                line, column = line + 1, -offset - 1
            elif char in chars:
                lines.setdefault(line, {})[column + offset] = odd(char).get(0, odd("a" + char).get(1, ""))
    for mark in (getattr(stop, "problem_mark", None), getattr(stop, "context_mark", None)):
        if mark is not None and mark.line < len(rows) and not _TEXT.match(rows[mark.line]):
            content = bare(rows[mark.line]).partition(" #")[0]
            if found := odd(content):
                lines.setdefault(mark.line, {}).update(found)
    made = []
    for line, found in sorted(lines.items()):
        for char in dict.fromkeys(rows[line][k] for k in sorted(found, reverse=True)):
            places = [k for k in sorted(found) if rows[line][k] == char]
            mend = Mend(tuple(Change(line, k, k + 1, found[k]) for k in places), sure=True)
            made.append((*explain(char, found[places[0]]), mend))
    return made


def _of(stop: Any, rows: tuple[str, ...], mend: Mend) -> tuple[int, int]:
    mark = getattr(stop, "problem_mark", None) or getattr(stop, "context_mark", None)
    if mark is None:
        return (-1, 0)
    grown = sum(len(c.text) - (c.end - c.start) for c in mend.changes if c.line == mark.line)
    return _position(mark.line, mark.column - grown, rows)


def _position(line: int, column: int, rows: tuple[str, ...]) -> tuple[int, int]:
    """A position that increases as the parser advances, even if an earlier part of its line became longer."""
    length = len(rows[line]) if line < len(rows) else 0
    return line, column - length
