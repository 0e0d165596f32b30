"""Bytes, text or a file → Document. For any input, the only exception is SpecError."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, Final

from archspec.diagnostics import Diagnostic, Edit, Fix, SourceSpan, SpecError, error
from archspec.files import open_regular
from archspec.source.document import DEFAULT_LIMITS, Document, Limits
from archspec.source.overlay import overlaid
from archspec.source.reading import Reading
from archspec.source.scalars import forbidden

_MAX_CONTROL: Final = 10  # control characters; content with more is not text


def _event_parser() -> Any:
    """libyaml's parser, or PyYAML's own, which gives the same events more slowly, if libyaml is missing."""
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
    """Read a file as a Document. `name` is its name in messages (None: its path).

    Raises SpecError: SPEC001 if the file cannot be read, and the errors of `parse`.
    """
    name = name or _shown(path)
    return parse(content_of(path, name, limits), name, limits)


def content_of(
    path: str | os.PathLike[str], name: str, limits: Limits = DEFAULT_LIMITS, *, follow: bool = True
) -> bytes:
    """The bytes of a file, at most one more than the limit. Raises SpecError SPEC001.

    name: its name in messages. follow: whether it may be a link.
    """
    try:
        return read_content(FilePath(path), limits.max_bytes, follow=follow)
    except FileNotFoundError:
        raise error("SPEC001", f"{name}: no such file", hint=_meant(FilePath(path))) from None
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        reason = reason[:1].lower() + reason[1:]
        raise error("SPEC001", f"{name} {reason}" if reason.startswith("is ") else f"{name}: {reason}") from None


def _meant(path: FilePath) -> str | None:
    """The hint if the path with a spec's suffix exists."""
    for ending in (".yaml", ".yml"):
        if path.name and path.with_name(path.name + ending).is_file():
            return f"there is `{_shown(path.name + ending)}`"
    return None


def _shown(path: str | os.PathLike[str]) -> str:
    return "".join(c if c.isprintable() else "?" for c in os.fspath(path))


def read_content(path: FilePath, limit: int, *, follow: bool = True) -> bytes:
    """At most limit + 1 bytes of a regular file. Devices and pipes, which may never end, are refused."""
    if (text := overlaid(path)) is not None:
        return text[: limit + 1]
    with open_regular(path, follow=follow) as stream:
        return stream.read(limit + 1)


def parse(text: str | bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Parse a text. Mistakes that do not prevent reading are in the Document's `errors`.

    Raises SpecError for the others (encoding, limits, syntax that cannot be repaired), with all mistakes found.
    """
    text = _decoded(text, name, limits)
    lines = _lines(text)
    return Reading(name, lines, limits, events_of, _control_characters(text, name, lines)).document()


def events_of(text: str) -> Iterator[Any]:
    """The YAML events of a text. Raises the parser's errors."""
    parser: Any = EVENT_PARSER(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


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


def _control_characters(text: str, name: str, lines: tuple[str, ...]) -> list[Diagnostic]:
    """Diagnostics for control characters. Raises SpecError if there are so many that the content is not text."""
    if forbidden(text) is None:
        return []
    found = []
    for number, line in enumerate(lines):
        char = forbidden(line)
        if char is None:
            continue
        span = SourceSpan(name, number + 1, line.index(char) + 1, 1, line)
        message = f"the control character U+{ord(char):04X} is not allowed"
        found.append(Diagnostic("SPEC007", message, span, (), "delete it", Fix((Edit(span, ""),))))
        if len(found) > _MAX_CONTROL or line.count(char) > _MAX_CONTROL:
            raise SpecError(found[:1])
    return found
