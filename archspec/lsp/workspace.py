"""The specs of a workspace that share names with a file: they extend it, use it, or read the same files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from archspec.files import read_regular
from archspec.language.detect import Kind, has_suffix
from archspec.lsp.snapshot import MAX_BYTES, Snapshot, snapshot

MAX_FILES: Final = 1_000  # the most files that are searched


def text_of(path: Path, texts: Mapping[Path, str]) -> str:
    """The text of a file: the editor's if the file is open, otherwise the one on disk; empty if it cannot be read."""
    text = texts.get(path.resolve())
    if text is not None:
        return text
    try:
        return read_regular(path, MAX_BYTES, follow=True).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def related(
    known: Snapshot, name: str, folders: Iterable[Path], texts: Mapping[Path, str]
) -> list[Snapshot]:
    """The specs in some folders whose text contains a name and that share a file with `known`. Links are skipped."""
    own = known.path.resolve()
    found = []
    for path in islice(_yaml_files(folders), MAX_FILES):
        text = text_of(path, texts)
        if path.resolve() == own or name not in text:
            continue
        others = {**texts, own: known.text}
        one = snapshot(path, text, others=others, includes=known.includes)
        if one.kind is not Kind.OTHER and not known.files.isdisjoint(one.files):
            found.append(one)
    return found


def _yaml_files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        for parent, inner, files in os.walk(folder):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            for name in sorted(files):
                path = Path(parent, name)
                if has_suffix(name) and not name.startswith(".") and not path.is_symlink():
                    yield path
