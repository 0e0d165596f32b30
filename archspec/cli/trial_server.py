"""The server from which trials are forked: `python -m archspec.cli.trial_server`.

It only imports the modules that a training needs, so that a trial starts in milliseconds from a fresh state. It reads
JSON commands from stdin, one per line, and answers on stdout with a trial's process and its exit code. When stdin ends,
because its parent has ended, it asks all trials to save and stop, and then ends.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
from contextlib import suppress
from typing import Any, Final, NoReturn

PR_SET_PDEATHSIG: Final = 1  # of Linux's <sys/prctl.h>


def main() -> None:
    """Serve until stdin and every trial have ended."""
    _import_all()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    server = _Server()
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == wake:
                    os.read(wake, 4096)
                elif not server.read():
                    selector.unregister(0)
            server.reap()
            if server.ended and not server.running:
                return


class _Server:
    """running: process → the trial's number. ended: whether stdin has ended."""

    def __init__(self) -> None:
        self.running: dict[int, int] = {}
        self.ended = False
        self._rest = b""

    def read(self) -> bool:
        """Read the available commands and start their trials. Returns False at the end of stdin."""
        text = os.read(0, 1 << 16)
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            command = json.loads(line)
            process = self._fork(command)
            self.running[process] = command["number"]
            _answer({"number": command["number"], "process": process})
        if not text:
            self.ended = True
            for process in self.running:
                os.kill(process, signal.SIGTERM)
        return bool(text)

    def reap(self) -> None:
        """Send the result of each trial that has ended."""
        for process in list(self.running):
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                _answer({"number": self.running.pop(process), "code": os.waitstatus_to_exitcode(status)})

    def _fork(self, command: dict[str, Any]) -> int:
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            _run(command)
        return process


def _answer(data: dict[str, int]) -> None:
    with suppress(BrokenPipeError):  # the parent has ended, so stdin ends too
        os.write(1, json.dumps(data).encode() + b"\n")


def _run(command: dict[str, Any]) -> NoReturn:
    """Run a trial in this process, a fork of the server."""
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _end_with_server()
        os.setsid()  # Ctrl-C is for the sweep, which stops its trials
        _redirect(0, os.devnull, os.O_RDONLY)
        _redirect(1, command["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        _redirect(2, command["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.environ.update(command["environment"])
        if command["devices"] > 1:
            _torchrun(command["devices"], command["arguments"])
            code = 0  # it raises on failure
        else:
            sys.argv = ["archspec", *command["arguments"]]
            from archspec.cli import main as archspec

            archspec()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _torchrun(processes: int, arguments: list[str]) -> None:
    """Train in several processes of this machine. Raises torch's error if one of them fails."""
    from torch.distributed.run import main as torchrun

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun does, with a warning; `--threads` overrides it
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the machine's own name may lead nowhere
    options = ["--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={processes}"]
    torchrun([*options, "-m", "archspec", *arguments])


def _end_with_server() -> None:
    """Save and stop when the server dies: its parent then assumes that the trial is dead."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _redirect(stream: int, path: str, flags: int) -> None:
    handle = os.open(path, flags, 0o666)
    os.dup2(handle, stream)
    os.close(handle)


def _import_all() -> None:
    # an optimizer's first step imports it, which takes longer than everything else
    import torch._dynamo  # noqa: F401

    import archspec.backends.allocator
    import archspec.cli.train
    import archspec.data.feed
    import archspec.train.checkpoint.compatibility
    import archspec.train.checkpoint.policy
    import archspec.train.doctor
    import archspec.train.loop
    import archspec.train.report.final
    import archspec.train.report.progress
    import archspec.train.report.table
    import archspec.train.run_dir.directory
    import archspec.train.run_dir.environment
    import archspec.train.run_dir.tensorboard
    import archspec.train.setup  # noqa: F401


if __name__ == "__main__":
    main()
