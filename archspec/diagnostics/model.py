"""A diagnostic as data: a stable code, a place, further places, facts, a remedy and its edits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from archspec.diagnostics.text import render

WARNINGS = frozenset({"SHAPE112", "SPEC061", "SPEC062"})  # codes of what is valid, but probably not what was meant


@dataclass(frozen=True, slots=True)
class SourceSpan:
    """A stretch of one line of a text. `line` and `column` count from 1, in characters. text: the whole line."""

    path: str
    line: int
    column: int
    length: int
    text: str

    def to_json(self) -> dict[str, object]:
        """The place, without the line's text."""
        return {"path": self.path, "line": self.line, "column": self.column, "length": self.length}


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that a diagnostic speaks of, and what there is to say of it: `first written here`."""

    span: SourceSpan
    text: str

    def to_json(self) -> dict[str, object]:
        """An item of `related`."""
        return {"span": self.span.to_json(), "text": self.text}


@dataclass(frozen=True, slots=True)
class Edit:
    """`text` replaces the characters of `span`; a span of length 0 is a place between two characters."""

    span: SourceSpan
    text: str

    def to_json(self) -> dict[str, object]:
        """An item of a fix's `edits`."""
        return {"span": self.span.to_json(), "text": self.text}


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that remove a mistake, all of them together. safe: they cannot change what the rest of the spec means."""

    edits: tuple[Edit, ...]
    safe: bool = False

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {"safe": self.safe, "edits": [edit.to_json() for edit in self.edits]}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake.

    code: stable: SPEC0xx the language, SHAPE1xx shapes, BUILD2xx building, RUN3xx running.
    message: the broken rule with its values; lower case, no full stop.
    span: the place, None where there is no text (a spec built in Python).
    notes: facts without a place of their own, such as the shapes that led here.
    hint: what to do.
    fix: the edit that does what the hint says, where it is one.
    related: further places, such as where the other of two equal names stands.
    """

    code: str
    message: str
    span: SourceSpan | None = None
    notes: tuple[str, ...] = ()
    hint: str | None = None
    fix: Fix | None = None
    related: tuple[Label, ...] = ()

    @property
    def severity(self) -> str:
        """`error`, or `warning`: the spec is valid, but probably not what was meant."""
        return "warning" if self.code in WARNINGS else "error"

    def to_json(self) -> dict[str, object]:
        """The versioned JSON form (format 1 of `--json`)."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "span": None if self.span is None else self.span.to_json(),
            "related": [label.to_json() for label in self.related],
            "notes": list(self.notes),
            "hint": self.hint,
            "fix": None if self.fix is None else self.fix.to_json(),
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
    code: str, message: str, *, span: SourceSpan | None = None, notes: Iterable[str] = (), hint: str | None = None,
    **more: Any,
) -> SpecError:
    """A SpecError of one diagnostic, to be raised. more: further fields of a Diagnostic."""
    return SpecError([Diagnostic(code, message, span, tuple(notes), hint, **more)])
