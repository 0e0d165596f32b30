"""Runs on the command line: folders of runs and of sweeps, and sweep files."""

from __future__ import annotations

from pathlib import Path

import click

from archspec.text import shell


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
