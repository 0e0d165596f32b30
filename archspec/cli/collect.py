"""Which files a command line's paths mean: files as they are, folders searched for specs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SUFFIXES: Final = (".yaml", ".yml")
_READ_BYTES: Final = 1 << 20  # a spec is not larger
_TOP_KEY: Final = re.compile(rb"""^(?:['"]?)(archspec|stages|extends)(?:['"]?)[ \t]*:""", re.MULTILINE)
_FLOW_KEY: Final = re.compile(rb"""[{,\s]['"]?(archspec|stages|extends)['"]?[ \t]*:""")


@dataclass(slots=True)
class Found:
    """specs: to be checked, in order, each once. libraries: have blocks, but no network. others: no specs."""

    specs: list[str] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def collect(paths: Iterable[str]) -> Found:
    """Resolve the arguments: a folder is searched through, all else is taken as it stands.

    In folders only files with a top-level `archspec:` are specs; other people's YAML and the folders of training
    runs are left alone.
    """
    found = Found()
    seen: set[str] = set()
    for path in paths:
        if not Path(path).is_dir():
            _once(path, found.specs, seen)
            continue
        for file in _yaml_files(path):
            keys = _top_keys(file)
            if "archspec" not in keys:
                _once(file, found.others, seen)
            else:
                _once(file, found.specs if len(keys) > 1 else found.libraries, seen)
    return found


def _once(path: str, group: list[str], seen: set[str]) -> None:
    identity = str(Path(path).resolve()) if Path(path).exists() else path
    if identity not in seen:
        seen.add(identity)
        group.append(path)


def _yaml_files(folder: str) -> Iterable[str]:
    for parent, folders, files in os.walk(folder):
        if is_run(files):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.endswith(SUFFIXES) and not name.startswith("."):
                yield str(Path(parent, name))


def is_run(files: Iterable[str]) -> bool:
    """Whether these are the files of a training run: its `spec.yaml` is a record, not a source."""
    return {"spec.yaml", "environment.json", "metrics.jsonl"} <= set(files)


def _top_keys(file: str) -> set[str]:
    """Which of the keys that tell a spec stand at the top; all of them for a file that cannot be read."""
    try:
        with Path(file).open("rb") as stream:
            text = stream.read(_READ_BYTES)
    except OSError:
        return {"archspec", "stages"}  # said when it is checked
    pattern = _FLOW_KEY if re.match(rb"(?:\s|#.*\n)*\{", text) else _TOP_KEY
    return {key.decode() for key in pattern.findall(text)}
