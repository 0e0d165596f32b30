"""What runs trials: on this machine (`local.py`), or on a cluster (`cluster/`)."""

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

    spec: its file; folder: its run folder. begun: the run in it goes on. options: of `archspec train`.
    devices: the processes that train together, each on a device of its own. output, errors: what gets its streams.
    """

    spec: Path
    folder: Path
    begun: bool
    options: Sequence[str]
    devices: int
    output: Path
    errors: Path

    def arguments(self, spec: Path | None = None, folder: Path | None = None) -> list[str]:
        """Of `archspec`. spec, folder: where they are, if not on this machine."""
        spec, folder = spec or self.spec, folder or self.folder
        what = ["--resume", str(folder)] if self.begun else [str(spec), "--run-dir", str(folder)]
        options = [option for option in self.options if not (self.begun and option in NEW_RUNS_ONLY)]
        return ["train", *what, *options]


class Engine(Protocol):
    """Runs trials, each `archspec train` in a process of its own."""

    @property
    def threads(self) -> int:
        """CPU threads of each process that trains."""

    def capacity(self) -> int:
        """How many trials run at once."""

    def has_room(self) -> bool:
        """Whether one more trial may start now; true where none runs."""

    def start(self, task: Task) -> Process:
        """Start a trial. When it has ended, its run folder and its streams are in the task's files."""

    def close(self) -> None:
        """End what still runs, and let go of what the engine holds."""
