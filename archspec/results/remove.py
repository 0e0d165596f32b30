"""Removes a run folder, but nothing that a link points to, and no folder that archspec did not create."""

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
    """Raise SpecError RUN360 if `run` is not a run folder, RUN317 if a training uses it."""
    if not is_folder(run) or not is_run_folder(run):
        raise error("RUN360", f"there is no run in {run}", hint="name a folder that `archspec train` made")
    try:
        handle = claim(run)
    except BlockingIOError:
        raise error("RUN317", f"another process is training in {run}", hint="wait until it has ended") from None
    if handle is not None:
        os.close(handle)


def remove_run(run: Path) -> None:
    """Remove a run folder; for a trial also its result, so that the sweep runs it again.

    `shutil.rmtree` removes links themselves, never their targets.
    """
    shutil.rmtree(run)
    if run.parent.name == TRIALS:
        (run.parent.parent / "results" / f"{trial_of(run.name)}.json").unlink(missing_ok=True)
