"""A diagnostic as data: a stable code, a place, related places, notes, a hint and its edits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SHOWN_WIDTH = 160  # longer source lines are cut around the caret
# Codes of what is valid, but probably not what was meant.
WARNINGS = frozenset({"SHAPE112", "SHAPE113", "SPEC046", "SPEC061", "SPEC062", "SPEC064", "SWEEP415"})


@dataclass(frozen=True, slots=True)
class SourceSpan:
    """A part of one line of a text. `line` and `column` count from 1, in characters. text: the whole line.

    Where the text cannot be read, as of Python typed at a prompt, it is empty, and so is the part.
    """

    path: str
    line: int
    column: int
    length: int
    text: str

    def to_json(self) -> dict[str, object]:
        """The JSON form: the place, without the line's text."""
        return {"path": self.path, "line": self.line, "column": self.column, "length": self.length}


@dataclass(frozen=True, slots=True)
class Label:
    """A related place of a diagnostic, and a text about it: `first written here`."""

    span: SourceSpan
    text: str

    def to_json(self) -> dict[str, object]:
        """An item of `related`."""
        return {"span": self.span.to_json(), "text": self.text}


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the characters of `span` with `text`. A span of length 0 is a place between two characters."""

    span: SourceSpan
    text: str

    def to_json(self) -> dict[str, object]:
        """An item of a fix's `edits`."""
        return {"span": self.span.to_json(), "text": self.text}


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that together remove a mistake. safe: they cannot change the meaning of the rest of the spec."""

    edits: tuple[Edit, ...]
    safe: bool = False

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {"safe": self.safe, "edits": [edit.to_json() for edit in self.edits]}


class Hint(str):
    """A hint that describes an edit, with the edit as data. A hint that only a person can follow is a plain string.

    own: the text to write at the place of the mistake. edits: edits of other places. safe: see `Fix`.
    """

    __slots__ = ("edits", "own", "safe")
    own: str | None
    edits: tuple[Edit, ...]
    safe: bool

    def __new__(cls, words: str, own: str | None = None, edits: tuple[Edit, ...] = (), *, safe: bool = False) -> Hint:
        """Create it from its text and the edits."""
        hint = super().__new__(cls, words)
        hint.own, hint.edits, hint.safe = own, edits, safe
        return hint

    def fix(self, own: Edit | None) -> Fix | None:
        """The fix. own: the edit that writes `own` at the place of the mistake. None if there is no text to edit."""
        edits = self.edits if own is None else (own, *self.edits)
        return Fix(edits, self.safe) if edits else None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake.

    code: stable. SPEC0xx: the language, SHAPE1xx: shapes, BUILD2xx: building, RUN3xx: running.
    message: the broken rule with its values; lower case, no full stop.
    span: the place; in a spec built in Python, where it was made, and None if no model was.
    notes: facts without a place, such as the shapes before this layer.
    hint: what to do.
    fix: the edits that the hint describes, if it describes any.
    related: related places, such as the first use of a duplicate name.
    path: the place in data without a text, such as ("stages", "b1", 0).
    """

    code: str
    message: str
    span: SourceSpan | None = None
    notes: tuple[str, ...] = ()
    hint: str | None = None
    fix: Fix | None = None
    related: tuple[Label, ...] = ()
    path: tuple[str | int, ...] = ()

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
            "path": list(self.path),
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


def render(diagnostic: Diagnostic) -> str:
    """The whole text of a diagnostic, for people."""
    from archspec.diagnostics import text  # only mistakes need it

    return text.render(diagnostic)


def error(
    code: str, message: str, *, span: SourceSpan | None = None, notes: Iterable[str] = (), hint: str | None = None,
    related: Iterable[Label] = (),
) -> SpecError:
    """A SpecError with one diagnostic, for the caller to raise. A `Hint` at a place becomes its fix."""
    fix = None
    if isinstance(hint, Hint):
        fix = hint.fix(None if span is None or hint.own is None else Edit(span, hint.own))
    return SpecError([Diagnostic(code, message, span, tuple(notes), hint, fix, tuple(related))])
