"""Exports runs as two tables: `runs.csv` with a row per run, and `curves.csv` with a row per epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from archspec.results.export.run import ExportedRun
from archspec.results.export.target import Done, folder
from archspec.text import shell
from archspec.train.run_dir.full_disk import save_text

RUNS: Final = "runs.csv"
CURVES: Final = "curves.csv"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a text that starts with these for a formula


def export(runs: Sequence[ExportedRun], place: str, project: str) -> Done:
    """Write both tables, and replace existing ones."""
    path = folder(place)
    save_text("the table of runs", path / RUNS, table(map(_run, runs)))
    save_text("the table of curves", path / CURVES, table(row for run in runs for row in _epochs(run)))
    return Done(shell("column", "-s,", "-t", path / RUNS), len(runs))


def _run(run: ExportedRun) -> dict[str, Any]:
    record = run.record
    about = {"run": run.name, "path": str(record.path), "group": run.group, "started": record.started}
    return {**about, **run.tags, **run.settings, **run.figures, "epochs_done": len(record.epochs)}


def _epochs(run: ExportedRun) -> Iterable[dict[str, Any]]:
    for row in run.record.epochs:
        yield {"run": run.name, **row.to_json()}


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV with a column for every key of any row; a missing value is an empty cell."""
    listed = list(rows)
    out = io.StringIO()
    if listed:
        writer = csv.DictWriter(out, dict.fromkeys(key for row in listed for key in row), lineterminator="\n")
        writer.writeheader()
        writer.writerows({_cell(key): _cell(value) for key, value in row.items()} for row in listed)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value
