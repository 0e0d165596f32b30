"""Finds the files that a command line names: files themselves, and specs in folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from archspec.language.detect import Kind, has_suffix, is_record, kind_of
from archspec.source import DEFAULT_LIMITS, Limits


@dataclass(slots=True)
class Found:
    """The files to check, in order and without duplicates, and the files to skip.

    specs, libraries, sweeps: to check. records: specs in run folders. others: other YAML files.
    """

    specs: list[str] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    sweeps: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def collect(paths: Iterable[str], limits: Limits = DEFAULT_LIMITS) -> Found:
    """Resolve the arguments. Named files are checked; folders are searched for specs, libraries and sweeps.

    In folders, other YAML files and the specs of run folders are skipped.
    """
    found = Found()
    seen: set[str] = set()
    for path in paths:
        if not Path(path).is_dir():
            kind = _kind(path, limits)
            _once(path, found.specs if kind is Kind.OTHER else _group(kind, found), seen)
            continue
        for file in _yaml_files(path):
            record = is_record(Path(file))
            _once(file, found.records if record else _group(_kind(file, limits), found), seen)
    return found


def _group(kind: Kind, found: Found) -> list[str]:
    groups = {Kind.OTHER: found.others, Kind.LIBRARY: found.libraries, Kind.SWEEP: found.sweeps}
    return groups.get(kind, found.specs)


def _kind(file: str, limits: Limits) -> Kind:
    """The kind of a file. An unreadable one counts as a spec, so that the check reports it."""
    try:
        return kind_of(Path(file), limits)
    except (OSError, ValueError):
        return Kind.NETWORK


def _once(path: str, group: list[str], seen: set[str]) -> None:
    identity = str(Path(path).resolve()) if Path(path).exists() else path
    if identity not in seen:
        seen.add(identity)
        group.append(path)


def _yaml_files(folder: str) -> Iterable[str]:
    for parent, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if has_suffix(name) and not name.startswith("."):
                yield str(Path(parent, name))


def _unreadable(problem: OSError) -> None:
    """Raise for an unreadable folder: it may contain specs, so the check would be incomplete."""
    raise problem
