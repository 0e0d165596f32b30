"""Runs on the command line: folders of runs and of sweeps, and sweep files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archspec.text import shell

if TYPE_CHECKING:
    from archspec.results.record import RunRecord


def runs_of(paths: Sequence[Path]) -> list[RunRecord]:
    """The runs that paths name, with the failed trials of sweeps. Raises UsageError if there are none."""
    from archspec.results.failures import with_failures
    from archspec.results.find import find_runs

    folders = [folder_of_runs(path) for path in paths]
    records = find_runs(folders)
    for folder in folders:
        records = with_failures(records, folder)
    return require_runs(records, paths)


def require_runs(records: list[RunRecord], paths: Sequence[Path]) -> list[RunRecord]:
    """The records that were found in `paths`. Raises UsageError if there are none."""
    if not records:
        raise click.UsageError(f"there is no run in {', '.join(map(str, paths))}")
    return records


def folder_of_runs(path: Path) -> Path:
    """The folder of runs that a path names; for a sweep file, the sweep's folder. Raises UsageError, SpecError."""
    if path.is_dir():
        return path
    if path.suffix in (".yaml", ".yml") and path.is_file():
        from archspec.cli.sweep import folder_of
        from archspec.sweep.read import read_sweep

        found = folder_of(read_sweep(str(path)))
        if found.is_dir():
            return found
        raise click.UsageError(f"the sweep {path} has no folder {found} yet: run `{shell('archspec', 'sweep', path)}`, "
                               "or give the folder that was passed as --dir")
    raise click.UsageError(f"{path} is neither a folder of runs nor a sweep's file")
