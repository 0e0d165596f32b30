"""Bytes, text or a file → Document. Whatever comes in, only SpecError comes out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, Final

import yaml

from archspec.diagnostics import Diagnostic, SourceSpan, SpecError, error
from archspec.files import open_regular
from archspec.source.build import MAX_ERRORS, Builder, Stop, cut_diagnostic, too_many
from archspec.source.document import DEFAULT_LIMITS, Document, Limits
from archspec.source.repair import Cut, culprit, overwritten
from archspec.source.scalars import forbidden

_VERSION = re.compile(r"%YAML 1\.2\s*(#.*)?")  # what we read, so it may be said, once
_MAX_PASSES: Final = 20
_MAX_REREAD: Final = 2**20  # characters that are parsed again, over all passes


def _event_parser() -> Any:
    """libyaml's parser; PyYAML's own, with the same events but slower, where PyYAML came without libyaml."""
    try:
        from yaml._yaml import CParser
    except ImportError:
        from archspec.source.pure import PureParser

        return PureParser
    return CParser


EVENT_PARSER: Any = _event_parser()


def read(
    path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS, *, name: str | None = None
) -> Document:
    """The Document of a file, called `name` in messages (None: its path).

    Raises SpecError: SPEC001 if it cannot be read, else as `parse`.
    """
    name = name or _shown(path)
    try:
        content = read_content(FilePath(path), limits.max_bytes)
    except FileNotFoundError:
        raise error("SPEC001", f"{name}: no such file", hint=_meant(FilePath(path))) from None
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise error("SPEC001", f"{name}: {reason[:1].lower()}{reason[1:]}") from None
    return parse(content, name, limits)


def _meant(path: FilePath) -> str | None:
    """A file that the path may stand for: the same with a spec's ending."""
    for ending in (".yaml", ".yml"):
        if path.name and path.with_name(path.name + ending).is_file():
            return f"there is `{_shown(path.name + ending)}`"
    return None


def _shown(path: str | os.PathLike[str]) -> str:
    return "".join(c if c.isprintable() else "?" for c in os.fspath(path))


def read_content(path: FilePath, limit: int) -> bytes:
    """At most limit + 1 bytes of a regular file: a device or a pipe could go on for ever."""
    with open_regular(path, follow=True) as stream:
        return stream.read(limit + 1)


