"""Collecting the mistakes of one run, so that each is reported once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from archspec.diagnostics import Diagnostic, Edit, Fix, Hint, Label, SourceSpan, SpecError, listing, plural

if TYPE_CHECKING:
    from archspec.language.syntax import At
    from archspec.source import Document

Place: TypeAlias = "tuple[At | None, str]"  # and what there is to say of it

MAX_ERRORS: Final = 100  # a text with more mistakes is not a spec
_SHOWN_PLACES: Final = 8
_KEY: Final = re.compile(r"[ \t]*([A-Za-z_]\w*):")  # at the start of a line
_NAMES: Final = re.compile(r"([A-Za-z_]\w*):")
_DEFINING: Final = frozenset({"params", "vars", "input", "blocks", "stages"})


class TooManyErrors(Exception):
    """So many mistakes were found that the rest is not looked at; the last one says so."""


def _defined(lines: Iterable[str]) -> set[str]:
    """Names that a text probably defines: where its structure is guessed, the definition may lie elsewhere."""
    found = set()
    for line in lines:
        if key := _KEY.match(line):
            found.add(key[1])
            if key[1] in _DEFINING:
                found.update(_NAMES.findall(line))
    return found


class Errors:
    """Collects the mistakes of one run, and the warnings apart. The same code at the same place is reported once."""

    def __init__(self, found: Iterable[Diagnostic] = ()) -> None:
        self.found: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self.meant: set[str] = set()  # names written without their `$`, which was reported: they count as used
        self.lost: set[str] = set()  # words in what could not be read: nothing is said to miss what they name
        self._guessed: dict[str, frozenset[int]] = {}  # document -> lines of which nothing more is reported
        self._told: set[Any] = set()
        self._subjects: dict[Any, int] = {}  # what a mistake is about -> its index in `found`
        self._indices: dict[Any, int] = {}  # code and place -> index in `found`
        self._also: dict[int, list[At]] = {}  # index in `found` -> further places of the same mistake
        self.extend(found)

    def add(
        self, code: str, message: str, at: At | None, *, key: bool = False, notes: Iterable[str] = (),
        hint: str | None = None, subject: Any = None, call: At | None = None, related: Iterable[Place] = (),
    ) -> None:
        """Note one mistake at a value's place (or its key's). Raises TooManyErrors at the limit.

        subject: what it is about, such as a misspelt name: told once a file, the other places are labelled.
        related: further places, and what there is to say of them.
        call: where it is shown, if `at` lies in a library: told once for each call.
        """
        where = at.key if at is not None and key else at
        if self.is_reported(code, where, call):
            return
        self._told.add((code, _spot(where), None if call is None else _spot(call)))
        shown = call or where
        span = shown.span() if shown else None
        if span is not None and span.line in self._guessed.get(span.path, ()):
            return
        if subject is not None and where is not None:
            whole = (code, subject, where.document.name)
            if whole in self._subjects:
                self._also.setdefault(self._subjects[whole], []).append(where)
                return
            self._subjects[whole] = len(self.found)
        fix = _fix(hint, shown) if call is None else None
        path = shown.path if shown is not None and span is None else ()
        labels, unplaced = labelled(related, span)
        if where is not None and call is None:
            self._indices[code, _spot(where)] = len(self.found)
        self._append(Diagnostic(code, message, span, (*unplaced, *notes), hint, fix, labels, path))

    def improve(self, code: str, at: At, hint: str) -> None:
        """Replace the hint of a mistake that was found at this place when less was known."""
        index = self._indices.pop((code, _spot(at)), None)
        if index is not None and self.found[index].code == code:
            self.found[index] = replace(self.found[index], hint=hint, fix=_fix(hint, at))

    def is_reported(self, code: str, at: At | None, call: At | None = None) -> bool:
        """Whether this code was reported at this place, by itself or (where `call` is given) for this call."""
        if at is None:
            return False
        spot = _spot(at)
        return (code, spot, None) in self._told or (call is not None and (code, spot, _spot(call)) in self._told)

    @property
    def guesses(self) -> bool:
        """Whether the syntax of a text was repaired by a guess: what its layers come to may not be what was meant."""
        return bool(self._guessed)

    def read(self, document: Document) -> None:
        """Note the mistakes of a text's syntax, and what of it could not be read."""
        self.extend(document.errors)
        self.lost |= document.lost
        self.meant |= document.lost
        if document.guessed:
            self._guessed[document.name] = document.guessed
            self.lost |= _defined(document.lines)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Note mistakes that were found before there were places."""
        for diagnostic in diagnostics:
            span = diagnostic.span
            place = (span.path, span.line, span.column) if span else diagnostic.message
            if (diagnostic.code, place) not in self._told:
                self._told.add((diagnostic.code, place))
                self._append(diagnostic)

    def _append(self, diagnostic: Diagnostic) -> None:
        if diagnostic.severity == "warning":
            self.warnings.append(diagnostic)
            return
        self.found.append(diagnostic)
        if len(self.found) == MAX_ERRORS:
            self.found.append(_too_many())
            raise TooManyErrors

    def after(self, first: Iterable[Diagnostic]) -> Errors:
        """These mistakes after others, up to the limit."""
        both = Errors()
        both.found = [*first, *self.sorted()]
        if len(both.found) > MAX_ERRORS:
            both.found[MAX_ERRORS:] = [_too_many()]
        both.warnings, both.meant, both.lost = self.warnings, self.meant, self.lost
        return both

    def raise_any(self) -> None:
        """Raise all that was found, in the order of the text."""
        if self.found:
            raise SpecError(self.sorted())

    def sorted(self) -> tuple[Diagnostic, ...]:
        """The mistakes: per file in the order of the text, then what has no place."""
        return in_order(self._with_places(k, d) for k, d in enumerate(self.found))

    def _with_places(self, index: int, diagnostic: Diagnostic) -> Diagnostic:
        also = self._also.get(index)
        if not also:
            return diagnostic
        spans = [at.span() for at in also]
        fix = diagnostic.fix
        if fix is not None and len(fix.edits) == 1 and fix.edits[0].span == diagnostic.span:
            fix = replace(fix, edits=(*fix.edits, *(Edit(s, fix.edits[0].text) for s in spans if s)))
        labels = [Label(span, "here too") for span in spans[:_SHOWN_PLACES] if span is not None]
        notes = list(diagnostic.notes)
        if not any(spans):
            notes.append(f"the same at {listing((at.words() for at in also), _SHOWN_PLACES)}")
        elif len(also) > _SHOWN_PLACES:
            notes.append(f"the same at {plural(len(also) - _SHOWN_PLACES, 'further place')}")
        return replace(diagnostic, notes=tuple(notes), fix=fix, related=(*diagnostic.related, *labels))


def _too_many() -> Diagnostic:
    message = f"{MAX_ERRORS} mistakes up to here: the rest was not checked"
    return Diagnostic("SPEC003", message, None, (), "correct these first")


def labelled(places: Iterable[Place], shown: SourceSpan | None) -> tuple[tuple[Label, ...], list[str]]:
    """Labels for those of the places that have a text, notes for the others; none for what is shown anyway."""
    labels: dict[SourceSpan, Label] = {}
    notes = []
    for at, text in places:
        span = at.span() if at is not None else None
        if span is not None and span != shown:
            labels.setdefault(span, Label(span, text))
        elif span is None and at is not None:
            notes.append(f"`{at.words()}`: {text}")
    return tuple(labels.values()), notes


def in_order(told: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Diagnostics per file in the order of the text, then what has no place."""
    told = list(told)
    files: dict[str, int] = {}
    for d in told:
        if d.span:
            files.setdefault(d.span.path, len(files))
    last = (len(files), 0, 0)
    return tuple(sorted(told, key=lambda d: (files[d.span.path], d.span.line, d.span.column) if d.span else last))


def _fix(hint: str | None, at: At | None) -> Fix | None:
    """What a hint changes, at its place."""
    if not isinstance(hint, Hint):
        return None
    if hint.own is None or at is None:
        return hint.fix(None)
    return hint.fix(at.edit(hint.own)) if at.is_on_one_line() else None  # else the span is not all of it


def _spot(at: At | None) -> Any:
    return None if at is None else (at.document.name, at.path, at.on_key, at.part)
