"""Reports mistakes of a text at the places of YAML's events."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from archspec.diagnostics import Diagnostic, Edit, Fix, Label, SourceSpan
from archspec.source.document import Node
from archspec.source.repair import Cut, quoted
from archspec.source.scalars import forbidden

MAX_ERRORS: Final = 100  # reading stops there: a text with more mistakes is not a spec


class Stop(Exception):
    """The diagnostic of a limit, which ends parsing."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def unmoved(line: int, column: int) -> tuple[int, int]:
    """The place itself: `place` for a text without repairs."""
    return line, column


class Reporter:
    """Collects the mistakes of a text.

    place: maps a place in the repaired text to one in `lines`, the original.
    """

    def __init__(self, name: str, lines: tuple[str, ...], place: Callable[[int, int], tuple[int, int]]) -> None:
        self.name = name
        self.lines = lines
        self.place = place
        self.errors: list[Diagnostic] = []
        self.muted: int | None = None  # depth of the value of a `<<`, in which nothing is reported

    def report(
        self, code: str, message: str, event: Any, *, hint: str | None, related: tuple[Label, ...] = (),
        length: int = 0, put: str | None = None,
    ) -> None:
        """Report a mistake that does not stop parsing. put: the replacement for the fix."""
        diagnostic = self.diagnostic(code, message, event, related=related, hint=hint, length=length)
        if put is not None and diagnostic.span is not None:
            diagnostic = replace(diagnostic, fix=Fix((Edit(diagnostic.span, put),)))
        self.note(diagnostic)

    def note(self, diagnostic: Diagnostic) -> None:
        """Add a diagnostic. Raises Stop after too many."""
        if self.muted is not None:
            return
        self.errors.append(diagnostic)
        if len(self.errors) >= MAX_ERRORS:
            raise Stop(too_many(diagnostic))

    def diagnostic(
        self, code: str, message: str, event: Any, *, hint: str | None, related: tuple[Label, ...] = (), length: int = 0
    ) -> Diagnostic:
        """A diagnostic at an event."""
        start, end = event.start_mark, event.end_mark
        line, column = self.place(start.line, start.column)
        end_line, end_column = self.place(end.line, end.column)
        if line >= len(self.lines):  # libyaml's end of a text that does not end its last line
            line, column = len(self.lines) - 1, len(self.lines[-1])
        text = self.lines[line]
        if not length:
            length = (end_column if end_line == line else len(text)) - column
        span = SourceSpan(self.name, line + 1, column + 1, max(1, length), text)
        return Diagnostic(code, message, span, (), hint, related=related)

    def no_space(self, event: Any, column: int) -> None:
        """Report a key whose colon, before `column`, has no space after it."""
        line, start = self.place(event.start_mark.line, event.start_mark.column)
        span = SourceSpan(self.name, line + 1, start + column, 1, self.lines[line])
        fix = Fix((Edit(span, ": "),), safe=True)
        self.note(Diagnostic("SPEC002", "no space after `:`", span, (), "write a space after the colon", fix))

    def split_number(self, node: Node, event: Any) -> None:
        """Report a number with a decimal comma: its whole part, at `node`, and its fraction."""
        line = self.lines[node.line]
        _, end = self.place(event.end_mark.line, event.end_mark.column)
        shown = line[node.column : end]
        span = SourceSpan(self.name, node.line + 1, node.column + 1, len(shown), line)
        meant = shown.replace(",", ".")
        self.note(Diagnostic(
            "SPEC009", f"`{shown}` is read as two entries: a comma ends an entry in brackets", span, (),
            f"write `{meant}`", Fix((Edit(span, meant),)),
        ))

    def forbidden(self, event: Any) -> bool:
        """Report a control character. Returns whether there is one."""
        found = forbidden(event.value)
        if found:
            message = f"the text contains the control character U+{ord(found):04X}"
            self.report("SPEC007", message, event, hint="delete it")
        return found is not None

    def node(self, event: Any) -> Node:
        """The place of an event."""
        start, end = event.start_mark, event.end_mark
        return Node(*self.place(start.line, start.column), *self.place(end.line, end.column))


def too_many(last: Diagnostic) -> Diagnostic:
    """The diagnostic when reading stops after too many mistakes."""
    message = f"{MAX_ERRORS} mistakes up to here: the rest was not read"
    return Diagnostic("SPEC003", message, last.span, (), "correct these first")


def cut_diagnostic(name: str, text: str, lines: tuple[str, ...], cut: Cut, line: int, column: int) -> Diagnostic:
    """The diagnostic for an expression that needs quotes."""
    source = text[cut.start : cut.end]
    span = SourceSpan(name, line + 1, column + 1, len(re.split(r"[\r\n]", source, maxsplit=1)[0]), lines[line])
    shown = " ".join(source.split())[:80]
    if cut.closed:
        fix = Fix((Edit(span, quoted(source)),)) if "\n" not in source else None
        return Diagnostic("SPEC006", f"YAML takes `{shown}` apart", span, (), f"quote it: {quoted(source)}", fix)
    hint = f"write {quoted(source + cut.missing)}" if cut.missing else 'close it, and quote the whole: "$(…)"'
    return Diagnostic("SPEC006", f"the bracket of `{shown}` is not closed", span, (), hint)