def parse(text: str | bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """The Document of a text; `errors` of it hold what did not stop the parsing.

    Raises SpecError for what does: encoding, limits, YAML syntax; with the mistakes found before.
    """
    text = _decoded(text, name, limits)
    lines = _lines(text)
    _check_characters(text, name, lines)
    return _Reading(name, text, lines, limits).document()


class _Reading:
    """Parsing, again with stand-ins for the unquoted expressions that were found."""

    def __init__(self, name: str, text: str, lines: tuple[str, ...], limits: Limits) -> None:
        self.name = name
        self.lines = lines
        self.limits = limits
        self.told: list[Diagnostic] = []
        self.text = self._without_directives(text)
        self.cuts: list[Cut] = []

    def document(self) -> Document:
        for number in range(1, _MAX_PASSES + 1):
            text = overwritten(self.text, self.cuts) if self.cuts else self.text
            builder = Builder(self.name, text, self.lines, self.limits, frozenset(c.start for c in self.cuts))
            stopped = self._run(builder, text)
            if not self._found(builder, stopped, text):
                return self._end(builder, stopped)
            if number * len(text) > _MAX_REREAD or isinstance(stopped, Diagnostic):
                break
        limit = [stopped] if isinstance(stopped, Diagnostic) else []
        raise SpecError((*_in_order(self.told), *limit))

    def _run(self, builder: Builder, text: str) -> Exception | Diagnostic | None:
        """What stopped the parsing: a syntax error, a limit, or nothing."""
        try:
            builder.run(_events(text))
        except Stop as stop:
            return stop.diagnostic
        except (yaml.YAMLError, ValueError, OverflowError) as exc:
            return exc
        return None

    def _found(self, builder: Builder, stopped: Exception | Diagnostic | None, text: str) -> bool:
        """Note the torn expressions of this pass; whether there were any."""
        cuts, told = builder.cuts, builder.cut_errors
        if not cuts and isinstance(stopped, Exception):
            cut = culprit(text, _index(stopped, text))
            if cut is not None:
                place = _place(text, cut.start)
                cuts, told = [cut], [cut_diagnostic(self.name, text, self.lines, cut, *place)]
        self.cuts += cuts
        self.told += told
        return bool(cuts)

    def _end(self, builder: Builder, stopped: Exception | Diagnostic | None) -> Document:
        errors = self.told + builder.errors
        if stopped is None:
            return Document(self.name, builder.data, _in_order(errors), self.lines, builder.root)
        if isinstance(stopped, Exception):
            from archspec.source.syntax import fault_of, translate

            last = builder.last
            quote = (last.line, last.column, last.end_line, last.end_column)
            stopped = translate(fault_of(stopped, self.name, self.lines, quote))
            if stopped.span is not None and stopped.span.line in self._open_lines():
                raise SpecError(_in_order(errors))  # it follows from the bracket that is not closed
        raise SpecError((*_in_order(errors), stopped))

    def _open_lines(self) -> set[int]:
        return {_place(self.text, cut.start)[0] + 1 for cut in self.cuts if not cut.closed}

    def _without_directives(self, text: str) -> str:
        """The text with the directives at its head as comments: libyaml and PyYAML differ in them."""
        if text[:1] != "%" and "\n%" not in text and "\r%" not in text:
            return text
        parts = []
        start = versions = 0
        for number, line in enumerate(self.lines):
            if line.strip() and line[0] not in "#%":
                break
            if line.startswith("%"):
                parts += ["#", text[start + 1 : start + len(line)]]
                versions += bool(_VERSION.fullmatch(line))
                if versions != 1 or not _VERSION.fullmatch(line):
                    self._directive(number, line)
            else:
                parts.append(text[start : start + len(line)])
            start += len(line)
            end = start + (2 if text.startswith("\r\n", start) else 1)
            parts.append(text[start:end])
            start = end
        return "".join([*parts, text[start:]])

    def _directive(self, number: int, line: str) -> None:
        span = SourceSpan(self.name, number + 1, 1, len(line), line)
        self.told.append(Diagnostic("SPEC005", "YAML directives (`%…`) are not allowed", span, (), "delete the line"))
        if len(self.told) >= MAX_ERRORS:
            raise SpecError((*self.told, too_many(self.told[-1])))


def _events(text: str) -> Iterator[Any]:
    parser: Any = EVENT_PARSER(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


def _index(exc: Exception, text: str) -> int:
    mark = getattr(exc, "problem_mark", None)
    return min(mark.index, len(text)) if mark is not None else len(text)


def _place(text: str, index: int) -> tuple[int, int]:
    """Line and column of a character, from 0."""
    before = _lines(text[:index])
    return len(before) - 1, len(before[-1])


def _in_order(diagnostics: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(diagnostics, key=lambda d: (d.span.line, d.span.column) if d.span else (0, 0)))


def _decoded(text: str | bytes, name: str, limits: Limits) -> str:
    if isinstance(text, bytes):
        size = len(text)
    else:
        size = len(text.encode("utf-8", "surrogatepass")) if len(text) <= limits.max_bytes else limits.max_bytes + 1
    if size > limits.max_bytes:
        raise error("SPEC003", f"{name}: larger than {limits.max_bytes:,} bytes", hint="split it into libraries")
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = text.count(b"\n", 0, exc.start) + 1
        message = f"{name}: not UTF-8: byte 0x{text[exc.start]:02x} at offset {exc.start}, line {line}"
        raise error("SPEC007", message, hint="save the file as UTF-8") from None


def _lines(text: str) -> tuple[str, ...]:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return tuple(text.split("\n"))


def _check_characters(text: str, name: str, lines: tuple[str, ...]) -> None:
    found = forbidden(text)
    if found is None:
        return
    line, column = _place(text, text.index(found))
    span = SourceSpan(name, line + 1, column + 1, 1, lines[line])
    raise error("SPEC007", f"the control character U+{ord(found):04X} is not allowed", span=span, hint="delete it")
