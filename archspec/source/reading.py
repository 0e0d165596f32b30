"""Text → Document. A text with broken parts is parsed again with these replaced."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import yaml

from archspec.diagnostics import Diagnostic, Edit, Fix, Label, SourceSpan, SpecError
from archspec.source.build import Builder
from archspec.source.document import Document, Limits
from archspec.source.repair import culprit, overwritten
from archspec.source.report import MAX_ERRORS, Stop, cut_diagnostic, too_many
from archspec.source.scalars import FORBIDDEN

if TYPE_CHECKING:
    from archspec.source.mending import Change, Mend

# Patterns are compiled on first use, which is rare; `re` caches them.
_VERSION: Final = r"%YAML 1\.2\s*(#.*)?"  # the version that we read; allowed once
_WORD: Final = r"[A-Za-z_]\w*"
_MAX_PASSES: Final = 30
_MAX_READ: Final = 2**21  # after so many characters, over all passes, no further pass begins
_MAX_TRIED: Final = 8  # fixes of a text that are tested; only a fix that passes its test is offered


class Reading:
    """Parses with placeholders for unquoted expressions, and with broken syntax repaired."""

    def __init__(
        self, name: str, lines: tuple[str, ...], limits: Limits, events: Callable[[str], Iterator[Any]],
        reported: Iterable[Diagnostic] = (), *, tries_fixes: bool = True,
    ) -> None:
        self.name = name
        self.lines = lines
        self.limits = limits
        self.events = events
        self.reported = list(reported)
        self.tries_fixes = tries_fixes
        self.text = re.sub(FORBIDDEN, " ", "\n".join(self._without_directives(list(lines))))
        self.holes: set[tuple[int, int]] = set()  # where placeholders start
        self.open_lines: set[int] = set()  # lines of expressions with an open bracket
        self.changes: dict[int, list[Change]] = {}  # the repairs of each line, in order
        self.guessed: set[int] = set()  # lines whose further mistakes are not reported
        self.indented: set[int] = set()  # lines whose indentation was repaired
        self.lost: set[str] = set()  # words that were removed
        self.read = 0  # characters parsed

    def document(self) -> Document:
        """The Document. Raises SpecError if reading cannot continue."""
        for _ in range(_MAX_PASSES):
            builder = Builder(self.name, self.text, self.lines, self.limits, self.holes, self.place)
            stopped = self._run(builder)
            if not (self._found(builder, stopped) or self._odd(builder, stopped) or self._mended(builder, stopped)):
                return self._end(builder, stopped)
            if self.read > _MAX_READ or isinstance(stopped, Diagnostic):
                break
        limit = [stopped] if isinstance(stopped, Diagnostic) else []
        raise SpecError((*_in_order(self.reported), *limit))

    def place(self, line: int, column: int) -> tuple[int, int]:
        """The original place of a place in the repaired text."""
        for change in reversed(self.changes.get(line, ())):
            end = change.start + len(change.text)
            if column >= end:
                column += change.end - end
            elif column > change.start:
                column = min(column, change.end)
        return line, column

    def _run(self, builder: Builder) -> Exception | Diagnostic | None:
        """Parse. Returns the reason why it stopped early: a syntax error, a limit, or None."""
        self.read += len(self.text)
        try:
            builder.run(self.events(self.text))
        except Stop as stop:
            return stop.diagnostic
        except (yaml.YAMLError, ValueError, OverflowError) as exc:
            return exc
        return None

    def _found(self, builder: Builder, stopped: Exception | Diagnostic | None) -> bool:
        """Report the split expressions of this pass and replace them. Returns whether there are any."""
        cuts, reported = builder.cuts, builder.cut_errors
        if not cuts and isinstance(stopped, Exception):
            cut = culprit(self.text, _index(stopped, self.text))
            if cut is not None:
                place = self.place(*place_of(self.text, cut.start))
                cuts, reported = [cut], [cut_diagnostic(self.name, self.text, self.lines, cut, *place)]
        self.reported += reported
        for cut in cuts:
            place = place_of(self.text, cut.start)
            self.holes.add(place)
            if not cut.closed:
                self.open_lines.add(place[0])
        if cuts:
            self.text = overwritten(self.text, cuts)
        return bool(cuts)

    def _odd(self, builder: Builder, stopped: Exception | Diagnostic | None) -> bool:
        """Report lookalike characters and replace them. Returns whether there are any."""
        if self.text.isascii() or isinstance(stopped, Diagnostic) or not (builder.odd or stopped):
            return False
        from archspec.source.recover import odd_changes

        found = odd_changes(self.text, builder.odd, stopped)
        for message, hint, changes in found:
            self.reported.append(self._shown_odd(message, hint, changes))
        if found:
            every = sorted((c for _, _, mend in found for c in mend.changes), key=lambda c: (c.line, c.start))
            self._apply(replace(found[0][2], changes=tuple(every)))
        return bool(found)

    def _shown_odd(self, message: str, hint: str, mend: Mend) -> Diagnostic:
        first = mend.changes[0]
        line, column = self.place(first.line, first.start)
        span = SourceSpan(self.name, line + 1, column + 1, first.end - first.start, self.lines[line])
        return self._shown(Diagnostic("SPEC014", message, span, (), hint), mend, span)

    def _end(self, builder: Builder, stopped: Exception | Diagnostic | None) -> Document:
        if self.tries_fixes:
            self.reported = self._with_fixes_that_work()
        guessed = frozenset(line + 1 for line in self.guessed)
        own = [d for d in builder.errors if d.span is None or d.span.line not in guessed]
        if isinstance(stopped, Diagnostic):
            raise SpecError((*_in_order(self.reported + own), stopped))
        if stopped is not None:
            raise SpecError(_in_order(self.reported + own))
        errors, lost = _in_order(self.reported + own), frozenset(self.lost | builder.lost)
        return Document(self.name, builder.data, errors, self.lines, builder.root, guessed, lost)

    # -- broken syntax -----------------------------------------------------------------------------------------

    def _mended(self, builder: Builder, stopped: Exception | Diagnostic | None) -> bool:
        """Report a syntax error and repair the text. Returns whether that is possible."""
        if not isinstance(stopped, Exception):
            return False
        from archspec.source.recover import recover

        found = recover(stopped, self.name, tuple(self.text.split("\n")), builder.last, self._reach)
        follows = found.line in self.indented and found.rule in ("indent", "second_colon")
        if found.line not in self.guessed | self.open_lines and not follows:
            self.reported.append(self._shown(found.diagnostic, found.mend))
        if found.mend is None:
            return False
        if found.rule in ("tab", "indent"):
            self.indented.update(c.line for c in found.mend.changes)
        if not (found.mend.sure or found.mend.whole):
            self.guessed.update([found.line, *(c.line for c in found.mend.changes)])
        self._apply(found.mend)
        return True

    def _reach(self, mend: Mend) -> Any:
        """The reason why the parser stops in the text with these changes; None if it reads all of it."""
        if self.read > _MAX_READ:
            return ValueError("the limit on repeated parsing is reached")
        text = "\n".join(_changed(self.text.split("\n"), mend))
        self.read += len(text)
        try:
            for _ in self.events(text):
                pass
        except (yaml.YAMLError, ValueError, OverflowError) as exc:
            return exc
        return None

    def _apply(self, mend: Mend) -> None:
        rows = self.text.split("\n")
        for change in reversed(mend.changes):
            delta = len(change.text) - (change.end - change.start)
            kept = {(k, c) for k, c in self.holes if k != change.line or c < change.start}
            moved = {(k, c + delta) for k, c in self.holes if k == change.line and c >= change.end}
            self.holes = kept | moved
            if change.hole:
                self.lost.update(re.findall(_WORD, rows[change.line][change.start : change.end]))
                self.holes.add((change.line, change.start + len(change.text) - len(change.text.lstrip())))
            self.changes.setdefault(change.line, []).append(change)
        self.text = "\n".join(_changed(rows, mend))

    def _shown(self, diagnostic: Diagnostic, mend: Mend | None, shown: SourceSpan | None = None) -> Diagnostic:
        """The diagnostic at its original place, with the repair as its fix."""
        span = diagnostic.span
        assert span is not None
        if shown is None:
            shown = self._as_written(span)
        related = tuple(Label(self._as_written(label.span), label.text) for label in diagnostic.related)
        fix = None
        if mend is not None and mend.is_edit and not any(c.line in self.changes for c in mend.changes):
            fix = Fix(tuple(
                Edit(SourceSpan(self.name, c.line + 1, c.start + 1, c.end - c.start, self.lines[c.line]), c.text)
                for c in mend.changes
            ), mend.sure)
        return replace(diagnostic, span=shown, fix=fix, related=related)

    def _as_written(self, span: SourceSpan) -> SourceSpan:
        """The original place of a place in the repaired text."""
        line, column = self.place(span.line - 1, span.column - 1)
        return SourceSpan(self.name, line + 1, column + 1, span.length, self.lines[line])

    def _with_fixes_that_work(self) -> list[Diagnostic]:
        """The diagnostics without fixes that do not help. Faults that depend on each other may need both fixes."""
        tried = [k for k, d in enumerate(self.reported) if d.fix is not None]
        works = {k for k in tried[:_MAX_TRIED] if self._helps(self.reported[k])}
        return [d if d.fix is None or k in works else replace(d, fix=None) for k, d in enumerate(self.reported)]

    def _helps(self, diagnostic: Diagnostic) -> bool:
        """Whether the fix removes the fault."""
        from archspec.diagnostics.edits import edited

        assert diagnostic.fix is not None
        lines = tuple(edited("\n".join(self.lines), diagnostic.fix.edits).split("\n"))
        again = Reading(self.name, lines, self.limits, self.events, tries_fixes=False)
        try:
            found = again.document().errors
        except SpecError as problem:
            found = problem.diagnostics
        return _key(diagnostic) not in map(_key, found)

    # -- directives --------------------------------------------------------------------------------------------

    def _without_directives(self, rows: list[str]) -> list[str]:
        """The lines with the directives at the top turned into comments: libyaml and PyYAML treat them differently."""
        versions = 0
        for number, line in enumerate(self.lines):
            if line.strip() and line[0] not in "#%":
                break
            if line.startswith("%"):
                rows[number] = "#" + line[1:]
                versions += bool(re.fullmatch(_VERSION, line))
                if versions != 1 or not re.fullmatch(_VERSION, line):
                    self._directive(number, line)
        return rows

    def _directive(self, number: int, line: str) -> None:
        span = SourceSpan(self.name, number + 1, 1, len(line), line)
        fix = Fix((Edit(span, ""),), safe=True)
        message = "YAML directives (`%…`) are not allowed"
        self.reported.append(Diagnostic("SPEC005", message, span, (), "delete the line", fix))
        if len(self.reported) >= MAX_ERRORS:
            raise SpecError((*self.reported, too_many(self.reported[-1])))


def place_of(text: str, index: int) -> tuple[int, int]:
    """Line and column of a character, from 0."""
    return text.count("\n", 0, index), index - text.rfind("\n", 0, index) - 1


def _index(exc: Exception, text: str) -> int:
    mark = getattr(exc, "problem_mark", None)
    return min(mark.index, len(text)) if mark is not None else len(text)


def _changed(rows: list[str], mend: Mend) -> list[str]:
    rows = list(rows)
    for change in reversed(mend.changes):
        row = rows[change.line]
        rows[change.line] = row[: change.start] + change.text + row[change.end :]
    return rows


def _in_order(diagnostics: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(diagnostics, key=lambda d: (d.span.line, d.span.column) if d.span else (0, 0)))


def _key(diagnostic: Diagnostic) -> tuple[object, ...]:
    span = diagnostic.span
    return diagnostic.code, diagnostic.message, *((span.line, span.column) if span else ())
