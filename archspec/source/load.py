"""Bytes, text or a file → Document. Whatever comes in, only SpecError comes out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

import yaml
import yaml.parser
import yaml.reader
import yaml.scanner

from archspec.diagnostics import Diagnostic, SourceSpan, SpecError, error
from archspec.source.build import Builder, Stop, cut_diagnostic
from archspec.source.document import DEFAULT_LIMITS, Document, Limits
from archspec.source.repair import Cut, culprit, overwritten
from archspec.source.scalars import forbidden
from archspec.source.syntax import fault_of, translate

_MAX_PASSES: Final = 20
_MAX_REREAD: Final = 2**20  # characters that are parsed again, over all passes


class PureParser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's own parser of events, without its composer, resolver and constructor."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


try:
    from yaml._yaml import CParser as EVENT_PARSER
except ImportError:  # PyYAML without libyaml: the same events, more slowly
    EVENT_PARSER = PureParser


@dataclass(frozen=True, slots=True)
class _Mark:
    line: int
    column: int


def read(
    path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS, *, name: str | None = None
) -> Document:
    """The Document of a file, called `name` in messages (None: its path).

    Raises SpecError: SPEC001 if it cannot be read, else as `parse`.
    """
    name = name or _shown(path)
    try:
        content = _content(FilePath(path), limits.max_bytes)
    except FileNotFoundError:
        raise error("SPEC001", f"{name}: no such file") from None
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise error("SPEC001", f"{name}: {reason[:1].lower()}{reason[1:]}") from None
    return parse(content, name, limits)


def _shown(path: str | os.PathLike[str]) -> str:
    return "".join(c if c.isprintable() else "?" for c in os.fspath(path))


def _content(path: FilePath, limit: int) -> bytes:
    """At most limit + 1 bytes of a regular file: a device or a pipe could go on for ever."""
    if path.is_dir():
        raise OSError(0, "is a folder, not a file")
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, "is not a regular file")
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "is not a regular file")
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
    """Parsing, again with stand-ins for each unquoted expression that was found."""

    def __init__(self, name: str, text: str, lines: tuple[str, ...], limits: Limits) -> None:
        self.name = name
        self.text = text
        self.lines = lines
        self.limits = limits
        self.cuts: list[Cut] = []
        self.told: list[Diagnostic] = []

    def document(self) -> Document:
        for number in range(1, _MAX_PASSES + 1):
            text = overwritten(self.text, self.cuts) if self.cuts else self.text
            builder = Builder(self.name, text, self.lines, self.limits, frozenset(c.start for c in self.cuts))
            stopped = self._pass(builder, text)
            found = builder.cuts
            if not found and isinstance(stopped, Exception):
                cut = culprit(text, _index(stopped, text))
                found = [cut] if cut is not None else []
            self._add(found)
            if not found and stopped is None:
                return Document(
                    self.name, builder.data, _in_order(self.told + builder.errors), self.lines, builder.root
                )
            if not found or number * len(text) > _MAX_REREAD:
                break
        end = [translate(fault_of(stopped, self.name, self.lines))] if isinstance(stopped, Exception) else []
        end = [stopped] if isinstance(stopped, Diagnostic) else end
        raise SpecError(_in_order(self.told + builder.errors + ([] if found else end)))

    def _pass(self, builder: Builder, text: str) -> Exception | Diagnostic | None:
        try:
            builder.run(_events(text))
        except Stop as stop:
            return stop.diagnostic
        except (yaml.YAMLError, ValueError, OverflowError) as exc:
            return exc
        return None

    def _add(self, cuts: list[Cut]) -> None:
        for cut in cuts:
            line = _line_of(self.lines, self.text, cut.start)
            self.told.append(cut_diagnostic(self.name, self.text, self.lines, cut, line))
        self.cuts += cuts


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


def _line_of(lines: tuple[str, ...], text: str, index: int) -> _Mark:
    before = _lines(text[:index])
    return _Mark(len(before) - 1, len(before[-1]))


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
    mark = _line_of(lines, text, text.index(found))
    span = SourceSpan(name, mark.line + 1, mark.column + 1, 1, lines[mark.line])
    raise error("SPEC007", f"the control character U+{ord(found):04X} is not allowed", span=span, hint="delete it")
