"""The interface of an engine, which runs trials on this machine (`local.py`) or on a cluster (`cluster/`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from archspec.sweep.trial import Process

NEW_RUNS_ONLY: Final = frozenset({"--tune"})  # options of `archspec train`: a run that goes on keeps what was chosen


@dataclass(frozen=True, slots=True)
class Task:
    """A training to start.

    spec: its file. folder: its run folder. begun: whether to resume the run in it. options: of `archspec train`.
    devices: the number of processes that train together, each on its own device. output, errors: files for its streams.
    """

    spec: Path
    folder: Path
    begun: bool
    options: Sequence[str]
    devices: int
    output: Path
    errors: Path

    def arguments(self, spec: Path | None = None, folder: Path | None = None) -> list[str]:
        """The arguments of `archspec`. spec, folder: their paths if they are on another machine."""
        spec, folder = spec or self.spec, folder or self.folder
        what = ["--resume", str(folder)] if self.begun else [str(spec), "--run-dir", str(folder)]
        options = [option for option in self.options if not (self.begun and option in NEW_RUNS_ONLY)]
        return ["train", *what, *options]


class Engine(Protocol):
    """Runs trials, each as `archspec train` in a separate process."""

    @property
    def threads(self) -> int:
        """The number of CPU threads of each process."""

    def capacity(self) -> int:
        """The most trials that can run at once."""

    def has_room(self) -> bool:
        """Whether another trial may start now; true if none runs."""

    def start(self, task: Task) -> Process:
        """Start a trial. When it has ended, its run folder and its output are in the files of the task."""

    def close(self) -> None:
        """End all trials, and release all resources."""
