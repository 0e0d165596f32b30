"""Expressions that YAML's flow style splits, and how to continue without them.

In `{a: $(max(c, 8)), k: 1}` YAML sees the value `$(max(c` and a key `8))`. Such an expression is reported once and
replaced with a quoted placeholder of the same length. Then the text is parsed again, so that no consequence of the
split is reported, and everything else keeps its place.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

REACH: Final = 1_100  # characters; an expression has at most 1,000
_LINES: Final = 3
_CANDIDATES: Final = 20
_CLOSERS: Final = {"(": ")", "[": "]", "{": "}"}
_CANDIDATE: Final = r"\$[^\W\d]\w*(?:\.\w+)*\[|\$\("
_BEFORE_SCALAR: Final = frozenset(" \t\n\r[{,:(")


class Cut(NamedTuple):
    """An expression that needs quotes: text[start:end].

    closed: whether its brackets are balanced. missing: the brackets that would close it, if that is certain.
    """

    start: int
    end: int
    closed: bool
    missing: str = ""


def _is_whole(text: str) -> bool:
    """Whether a text of balanced brackets is one `$(…)`: the first bracket is closed by the last character."""
    depth = 0
    quote = ""
    for position, char in enumerate(text[1:], 2):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        else:
            depth += (char in _CLOSERS) - (char in ")]}")
        if depth == 0:
            return position == len(text)
    return False


def unbalanced(value: str) -> bool:
    """Whether the scalar begins an expression and ends before its brackets do."""
    if not value.startswith("$("):
        return False
    stack: list[str] = []
    quote = ""
    for char in value[: REACH * 2]:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in _CLOSERS:
            stack.append(_CLOSERS[char])
        elif char in ")]}" and (not stack or stack.pop() != char):
            return False  # the expression parser reports this better
    return bool(stack or quote)


def cut_at(text: str, start: int, reach: int) -> Cut:
    """The expression that starts at `start`. It extends at least to `reach`, and to where its brackets balance."""
    stack: list[str] = []
    quote = ""
    line_end = lines = 0
    position = start
    for position in range(start, min(len(text), start + REACH)):
        char = text[position]
        if char in "\r\n" and (stack or quote):
            line_end, lines = line_end or position, lines + 1
            if lines == _LINES:
                break
        elif quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and stack:
            quote = char
        elif char in _CLOSERS:
            stack.append(_CLOSERS[char])
        elif char in ")]}":
            if not stack:
                return _cut(text, start, position, True)
            if stack[-1] != char:
                return _cut(text, start, line_end or position, False)
            stack.pop()
        elif not stack and position >= reach and _ends(text, position):
            return _cut(text, start, position, True)
    else:
        position = min(len(text), start + REACH)
    if not (stack or quote) and position == len(text):
        return _cut(text, start, position, True)
    return _cut(text, start, line_end or position, False, "" if quote else "".join(reversed(stack)))


def _ends(text: str, position: int) -> bool:
    char = text[position]
    if char == ":":
        return text[position + 1 : position + 2] in ("", " ", "\n", "\r", "\t")
    return char in ",\r\n" or (char == "#" and text[position - 1].isspace())


def _cut(text: str, start: int, end: int, closed: bool, missing: str = "") -> Cut:
    end = start + len(text[start:end].rstrip())
    return Cut(start, max(end, start + 2), closed, missing)


def culprit(text: str, position: int) -> Cut | None:
    """The unquoted expression behind a syntax error at `position`, if there is one."""
    window = max(0, position - REACH)
    for match in reversed(list(re.compile(_CANDIDATE).finditer(text, window, position + 2))[-_CANDIDATES:]):
        start = match.start()
        line_start = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
        if "#" in text[line_start:start] or (start and text[start - 1] not in _BEFORE_SCALAR):
            continue
        cut = cut_at(text, start, start)
        if start <= position <= cut.end:
            return cut
    return None


def overwritten(text: str, cuts: list[Cut]) -> str:
    """The text with a quoted placeholder of equal length for each cut."""
    parts = []
    last = 0
    for cut in sorted(cuts, key=lambda c: c.start):
        inner = re.sub(r"[^\r\n]", "x", text[cut.start + 1 : cut.end - 1])
        parts += [text[last : cut.start], '"', inner, '"']
        last = cut.end
    return "".join([*parts, text[last:]])


def quoted(text: str) -> str:
    """The expression as YAML: quoted, and as one `$(…)`, so `$x[0]` becomes `$(x[0])`."""
    one_line = " ".join(text.split())
    if not _is_whole(one_line):
        one_line = "$(" + re.sub(r"\$(?=[\w(])", "", one_line) + ")"
    if '"' not in one_line and "\\" not in one_line:
        return f'"{one_line}"'
    return "'" + one_line.replace("'", "''") + "'"
