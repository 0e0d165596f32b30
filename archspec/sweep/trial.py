"""Starts and controls the process of a trial."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol

DIED: Final = -signal.SIGKILL  # the exit code of trials whose server has died


@dataclass(frozen=True, slots=True)
class Command:
    """The command of a trial: arguments of `archspec`, environment variables, and files for its output.

    devices: if more than 1, torchrun starts this number of processes, which train together.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    output: Path
    errors: Path
    devices: int = 1


class Process(Protocol):
    """A running trial."""

    def poll(self) -> int | None:
        """The exit code, negative if a signal ended the trial; None while it runs."""

    def terminate(self) -> None:
        """Ask the trial to save and stop."""

    def kill(self) -> None:
        """End the trial immediately."""


class Launcher(Protocol):
    """Starts trials."""

    def start(self, command: Command) -> Process:
        """Start a trial."""

    def close(self) -> None:
        """Release all resources."""


class Forked:
    """Starts each trial as a fork of a server that has only imported modules, which saves seconds per trial.

    Trials do not affect each other, because the server itself never trains. If this process is killed, the trials save
    their state and stop.
    """

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._trials: list[_Forked] = []  # of this server
        self._listener: threading.Thread | None = None

    @property
    def server_process(self) -> int | None:
        """The process id of the server; None before the first start."""
        return None if self._server is None else self._server.pid

    def start(self, command: Command) -> Process:
        """Fork a trial."""
        server = self._server
        if server is None or server.poll() is not None:  # the server has died, and its trials with it
            self._end()
            server = self._begin()
        assert server.stdin is not None
        trial = _Forked()
        files = {"output": str(command.output), "errors": str(command.errors)}
        data = asdict(command) | files | {"number": len(self._trials)}
        self._trials.append(trial)
        try:
            server.stdin.write(json.dumps(data).encode() + b"\n")
            server.stdin.flush()
        except BrokenPipeError:
            trial.code = DIED
        return trial

    def close(self) -> None:
        """End the server and its trials."""
        self._end()

    def _end(self) -> None:
        server, self._server = self._server, None
        if server is None or self._listener is None:
            return
        assert server.stdin is not None
        assert server.stdout is not None
        with suppress(BrokenPipeError):
            server.stdin.close()
        server.wait()
        self._listener.join()
        server.stdout.close()

    def _begin(self) -> subprocess.Popen[bytes]:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "archspec.cli.trial_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._trials = []
        self._listener = threading.Thread(target=self._listen, args=(self._server, self._trials), daemon=True)
        self._listener.start()
        return self._server

    @staticmethod
    def _listen(server: subprocess.Popen[bytes], trials: Sequence[_Forked]) -> None:
        assert server.stdout is not None
        for line in server.stdout:
            answer = json.loads(line)
            trial = trials[answer["number"]]
            trial.process = answer.get("process", trial.process)
            trial.code = answer.get("code")
        for trial in trials:
            trial.code = DIED if trial.code is None else trial.code


class _Forked:
    def __init__(self) -> None:
        self.process: int | None = None
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.process is not None and self.code is None:
            with suppress(ProcessLookupError):
                os.kill(self.process, number)
