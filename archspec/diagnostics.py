"""What archspec says to its user: diagnostics with a stable code, a place, facts and a remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

SHOWN_WIDTH = 160  # longer source lines are cut around the caret
WARNINGS = frozenset({"SHAPE112", "SPEC061", "SPEC062"})  # codes of what works, and is probably not what was meant


@dataclass(frozen=True, slots=True)
class SourceSpan:
    """A stretch of one line of a text. `line` and `column` count from 1, in characters."""

    path: str
    line: int
    column: int
    length: int
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """`text` in the place of the characters of `span`; a span of length 0 is a place between two characters."""

    span: SourceSpan
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that remove a mistake, all of them together. safe: they cannot change what the rest of the spec means."""

    edits: tuple[Edit, ...]
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake.

    code: stable: SPEC0xx the language, SHAPE1xx shapes, BUILD2xx building, RUN3xx running.
    message: the broken rule with its values; lower case, no full stop.
    span: the place, None where there is no text (a spec built in Python).
    notes: facts, such as what flows in here and from where.
    hint: an edit that works.
    fix: the same edit as data, where it is one.
    """

    code: str
    message: str
    span: SourceSpan | None = None
    notes: tuple[str, ...] = ()
    hint: str | None = None
    fix: Fix | None = None

    @property
    def severity(self) -> str:
        """`error`, or `warning`: the spec is valid, but probably not what was meant."""
        return "warning" if self.code in WARNINGS else "error"

    def to_json(self) -> dict[str, object]:
        """The versioned JSON form (format 1 of `--json`)."""
        span = self.span
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "span": None if span is None else {
                "path": span.path, "line": span.line, "column": span.column, "length": span.length,
            },
            "notes": list(self.notes),
            "hint": self.hint,
        }

    def __str__(self) -> str:
        return render(self)


class SpecError(ValueError):
    """One or more mistakes of the user, all reported at once."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(render(d) for d in self.diagnostics))

    def __reduce__(self) -> tuple[type[SpecError], tuple[tuple[Diagnostic, ...]]]:
        return type(self), (self.diagnostics,)


def error(
    code: str, message: str, *, span: SourceSpan | None = None, notes: Iterable[str] = (), hint: str | None = None
) -> SpecError:
    """A SpecError of one diagnostic, to be raised."""
    return SpecError([Diagnostic(code, message, span, tuple(notes), hint)])


def render(diagnostic: Diagnostic) -> str:
    """The text of a diagnostic: headline, place, source line with a caret, notes and hint."""
    lines = [f"{diagnostic.severity}[{diagnostic.code}]: {one_line(diagnostic.message)}"]
    gutter = " "
    if diagnostic.span is not None:
        span = _cut(diagnostic.span)
        number = str(span.line)
        gutter = " " * len(number)
        caret = "^" * max(1, min(span.length, len(span.text) - span.column + 1))
        lines.append(f"{gutter}--> {one_line(span.path)}:{span.line}:{diagnostic.span.column}")
        lines.append(f"{number} | {span.text}")
        lines.append(f"{gutter} | {' ' * (span.column - 1)}{caret}")
    lines += [f"{gutter} = note: {one_line(note)}" for note in diagnostic.notes]
    if diagnostic.hint is not None:
        lines.append(f"{gutter} = hint: {one_line(diagnostic.hint)}")
    return "\n".join(lines)


def _cut(span: SourceSpan) -> SourceSpan:
    """The span over a line short enough to be read, without control characters (a terminal obeys them)."""
    start = max(0, span.column - 1 - SHOWN_WIDTH // 2) if len(span.text) > SHOWN_WIDTH else 0
    shown = span.text[start : start + SHOWN_WIDTH]  # cut first: a line may be a megabyte, and have many mistakes
    return replace(
        span,
        text="".join(c if c.isprintable() else " " for c in shown),
        column=span.column - start,
        length=min(span.length, SHOWN_WIDTH),
    )


_WORDS = re.compile(r"(\s*)((?:`[^`]*`|\S)+)")


def wrapped(line: str, width: int, indent: int = 0) -> str:
    """One line as several of at most `width` characters, broken at spaces; what stands in backticks stays whole.

    indent: of all but the first line. A word that is longer than a line stays whole too.
    """
    if len(line) <= width:
        return line
    lines, current = [], ""
    for gap, word in _WORDS.findall(line):
        if current and len(current) + len(gap) + len(word) > width:
            lines.append(current)
            current = " " * indent + word
        else:
            current += gap + word
    return "\n".join([*lines, current])


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely stands for, or None where none is close."""
    candidates = {k.lower(): k for k in sorted(known, reverse=True)}
    found = difflib.get_close_matches(name.lower()[:80], candidates, n=1, cutoff=0.7)
    return candidates[found[0]] if found else None


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 spec`, `1,200 specs`, `2 libraries`."""
    if nouns is None:
        nouns = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else nouns}"


def one_line(text: str) -> str:
    """The text with its line breaks written out: a file's name may hold some."""
    return text.replace("\n", "\\n").replace("\r", "\\r")


def listing(names: Iterable[str], limit: int = 12) -> str:
    """`a, b, c, …` for a message."""
    ordered = list(names)
    shown = ", ".join("".join(c if c.isprintable() else "·" for c in name) for name in ordered[:limit])
    return shown + (", …" if len(ordered) > limit else "") if ordered else "none"
