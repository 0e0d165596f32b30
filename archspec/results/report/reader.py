"""Reads the runs of a page, and later only those whose files have changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archspec.results.failures import with_failures
from archspec.results.find import run_folders
from archspec.results.index import signature
from archspec.results.record import RunRecord, read_record


class Reader:
    """Reads the runs below some folders. changed: whether the last call of `records` found changes."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._known: dict[Path, tuple[str, RunRecord | None]] = {}
        self._last: list[RunRecord] = []
        self.changed = False

    def records(self) -> list[RunRecord]:
        """The runs on disk, each once, including trials of a sweep that left no run."""
        found: dict[Path, tuple[str, RunRecord | None]] = {}
        seen: set[Path] = set()
        for top in self._folders:
            for folder in run_folders(top):
                if folder.resolve() in seen:
                    continue
                seen.add(folder.resolve())
                now = signature(folder)
                known = self._known.get(folder)
                found[folder] = known if known is not None and known[0] == now else (now, read_record(folder))
        self._known = found
        records = [record for _, record in found.values() if record is not None]
        for top in self._folders:
            records = with_failures(records, top)
        self.changed, self._last = records != self._last, records
        return records
