"""The runs below some folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from archspec.results.record import RunRecord, is_run_folder, read_record

MAX_DEPTH: Final = 6
_OF_A_RUN: Final = frozenset({"checkpoints", "tensorboard"})


def find_runs(paths: Iterable[Path]) -> list[RunRecord]:
    """The runs in these folders and below them, in the order of their names, each once. Links are not followed."""
    found: dict[Path, RunRecord] = {}
    for path in paths:
        for folder in run_folders(path):
            record = read_record(folder)
            if record is not None:
                found.setdefault(folder.resolve(), record)
    return list(found.values())


def run_folders(top: Path) -> list[Path]:
    """The folders of runs at `top` and below it."""
    if is_run_folder(top):
        return [top]
    found = []
    depth = len(top.parts)
    for parent, folders, _ in os.walk(top):
        here = Path(parent)
        folders.sort()
        if is_run_folder(here):
            found.append(here)
            folders.clear()
        elif len(here.parts) - depth >= MAX_DEPTH:
            folders.clear()
        else:
            folders[:] = [name for name in folders if not name.startswith(".") and name not in _OF_A_RUN]
    return found
