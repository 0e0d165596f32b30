"""Measures how long a trial takes to start: its process, data, model and run folder."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archspec.atomic_files import write_text
from archspec.source import dump
from archspec.sweep.engine import NEW_RUNS_ONLY
from archspec.sweep.expand import Trial
from archspec.sweep.trial import Command, Forked, Launcher

_POLL_S: Final = 0.01
_PATIENCE_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Starts:
    """The time before trials train, in seconds. first_s: once, before the first trial. each_s: of every trial."""

    first_s: float
    each_s: float


def measure_starts(
    trial: Trial, options: Sequence[str], threads: int, *, launcher: Callable[[], Launcher] = Forked,
    clock: Callable[[], float] = time.perf_counter, sleep: Callable[[float], None] = time.sleep,
) -> Starts | None:
    """Train a trial for one step, twice, because the first start imports what both need. None if the training fails."""
    with tempfile.TemporaryDirectory(prefix="archspec-") as folder:
        started = launcher()
        try:
            times = [_run(started, trial, options, threads, Path(folder) / name, clock, sleep) for name in "ab"]
        finally:
            started.close()
    first, second = times
    return None if first is None or second is None else Starts(max(0.0, first - second), second)


def _run(
    launcher: Launcher, trial: Trial, options: Sequence[str], threads: int, folder: Path,
    clock: Callable[[], float], sleep: Callable[[float], None],
) -> float | None:
    """Seconds from the start to the end of a training of one step; None if it fails."""
    folder.mkdir()
    kept = [option for option in options if option not in NEW_RUNS_ONLY]  # tuning happens once for many trials
    spec = folder / "spec.yaml"
    write_text(spec, dump(dict(trial.data)))
    size = trial.recipe.batch_size
    arguments = [
        "train", str(spec), "--run-dir", str(folder / "run"), "--json", f"--threads={threads}", f"--limit-train={size}",
        f"--limit-test={size}", "--stop-after-epochs=1", *kept,
    ]
    begin = clock()
    process = launcher.start(Command(arguments, {}, folder / "out", folder / "err", trial.devices))
    while (code := process.poll()) is None:
        if clock() - begin > _PATIENCE_S:
            process.kill()
            return None
        sleep(_POLL_S)
    return clock() - begin if code == 0 else None
