"""Repairs broken YAML syntax, so that the rest of a text can be read in the same run.

Each repair is a few edits of lines. The likeliest are tried first, and the one with which the parser gets furthest is
used. If none helps, the unreadable part is removed: a value, a line with the lines indented under it, the stage or
block around it, or a section.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from archspec.source.brackets import bare, open_brackets
from archspec.source.syntax import Fault

_TABS: Final = (2, 4, 8, 6)  # spaces for a tab
_MAX_LINES: Final = 2_000  # the longest part that is searched
_KEY = re.compile(r"( *(?:- +)*)([^\s#\"'\[{][^#\"'\[{]*?|\"[^\"]*\"|'[^']*') *:(?= |$)")


@dataclass(frozen=True, slots=True)
class Change:
    """Replace lines[line][start:end] with `text`. hole: the text is a placeholder for something unknown."""

    line: int
    start: int
    end: int
    text: str
    hole: bool = False


@dataclass(frozen=True, slots=True)
class Mend:
    """Changes that make a text readable.

    sure: no other repair is possible. whole: the content of the lines is kept, so mistakes in it are reported too.
    """

    changes: tuple[Change, ...]
    sure: bool = False
    whole: bool = False

    @property
    def is_edit(self) -> bool:
        """Whether the changes can be offered as a fix: they remove nothing."""
        return not any(c.hole for c in self.changes)


def mends(rule: str, fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Edits for a fault that this rule reported at line and column (from 0), the likeliest first."""
    ways = _WAYS.get(rule)
    if ways is not None and line < len(fault.lines):
        yield from ways(fault, line, column)


def holes(fault: Fault, line: int) -> Iterator[Mend]:
    """Ways to remove the fault: its value or its line, then the parts around it, from the inside out."""
    starts = dict.fromkeys((line, _with_text(fault, fault.line), fault.context_line))
    for start in starts:
        if start < len(fault.lines):
            yield from _without(fault, start)
    for parent in _parents(fault, min(starts)):
        yield from _without(fault, parent)


# -- removing ----------------------------------------------------------------------------------------------------


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def _with_text(fault: Fault, line: int) -> int:
    """This line, or the last one before it that is not blank."""
    line = min(line, len(fault.lines) - 1)
    while line and not fault.lines[line].strip():
        line -= 1
    return line


def _without(fault: Fault, line: int) -> Iterator[Mend]:
    """Remove the value of the line, then the whole line; both with the lines that are indented under it."""
    text = fault.lines[line]
    key = _KEY.match(text)
    if key:
        start = min(key.end() + 1, len(text))
        pad = " " * (key.end() + 1 - start)
        under = _under(fault, line, len(key[1]), lists="-" not in key[1])
        yield Mend((Change(line, start, len(text), f'{pad}"?"', True), *under))
    dashes = len(text) - len(re.sub(r"^ *(- +)+", "", text))
    if dashes:
        yield Mend((Change(line, dashes, len(text), '"?"', True), *_under(fault, line, _indent(text))))
    elif text.strip():
        yield Mend((Change(line, 0, len(text), "", True), *_under(fault, line, _indent(text))))


def _under(fault: Fault, line: int, column: int, *, lists: bool = False) -> Iterator[Change]:
    """Blank the lines after this one that are indented deeper than `column` or are items of its list."""
    for k in range(line + 1, min(len(fault.lines), line + _MAX_LINES)):
        text = fault.lines[k]
        depth = _indent(text)
        if text.strip() and depth <= column and not (lists and depth == column and text[depth : depth + 2] == "- "):
            return
        if text:
            yield Change(k, 0, len(text), "", True)


def _parents(fault: Fault, line: int) -> Iterator[int]:
    """The lines of the keys above, each less indented than the one before."""
    depth = _indent(fault.lines[line])
    for k in range(line - 1, max(-1, line - _MAX_LINES), -1):
        text = fault.lines[k]
        if text.strip() and _indent(text) < depth and not text.lstrip().startswith("#"):
            depth = _indent(text)
            yield k


# -- edits -------------------------------------------------------------------------------------------------------


def _content_end(text: str) -> int:
    """The end of a line's content, before the comment and the space in front of it."""
    comment = re.search(r"(?:^|\s)#", bare(text))
    return len(text[: comment.start() if comment else len(text)].rstrip())


