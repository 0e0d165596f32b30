"""Removing a run: its own files, nothing that a link leads to, nothing that archspec did not write there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from archspec.atomic_files import claim
from archspec.diagnostics import error
from archspec.files import is_folder
from archspec.results.find import TRIALS, trial_of
from archspec.results.record import is_run_folder


def check_removable(run: Path) -> None:
    """Raise SpecError unless `run` is a run's folder that no training uses: RUN360, RUN317."""
    if not is_folder(run) or not is_run_folder(run):
        raise error("RUN360", f"there is no run in {run}", hint="name a folder that `archspec train` made")
    try:
        handle = claim(run)
    except BlockingIOError:
        raise error("RUN317", f"another process is training in {run}", hint="wait until it has ended") from None
    if handle is not None:
        os.close(handle)


def remove_run(run: Path) -> None:
    """Remove the folder, and of a sweep's trial its result too: the sweep runs it again.

    `shutil.rmtree` removes links themselves, never what they lead to.
    """
    shutil.rmtree(run)
    if run.parent.name == TRIALS:
        (run.parent.parent / "results" / f"{trial_of(run.name)}.json").unlink(missing_ok=True)
