"""Runs the trials of a sweep on an engine, and saves each result."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from archspec.files import open_regular, read_regular
from archspec.results.trials import MAX_RESULT_BYTES, Result, Status, Store
from archspec.sweep.engine import Engine, Task
from archspec.sweep.expand import Trial
from archspec.sweep.folders import free_folder
from archspec.sweep.trial import Process

_POLL_S: Final = 0.02
_HEADLINE: Final = re.compile(r"^(?:internal )?error(?:\[[A-Z]+\d+\])?: .*", re.MULTILINE)
_LOG_BYTES: Final = 1 << 20
_STOPPED: Final = (130, 143)  # exit codes of a training that SIGINT or SIGTERM stopped
_KILL_AFTER_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """A trial to train. stop_after: the number of epochs after which it pauses; None to train to the end."""

    trial: Trial
    stop_after: int | None = None


class Queue(Protocol):
    """Gives the runner its jobs."""

    def next(self) -> Job | None:
        """The next job; None if there is none now. While a job runs, its result may bring a new one."""

    def ended(self, job: Job, result: Result) -> None:
        """Called when a job has ended."""


class InOrder:
    """A queue of trials that are known from the start."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._waiting = iter(trials)

    def next(self) -> Job | None:
        """The next trial."""
        trial = next(self._waiting, None)
        return None if trial is None else Job(trial)

    def ended(self, job: Job, result: Result) -> None:
        """Do nothing: a result does not change the other trials."""


@dataclass(slots=True)
class _Running:
    job: Job
    process: Process
    started: float
    stopping: float | None = None


@dataclass
class Runner:
    """Runs trials and saves the result of each as it ends.

    options: of `archspec train`, for every trial. on_result: is given each result. stopped: asked between polls;
    once it is true, running trials are stopped (they save their state) and no other is begun.
    """

    store: Store
    engine: Engine
    options: Sequence[str] = ()
    on_start: Callable[[Trial], None] = lambda trial: None
    on_result: Callable[[Result], None] = lambda result: None
    stopped: Callable[[], bool] = lambda: False
    _running: list[_Running] = field(default_factory=list)

    def run(self, trials: Sequence[Trial]) -> None:
        """Run these trials in order, as many at once as there is room for."""
        self.run_queue(InOrder(trials))

    def run_queue(self, queue: Queue) -> None:
        """Run the jobs of a queue, as many at once as there is room for, until the queue is empty and nothing runs."""
        try:
            while True:
                while not self.stopped() and self.engine.has_room() and (job := queue.next()) is not None:
                    self._start(job)
                if not self._running:
                    return
                if self.stopped():
                    self._stop()
                self._collect(queue)
                time.sleep(_POLL_S)
        finally:
            for running in self._running:
                running.process.kill()
            self.engine.close()

    def _start(self, job: Job) -> None:
        trial = job.trial
        self.store.write_spec(trial)
        folder, begun = free_folder(self.store, trial)
        limits = [f"--{key.replace('_', '-')}={value}" for key, value in trial.limits.items()]
        pause = [] if job.stop_after is None else [f"--stop-after-epochs={job.stop_after}"]
        options = ["--json", f"--threads={self.engine.threads}", *limits, *pause, *self.options]
        log = self.store.log(trial.id)
        task = Task(self.store.spec(trial.id), folder, begun, options, trial.devices, log.with_suffix(".json"), log)
        self._running.append(_Running(job, self.engine.start(task), time.monotonic()))
        self.on_start(trial)

    def _stop(self) -> None:
        for running in self._running:
            if running.stopping is None:
                running.stopping = time.monotonic()
                running.process.terminate()
            elif time.monotonic() - running.stopping > _KILL_AFTER_S:
                running.process.kill()

    def _collect(self, queue: Queue) -> None:
        """Save the results of the trials that have ended."""
        codes = [(running, running.process.poll()) for running in self._running]
        for running, code in codes:
            if code is None:
                continue
            self._running.remove(running)
            result = self._result(running, code)
            if result.status != "stopped":  # a stopped trial resumes with the next start of the sweep
                self.store.save(result)
            queue.ended(running.job, result)
            self.on_result(result)

    def _result(self, running: _Running, code: int) -> Result:
        job, trial = running.job, running.job.trial
        report, seconds = trial.loaded.report, time.monotonic() - running.started
        status, reason, summary = outcome_of(code, self.store.log(trial.id))
        failure = failure_of(self.store.log(trial.id)) if status == "failed" else ("", "")
        if status != "done" and running.stopping is not None:  # stopped by us; torchrun's exit code does not show that
            status = "stopped"
        if status == "done" and job.stop_after is not None:
            status = "paused"
        before = self.store.result(trial.id)
        if before is not None and before.status == "paused":
            seconds += before.seconds
        return Result(
            trial.id, trial.variant, dict(trial.varied), trial.seed, status, reason, summary,
            params=report.params, macs=report.macs, seconds=round(seconds, 3), rung=job.stop_after,
            code=failure[0], message=failure[1],
        )


def outcome_of(code: int, log: Path) -> tuple[Status, str, dict[str, Any] | None]:
    """Status, reason and summary of a trial that ended with this exit code. log: its output on stderr."""
    if code in _STOPPED:
        return "stopped", f"stopped by {signal.Signals(code - 128).name}", None
    if code < 0:
        return "killed", _killed(-code), None
    summary = _printed(log) if code == 0 else None
    return ("failed", _reason(log), None) if summary is None else ("done", "", summary)


def failure_of(log: Path) -> tuple[str, str]:
    """Code and message of the error that ended a trial; both empty if it printed none as JSON."""
    found = (_printed(log) or {}).get("diagnostics")
    first = found[0] if isinstance(found, list) and found else None
    code, message = (first.get("code"), first.get("message")) if isinstance(first, dict) else (None, None)
    return (code, message) if isinstance(code, str) and isinstance(message, str) else ("", "")


def _printed(log: Path) -> dict[str, Any] | None:
    """The output of `train --json` beside the log, without the confusion matrix."""
    try:
        data = json.loads(read_regular(log.with_suffix(".json"), MAX_RESULT_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    return {key: value for key, value in data.items() if key not in ("confusion", "classes")}


def _reason(log: Path) -> str:
    """The first line of the log that explains why a training failed."""
    try:
        with open_regular(log) as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _LOG_BYTES))
            text = stream.read(_LOG_BYTES).decode("utf-8", "replace")
    except OSError:
        return "no log"
    found = _HEADLINE.search(text)
    lines = text.strip().splitlines()
    return found[0] if found else (lines[-1] if lines else "it ended without a message")


def _killed(number: int) -> str:
    name = signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"
    return f"killed by {name}" + (", most likely because memory ran out" if name == "SIGKILL" else "")
