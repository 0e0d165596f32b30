"""Texts that replace files: a fix under test, standard input, the text in an editor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_TEXTS: ContextVar[Mapping[Path, bytes] | None] = ContextVar("texts", default=None)


@contextmanager
def instead_of(texts: Mapping[Path, bytes]) -> Iterator[None]:
    """Inside this context, reading one of these files gives these bytes, whether the file exists or not."""
    token = _TEXTS.set({**(_TEXTS.get() or {}), **{path.resolve(): text for path, text in texts.items()}})
    try:
        yield
    finally:
        _TEXTS.reset(token)


def overlaid(path: Path) -> bytes | None:
    """The bytes that replace this file, or None if it is not replaced."""
    texts = _TEXTS.get()
    return texts.get(path.resolve()) if texts else None
