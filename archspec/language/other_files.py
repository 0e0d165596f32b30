"""What the readers of files that are not specs share: sweeps, descriptions of devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archspec.diagnostics import listing
from archspec.language.message_text import did_you_mean, short, value_text
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN, Document


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file. noun: `sweep`. version_key: begins the file. keys: all that it may have. code: of mistakes."""

    noun: str
    version_key: str
    keys: Sequence[str]
    code: str


class FileReader:
    """Reads one document of a kind; collects mistakes in `errors`, and continues with the rest."""

    def __init__(self, kind: FileKind, document: Document, errors: Errors) -> None:
        self.kind, self.errors = kind, errors
        self.top = At(document)
        self.data: dict[str, Any] = document.data if isinstance(document.data, dict) else {}
        if not isinstance(document.data, dict) and document.data is not BROKEN:
            self.fail(f"a {kind.noun} must be a mapping of keys, got {value_text(document.data)}", self.top,
                      hint=f"begin with `{kind.version_key}: 1`")

    def fail(self, message: str, at: At, *, key: bool = False, hint: str | None = None) -> None:
        """Report one mistake."""
        self.errors.add(self.kind.code, message, at, key=key, hint=hint)

    def check_keys(self) -> None:
        """Report unknown keys, and a version that this archspec does not read."""
        kind = self.kind
        for key in self.data:
            if key not in kind.keys:
                self.fail(f"a {kind.noun} has no key `{short(key)}`", self.top / key, key=True,
                          hint=did_you_mean(key, kind.keys) or f"its keys: {listing(kind.keys, 20)}")
        version = self.data.get(kind.version_key, 1)
        if (version != 1 or isinstance(version, bool)) and version is not BROKEN:
            self.fail(f"{kind.noun} format {value_text(version)} is not supported", self.top / kind.version_key,
                      hint=f"this archspec reads `{kind.version_key}: 1`")

    def text(self, key: str, default: str) -> str:
        """A text that is not empty; the default where it is missing or wrong."""
        value = self.data.get(key, default)
        if isinstance(value, str) and value.strip():
            return value
        if value is not BROKEN and value != default:
            self.fail(f"`{key}` must be text, got {value_text(value)}", self.top / key)
        return default
