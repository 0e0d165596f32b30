"""Finds runs below folders."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from archspec.results.record import RECIPE, RunRecord, is_run_folder, read_record

TRIALS: Final = "trials"  # the folder of the runs in a sweep folder
MAX_DEPTH: Final = 6
_OF_A_RUN: Final = frozenset({"checkpoints", "tensorboard"})
_TRIAL: Final = re.compile(r"([0-9a-f]{16})(?:-\d+)?")  # its folder; a later attempt has a number


def find_runs(paths: Iterable[Path]) -> list[RunRecord]:
    """The runs in these folders and below them, each once, sorted by name; trials of a sweep keep its order.

    Links are not followed.
    """
    found: dict[Path, RunRecord] = {}
    for path in paths:
        for folder in run_folders(path):
            record = read_record(folder)
            if record is not None:
                found.setdefault(folder.resolve(), record)
    return in_sweep_order(found.values())


def in_sweep_order(records: Iterable[RunRecord]) -> list[RunRecord]:
    """The records, with the trials of a sweep in its order and with its names for networks and recipes."""
    parents: dict[Path, list[RunRecord]] = {}
    for record in records:
        parents.setdefault(record.path.resolve().parent, []).append(record)
    return [record for parent, found in parents.items() for record in _of_sweep(parent, found)]


def _of_sweep(parent: Path, records: list[RunRecord]) -> list[RunRecord]:
    """The runs in one folder."""
    from archspec.results.trials import Store

    store = Store(parent.parent)
    order = store.order() if parent.name == TRIALS else {}
    if not order:
        return records
    places = {trial: k for k, trial in enumerate(order)}
    placed = []
    for record in records:
        trial = trial_of(record.path.name)
        result = store.result(trial)
        name = order.get(trial) or (record.network if result is None else result.variant)
        recipe = None if result is None else result.varied.get(RECIPE)
        settings = record.settings if recipe is None else {RECIPE: recipe, **record.settings}
        placed.append(replace(record, network=name, settings=settings, place=places.get(trial, len(order))))
    return sorted(placed, key=lambda record: record.place or 0)


def trial_of(folder: str) -> str:
    """The id of the trial whose run folder has this name."""
    match = _TRIAL.fullmatch(folder)
    return match[1] if match else folder


def run_folders(top: Path) -> list[Path]:
    """The run folders at `top` and below it."""
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
