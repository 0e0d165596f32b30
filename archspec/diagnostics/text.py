"""A diagnostic as text for people: headline, place, source lines with carets and labels, notes and hint.

`lines` gives each line as pieces with a role, which a terminal colours; `render` joins them. Source lines are never
wrapped, so carets stay below the text that they mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from archspec.diagnostics.model import SHOWN_WIDTH, Diagnostic, SourceSpan
from archspec.diagnostics.wording import one_line, path_text

Piece = tuple[str, str]  # role, text
Line = list[Piece]


def render(diagnostic: Diagnostic) -> str:
    """The whole text of a diagnostic."""
    return "\n".join("".join(text for _, text in line) for line in lines(diagnostic))


def lines(diagnostic: Diagnostic) -> Iterator[Line]:
    """The lines of a diagnostic, each as pieces with a role: `severity`, `gutter`, `source`, `primary`, `label`, …"""
    yield [("severity", f"{diagnostic.severity}[{diagnostic.code}]"), ("message", f": {one_line(diagnostic.message)}")]
    span = diagnostic.span
    marks = [_Mark(span, "", True)] if span is not None else []
    marks += [_Mark(label.span, one_line(label.text), False) for label in diagnostic.related]
    gutter = " " * max((len(str(mark.span.line)) for mark in marks), default=1)
    for path, group in _by_file(marks).items():
        yield _place(path, group, gutter)
        yield from _snippet(group, gutter)
    for note in _notes(diagnostic):
        yield [("gutter", f"{gutter} ="), ("note", " note"), ("text", f": {one_line(note)}")]
    if diagnostic.hint is not None:
        yield [("gutter", f"{gutter} ="), ("hint", " hint"), ("text", f": {one_line(diagnostic.hint)}")]


def facts(diagnostic: Diagnostic) -> list[str]:
    """The message, the notes and the hint, one line each, for formats that show places in their own way."""
    hint = [] if diagnostic.hint is None else [f"hint: {diagnostic.hint}"]
    return [one_line(line) for line in (diagnostic.message, *_notes(diagnostic), *hint)]


def _notes(diagnostic: Diagnostic) -> list[str]:
    return [*([f"at `{path_text(diagnostic.path)}`"] if diagnostic.path else []), *diagnostic.notes]


@dataclass(frozen=True, slots=True)
class _Mark:
    """A part to underline: the mistake with carets, any other with dashes and the label's text."""

    span: SourceSpan
    text: str
    primary: bool


def _by_file(marks: Iterable[_Mark]) -> dict[str, list[_Mark]]:
    """The marks of each file, the file of the mistake first."""
    files: dict[str, list[_Mark]] = {}
    for mark in marks:
        files.setdefault(mark.span.path, []).append(mark)
    return files


def _place(path: str, group: list[_Mark], gutter: str) -> Line:
    first = group[0]
    sign = "-->" if first.primary else ":::"
    return [("gutter", f"{gutter}{sign}"), ("text", f" {one_line(path)}:{first.span.line}:{first.span.column}")]


def _snippet(group: list[_Mark], gutter: str) -> Iterator[Line]:
    """The marked lines of one file in order, with `...` for lines between them."""
    last = None
    for start, marks in _windows(group):
        span = marks[0].span
        if not span.length and not span.text:  # a place in Python without a readable file
            continue
        if last is not None and span.line > last + 1:
            yield [("gutter", "...")]
        if span.line != last or start:
            yield [("gutter", f"{span.line:>{len(gutter)}} |"), ("source", f" {_shown(span.text, start)}")]
        last = span.line
        for mark in marks:
            shown, column = _shown(mark.span.text, start), mark.span.column - 1 - start
            sign, indent = "^" if mark.primary else "-", " " * _columns(shown[:column])
            underline = sign * max(1, _columns(shown[column : column + mark.span.length]))
            text = f" {mark.text}" if mark.text else ""
            role = "primary" if mark.primary else "label"
            yield [("gutter", f"{gutter} |"), (role, f" {indent}{underline}{text}")]


def _windows(group: list[_Mark]) -> Iterator[tuple[int, list[_Mark]]]:
    """(first shown column, marks) for each stretch of a line that is shown; a long line may have several."""
    found: dict[tuple[int, int], list[_Mark]] = {}
    for mark in group:
        line, column = mark.span.line, mark.span.column - 1
        start = max(0, column - SHOWN_WIDTH // 2) if len(mark.span.text) > SHOWN_WIDTH else 0
        near = next((s for k, s in found if k == line and s <= column < s + SHOWN_WIDTH), start)
        found.setdefault((line, near), []).append(mark)
    for (_, start), marks in sorted(found.items(), key=lambda item: item[0]):
        yield start, sorted(marks, key=lambda mark: (mark.span.column, not mark.primary))


def _columns(text: str) -> int:
    """The width of the text in columns of a terminal: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _shown(text: str, start: int) -> str:
    """A part of a line that is short enough to read, without control characters, which a terminal would obey."""
    shown = text[start : start + SHOWN_WIDTH]  # cut first: a line may have a megabyte and many mistakes
    return "".join(c if c.isprintable() else " " for c in shown)