def _tabs(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    found = [(k, re.match(r"[ \t]*", text)) for k, text in enumerate(fault.lines)]
    tabbed = [(k, m[0]) for k, m in found if m and "\t" in m[0]][:_MAX_LINES]
    if any(k == line for k, _ in tabbed):
        below = next((t for t in fault.lines[tabbed[-1][0] + 1 :] if t.strip()), "")
        if _indent(below):
            yield Mend(tuple(Change(k, 0, len(t), " " * _indent(below)) for k, t in tabbed), True)
        for width in _TABS:
            yield Mend(tuple(Change(k, 0, len(t), t.replace("\t", " " * width)) for k, t in tabbed), True)
    else:
        end = len(fault.lines[line]) - len(fault.lines[line][column:].lstrip(" \t"))
        yield Mend((Change(line, column, end, " "),), True)


def _directive(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    yield Mend((Change(line, 0, len(fault.lines[line]), ""),), True)


def _close_quote(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    text = fault.lines[line]
    mark = text[column : column + 1]
    if open_brackets(text[:column]):
        for match in re.finditer(r"[,\]}]", text[column + 1 :]):
            yield Mend((Change(line, (at := column + 1 + match.start()), at, mark),))
    end = len(re.sub(r"\s+#.*", "", text[column:]).rstrip()) + column
    yield Mend((Change(line, end, end, mark),))


def _escape(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    yield Mend((Change(line, column, column, "\\"),), True)


def _in_quotes(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    text = fault.lines[line]
    end = _content_end(text)
    if open_brackets(text[:column]) and (match := re.search(r"[,\]}]", text[column:])):
        end = column + match.start()
    yield from _quoting(fault, line, column, end)


def _quoting(fault: Fault, line: int, start: int, end: int) -> Iterator[Mend]:
    inside = fault.lines[line][start:end]
    if '"' not in inside and "\\" not in inside:
        yield Mend((Change(line, start, start, '"'), Change(line, end, end, '"')))
    elif "'" not in inside:
        yield Mend((Change(line, start, start, "'"), Change(line, end, end, "'")))


def _unusable(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Remove an anchor, alias or tag with its value."""
    match = re.compile(r"[^,\]}#]*[^,\]}#\s]").match(fault.lines[line], column)
    if match:
        yield Mend((Change(line, column, match.end(), '"?"', True),))


def _second_colon(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    text = fault.lines[line]
    if text[column] == ":" and text[column + 1 : column + 2].strip():
        yield from _colon_space(fault, line, column)
    if column == _indent(text) or text[:column].strip(" -") == "":
        yield from _colon(fault, line, column)
        yield from _realigned(fault, line)
        return
    key = _KEY.match(text)
    if key is None:
        return
    start, end = len(text) - len(text[key.end() :].lstrip()), _content_end(text)
    if start >= end:  # no value
        return
    if key[2] in ("description", "name"):
        yield from _quoting(fault, line, start, end)
    elif text[end - 1] == "}" and "}" not in open_brackets(text[:start]):
        yield Mend((Change(line, start, start, "{"),))
    yield Mend((Change(line, start, start, "{"), Change(line, end, end, "}")))
    yield from _quoting(fault, line, start, end)


def _colon(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Add a `:` after the first word of the line, or after the last word of a line above that has none."""
    text = fault.lines[line]
    above = _with_text(fault, line - 1) if line else line
    if ":" not in bare(text[column:]):
        if match := re.compile(r"(?:- +)*[\w$.-]+(?= )").match(text, column):
            yield Mend((Change(line, match.end(), match.end(), ":"),))
        yield Mend((Change(line, _content_end(text), _content_end(text), ":"),))
    elif above < line and ":" not in bare(fault.lines[above]) and _indent(fault.lines[above]) < column:
        end = _content_end(fault.lines[above])
        yield Mend((Change(above, end, end, ":"),))


def _key_colon(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    end = fault.lines[line].index(" ", column)
    yield Mend((Change(line, end, end, ":"),))


def _no_colon(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    text = fault.lines[line]
    if text[column : column + 1] == ":":
        yield Mend((Change(line, column + 1, column + 1, " "),), True)
    else:
        yield from _colon(fault, line, column)


def _realigned(fault: Fault, line: int) -> Iterator[Mend]:
    """Indent the line and those under it as deep as one of the lines above."""
    depth = _indent(fault.lines[line])
    run = []
    for k in range(line, min(len(fault.lines), line + _MAX_LINES)):
        if fault.lines[k].strip() and _indent(fault.lines[k]) < depth:
            break
        run.append(k)
    before = _with_text(fault, line - 1) if line else 0
    above = fault.lines[before]
    levels = {_indent(fault.lines[k]): None for k in (before, *_parents(fault, before))}
    levels.update(dict.fromkeys(m.end() for m in re.finditer(r"^ *(- +)", above)))
    for level in sorted(levels, key=lambda n: (abs(n - depth), n != _indent(above), -n)):
        for lines in (run, [line]):
            yield Mend(tuple(
                Change(k, 0, min(depth, _indent(fault.lines[k])), " " * level) for k in lines if fault.lines[k].strip()
            ), whole=True)


def _list_in_line(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    text = fault.lines[line]
    end = _content_end(text)
    start = len(text) - len(text[column + 1 :].lstrip())
    if start < end:
        yield Mend((Change(line, column, start, "["), Change(line, end, end, "]")))
    else:
        yield Mend((Change(line, column, column + 1, "[]"),))


def _flow(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    text = fault.lines[line]
    char = text[column : column + 1]
    if char in ("]", "}") and (fault.line, fault.column) == (line, column):
        yield from _wrong_closer(fault, line, column)
    if (fault.line, fault.column) == (line, column):
        before = len(text[:column].rstrip())
        if char == ":" and " " in text[:before]:  # in `a: 1 b: 2` a comma is missing before the key
            before = len(text[: text.rindex(" ", 0, before)].rstrip())
        yield Mend((Change(line, before, before, ","),))
    yield from _close_bracket(fault, fault.context_line)
    if (fault.line, fault.column) == (line, column):
        start = text.rfind(": ", 0, column) + 2
        if start > 1:
            yield Mend((Change(line, start, start, "{"),))


def _open_before(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    start = fault.lines[line].rindex(":", 0, column) + 1
    start += len(fault.lines[line][start:]) - len(fault.lines[line][start:].lstrip())
    yield Mend((Change(line, start, start, "["),))


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


def _open_above(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    yield from _close_bracket(fault, line)


def _close_bracket(fault: Fault, start: int) -> Iterator[Mend]:
    """Close all open brackets at the end of the part that the opening line begins, or at the end of that line."""
    key = _KEY.match(fault.lines[start])
    depth = len(key[1]) if key else _indent(fault.lines[start])
    last = start
    for k in range(start + 1, min(len(fault.lines), fault.line + 1)):
        if fault.lines[k].strip():
            if _indent(fault.lines[k]) <= depth:
                break
            last = k
    for k in dict.fromkeys((last, start)):
        end = _content_end(fault.lines[k])
        missing = open_brackets("\n".join((*fault.lines[start:k], fault.lines[k][:end])))
        if missing:
            yield Mend((Change(k, end, end, "".join(reversed(missing))),))


def _colon_space(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    yield Mend((Change(line, column + 1, column + 1, " "),), True)


def _stray(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    """Remove an extra bracket or comma, or add a missing key."""
    if fault.lines[line][column : column + 1] in ("]", "}", ","):
        yield Mend((Change(line, column, column + 1, ""),))
    if fault.lines[line][column : column + 1] == ":":
        yield Mend((Change(line, column, column, '"?"', True),))


def _indentation(fault: Fault, line: int, column: int) -> Iterator[Mend]:
    text = fault.lines[line]
    if not text[:column].strip():
        yield from _realigned(fault, line)
    elif text[column] in "]}":
        yield Mend((Change(line, column, column + 1, ""),))  # its opening bracket may be missing anywhere in the line
    elif text[column] == ":":
        yield from _stray(fault, line, column)
    else:
        quote = fault.quote[1]
        end = _content_end(text)
        inside = text[quote:end]
        if fault.quote[0] == fault.quote[2] == line and inside[:1] == "'":
            yield Mend((Change(line, quote, end, "'" + inside.strip("'").replace("'", "''") + "'"),))


_WAYS: Final[dict[str, Callable[[Fault, int, int], Iterator[Mend]]]] = {
    "tab": _tabs, "directive": _directive, "quote": _close_quote, "long_quote": _close_quote, "escape": _escape,
    "first_char": _in_quotes, "anchor": _unusable, "tag": _unusable, "second_colon": _second_colon,
    "list_in_line": _list_in_line, "flow": _flow, "no_colon": _no_colon, "unexpected_colon": _colon_space,
    "nothing": _stray, "no_opener": _open_before, "bracket_after_key": _key_colon, "open_above": _open_above,
    "indent": _indentation,
}
