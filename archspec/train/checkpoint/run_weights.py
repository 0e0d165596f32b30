"""Finds the weights of a run: in `weights.safetensors`, or in the newest valid checkpoint of an unfinished run."""

from __future__ import annotations

import os
from pathlib import Path

from archspec.diagnostics import error, plural
from archspec.text import shell
from archspec.train.checkpoint.policy import FOLDER as CHECKPOINTS
from archspec.train.checkpoint.storage import TRAINING, WEIGHTS, newest
from archspec.train.run_dir.weights import check_digest


def run_weights(path: Path) -> tuple[Path, str, tuple[str, ...]]:
    """The file with the weights, the prefix of their names, and notices if the run is not finished.

    With `ema` these are the averaged weights, as in a finished run. Raises SpecError RUN360 if there are none, RUN361
    if their digest is wrong, RUN314 if no checkpoint is valid.
    """
    if os.path.lexists(path / WEIGHTS):
        return path / WEIGHTS, "", check_digest(path / WEIGHTS)
    found = newest(path / CHECKPOINTS)
    if found is None:
        raise error("RUN360", f"{path} has no {WEIGHTS} and no checkpoint: the run was stopped before its first",
                    hint=f"`{shell('archspec', 'train', '--resume', path)}` resumes it")
    state = found.saved.state
    damaged = (f"warning: {bad} is damaged and skipped: {why}" for bad, why in found.damaged.items())
    where = (found.path / TRAINING, "part/ema/") if "ema" in state.parts else (found.path / WEIGHTS, "")
    return *where, (
        *damaged,
        f"note: the run is not finished: the weights are those of {found.path.name} (step {state.step}, "
        f"{plural(len(state.results), 'epoch')} finished)",
    )
