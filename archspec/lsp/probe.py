"""Finds out what can be written at the cursor: parses the text with a placeholder there, as a word or as a key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from archspec.diagnostics import SpecError
from archspec.lsp.text import Spot
from archspec.source import Document, parse
from archspec.source.document import Path

_STAND_IN: Final = "zzCURSORzz"
_WORD: Final = re.compile(r"[\w./-]*$")
_AFTER: Final = re.compile(r"[\w./-]*")
_CLOSERS: Final = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Probe:
    """A place where something can be written.

    path: for a key, the path of its collection; for a value, the path of the value. is_key: whether it is a key; None:
    a key or a value. beside: the other keys of the mapping. word: the word at the cursor, from column `start` to `end`.
    expression: the `$…` before the cursor, if it is inside one.
    """

    path: Path
    is_key: bool | None
    beside: tuple[str, ...]
    word: str
    start: int
    end: int
    expression: str | None
    document: Document


def probe(lines: list[str], spot: Spot) -> Probe | None:
    """Parse the text with a placeholder for the word at the cursor. None inside a comment, or if parsing fails."""
    line = lines[spot.line] if spot.line < len(lines) else ""
    before = line[: spot.column]
    if re.search(r"(^|\s)#", _without_quotes(before)):
        return None
    expression = _expression(before)
    if expression is not None:
        start = spot.column - len(expression)
        word = re.search(r"[A-Za-z_]\w*$|$", expression)
        assert word is not None
        shown, first = word[0], spot.column - len(word[0])
        tail = _expression_end(line, spot.column, expression)
    else:
        match = _WORD.search(before)
        assert match is not None
        shown, start = match[0], match.start()
        first = start
        rest = _AFTER.match(line, spot.column)
        tail = rest.end() if rest else spot.column
    end = _AFTER.match(line, spot.column)
    for text in _variants(line[:start], line[tail:]):
        try:
            document = parse("\n".join([*lines[: spot.line], text, *lines[spot.line + 1 :]]), "probe")
        except SpecError:
            continue
        found = _find(document.data, ())
        if found is not None:
            path, is_key, beside = found
            stop = end.end() if end is not None and expression is None else spot.column
            return Probe(path, is_key, beside, shown, first, stop, expression, document)
    return None


def _variants(before: str, after: str) -> Iterator[str]:
    """The line with a placeholder: as a word, as a key, and with open brackets closed."""
    open_ones = _open_brackets(before)
    closed = "".join(_CLOSERS[char] for char in reversed(open_ones))
    has_key = after.lstrip().startswith(":")
    if not open_ones and not has_key and not before.strip(" -"):
        yield f"{before}{_STAND_IN}: 0"  # alone on a line it is more often a key
        yield f"{before}{_STAND_IN}{after}"
    else:
        gap = " " if before[-1:] in (":", ",", "-") else ""
        yield f"{before}{gap}{_STAND_IN}{after}"
        yield f"{before}{gap}{_STAND_IN}{closed}"
    yield f"{before}{_STAND_IN}: 0{closed}"


def _open_brackets(text: str) -> list[str]:
    stack: list[str] = []
    for char in _without_quotes(text):
        if char in _CLOSERS:
            stack.append(char)
        elif char in _CLOSERS.values() and stack:
            stack.pop()
    return stack


def _without_quotes(text: str) -> str:
    return re.sub(r"\"[^\"]*\"|'[^']*'", lambda match: "x" * len(match[0]), text)


def _expression(before: str) -> str | None:
    """The `$name` or `$(…` around the cursor, or None."""
    match = re.search(r"\$[\w.]*$", before)
    if match:
        return match[0]
    start = before.rfind("$(")
    if start < 0 or before.count("(", start) <= before.count(")", start):
        return None
    return before[start:]


def _expression_end(line: str, column: int, expression: str) -> int:
    """The end of the expression that begins before the column."""
    if not expression.startswith("$("):
        return re.compile(r"[\w.]*").match(line, column).end()  # type: ignore[union-attr]
    depth = expression.count("(") - expression.count(")")
    for position in range(column, len(line)):
        depth += (line[position] == "(") - (line[position] == ")")
        if depth == 0:
            return position + 1
    return column


def _find(value: Any, path: Path) -> tuple[Path, bool | None, tuple[str, ...]] | None:
    """The placeholder in the data: (path, whether it is a key, the other keys of its mapping)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if _STAND_IN in key:
                sure = inner != 0 or len(value) > 1
                return path, True if sure else None, tuple(k for k in value if _STAND_IN not in k)
            found = _find(inner, (*path, key))
            if found is not None:
                return found
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            found = _find(inner, (*path, k))
            if found is not None:
                return found
    elif isinstance(value, str) and _STAND_IN in value:
        return path, False, ()
    return None
