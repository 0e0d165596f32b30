"""Trains on a node of a cluster; Ray imports this module there."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import archspec
from archspec.atomic_files import claim
from archspec.files import is_folder, is_regular, open_regular
from archspec.results.trials import MAX_RESULT_BYTES
from archspec.sweep.cluster.archive import pack, unpack
from archspec.sweep.engine import Task
from archspec.sweep.trial import Command, Forked, Process

MAX_LOG_BYTES: Final = 1 << 20
_POLL_S: Final = 0.02
_PREFIX: Final = "archspec-trial-"


class Order(NamedTuple):
    """A trial to train, as sent to a node. run: its run folder as an archive; empty if it has none yet."""

    spec: bytes
    run: bytes
    options: list[str]
    devices: int


class Outcome(NamedTuple):
    """The result, as sent back: the exit code, the output of the trial, and its run folder as an archive."""

    code: int
    output: bytes
    errors: bytes
    run: bytes


class Host:
    """A Ray actor that trains one trial at a time, each in a separate process.

    home: the working folder of the sweep. If the node has it too, relative paths of data have the same meaning.
    """

    def __init__(self, home: str) -> None:
        with suppress(OSError):
            os.chdir(home)
        self._launcher = Forked()
        self._process: Process | None = None
        self._folder: Path | None = None
        self._stopping = False
        self._sent: list[str] = []

    def version(self) -> str:
        """The version of archspec on this node."""
        return archspec.__version__

    def run(self, order: Order) -> Outcome:
        """Train a trial to its end."""
        remove_abandoned()
        working = Path(tempfile.mkdtemp(prefix=_PREFIX))
        handle = claim(working)
        try:
            return self._train(Order(*order), working)
        finally:
            self._folder = self._process = None
            shutil.rmtree(working, ignore_errors=True)
            if handle is not None:
                os.close(handle)

    def _train(self, order: Order, working: Path) -> Outcome:
        spec, folder = working / "spec.yaml", working / "run"
        output, errors = working / "output.json", working / "errors.log"
        spec.write_bytes(order.spec)
        if order.run:
            unpack(order.run, folder)
        task = Task(spec, folder, (folder / "spec.yaml").is_file(), order.options, order.devices, output, errors)
        self._folder, self._sent = folder, checkpoints(folder)
        self._process = self._launcher.start(Command(task.arguments(), {}, output, errors, order.devices))
        if self._stopping:
            self.terminate()
        while (code := self._process.poll()) is None:
            time.sleep(_POLL_S)
        run = pack(folder) if is_folder(folder) else b""
        return Outcome(code, _end_of(output, MAX_RESULT_BYTES), _end_of(errors, MAX_LOG_BYTES), run)

    def terminate(self) -> None:
        """Ask the trial to save and stop. This host trains nothing after that."""
        self._stopping = True
        if self._process is not None:
            self._process.terminate()

    def saved(self) -> bytes:
        """The run folder as an archive if it has a checkpoint that was not sent yet, otherwise empty."""
        folder = self._folder
        if folder is None or (found := checkpoints(folder)) == self._sent:
            return b""
        self._sent = found
        return pack(folder)


def checkpoints(folder: Path) -> list[str]:
    """The names of a run's checkpoints, without importing torch, which a host does not need."""
    try:
        return sorted(path.name for path in (folder / "checkpoints").iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def remove_abandoned() -> None:
    """Remove files of trials whose host was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if is_folder(folder) and folder.stat().st_uid == os.getuid() and (handle := claim(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(handle)


def _end_of(path: Path, most: int) -> bytes:
    if not is_regular(path):
        return b""
    with open_regular(path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - most))
        return file.read(most)
