"""The local engine: trials as processes of this machine, as many at once as its cores or GPUs carry."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from archspec.sweep.expand import Trial
from archspec.sweep.slots import Slots
from archspec.sweep.store import Result, Status, Store
from archspec.sweep.trial import Command, Forked, Launcher, Process

_POLL_S: Final = 0.02
_HEADLINE: Final = re.compile(r"^(?:internal )?error(?:\[[A-Z]+\d+\])?: .*", re.MULTILINE)
_LOG_BYTES: Final = 1 << 20
_STOPPED: Final = (130, 143)  # exit codes of a training that SIGINT or SIGTERM stopped
_KILL_AFTER_S: Final = 60.0


@dataclass(slots=True)
class _Running:
    trial: Trial
    slot: int
    process: Process
    started: float
    stopping: float | None = None


@dataclass
class Local:
    """Runs trials and saves the result of each as it ends.

    options: of `archspec train`, for every trial. on_result: is given each result. stopped: asked between polls;
    once it is true, running trials are stopped (they save their state) and no other is begun.
    """

    store: Store
    slots: Slots
    options: Sequence[str] = ()
    on_start: Callable[[Trial], None] = lambda trial: None
    on_result: Callable[[Result], None] = lambda result: None
    stopped: Callable[[], bool] = lambda: False
    launcher: Launcher = field(default_factory=Forked)
    _running: list[_Running] = field(default_factory=list)

    def run(self, trials: Sequence[Trial]) -> None:
        """Run these trials, in order, as slots become free."""
        waiting = list(reversed(trials))
        free = list(reversed(range(len(self.slots.environments))))
        try:
            while waiting or self._running:
                while waiting and free and not self.stopped():
                    self._start(waiting.pop(), free.pop())
                if self.stopped():
                    waiting.clear()
                    self._stop()
                free += self._collect()
                time.sleep(_POLL_S)
        finally:
            for running in self._running:
                running.process.kill()
            self.launcher.close()

    def _start(self, trial: Trial, slot: int) -> None:
        self.store.write_spec(trial)
        folder, begun = self.store.free_run_folder(trial.id)
        what = ["--resume", str(folder)] if begun else [str(self.store.spec(trial.id)), "--run-dir", str(folder)]
        limits = [f"--{key.replace('_', '-')}={value}" for key, value in trial.limits.items()]
        arguments = ["train", *what, "--json", f"--threads={self.slots.threads}", *limits, *self.options]
        log = self.store.log(trial.id)
        command = Command(arguments, self.slots.environments[slot], log.with_suffix(".json"), log)
        self._running.append(_Running(trial, slot, self.launcher.start(command), time.monotonic()))
        self.on_start(trial)

    def _stop(self) -> None:
        for running in self._running:
            if running.stopping is None:
                running.stopping = time.monotonic()
                running.process.terminate()
            elif time.monotonic() - running.stopping > _KILL_AFTER_S:
                running.process.kill()

    def _collect(self) -> list[int]:
        """Save the results of the trials that have ended; their slots."""
        codes = [(running, running.process.poll()) for running in self._running]
        ended = [(running, code) for running, code in codes if code is not None]
        for running, code in ended:
            self._running.remove(running)
            result = self._result(running, code)
            if result.status != "stopped":  # which goes on with the next sweep
                self.store.save(result)
            self.on_result(result)
        return [running.slot for running, _ in ended]

    def _result(self, running: _Running, code: int) -> Result:
        trial, report = running.trial, running.trial.loaded.report
        status, reason, summary = outcome_of(code, self.store.log(trial.id))
        if status == "killed" and running.stopping is not None:  # by us, before it could save
            status = "stopped"
        return Result(
            trial.id, trial.variant, dict(trial.varied), trial.seed, status, reason, summary,
            params=report.params, macs=report.macs, seconds=round(time.monotonic() - running.started, 3),
        )


def outcome_of(code: int, log: Path) -> tuple[Status, str, dict[str, Any] | None]:
    """Status, reason and summary of a trial that ended with this exit code; `log` is what it printed on stderr."""
    if code in _STOPPED:
        return "stopped", f"stopped by {signal.Signals(code - 128).name}", None
    if code < 0:
        return "killed", _killed(-code), None
    summary = _summary(log.with_suffix(".json")) if code == 0 else None
    return ("failed", _reason(log), None) if summary is None else ("done", "", summary)


def _summary(path: Path) -> dict[str, Any] | None:
    """What `train --json` printed, apart from the confusion matrix."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {key: value for key, value in data.items() if key not in ("confusion", "classes")}


def _reason(log: Path) -> str:
    """The first line with which a training says why it failed."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _LOG_BYTES))
            text = stream.read(_LOG_BYTES).decode("utf-8", "replace")
    except OSError:
        return "no log"
    found = _HEADLINE.search(text)
    lines = text.strip().splitlines()
    return found[0] if found else (lines[-1] if lines else "it ended without a word")


def _killed(number: int) -> str:
    name = signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"
    return f"killed by {name}" + (", most likely because memory ran out" if name == "SIGKILL" else "")
