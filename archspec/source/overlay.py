"""Texts that are read in the place of files: a fix that is tried, what stands on standard input, an editor's text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_TEXTS: ContextVar[Mapping[Path, bytes] | None] = ContextVar("texts", default=None)


@contextmanager
def instead_of(texts: Mapping[Path, bytes]) -> Iterator[None]:
    """While this lasts, these files are read as these bytes, whether they are there or not."""
    token = _TEXTS.set({**(_TEXTS.get() or {}), **{path.resolve(): text for path, text in texts.items()}})
    try:
        yield
    finally:
        _TEXTS.reset(token)


def overlaid(path: Path) -> bytes | None:
    """The bytes that stand for this file; None where the file itself is to be read."""
    texts = _TEXTS.get()
    return texts.get(path.resolve()) if texts else None
