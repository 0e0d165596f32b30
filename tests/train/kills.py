"""Kills trainings with SIGKILL at random times, and holds what is left against a run that nobody killed.

    python -m tests.train.kills --kills 200 --fresh 10

A tiny training saves after every step. It is killed and resumed until it comes to its end, then the next begins. After
each kill every checkpoint must be whole, every other file too, and at the end the weights must be, byte for byte, those
of the run that was left alone. `--kills` are done to processes forked from one that has imported torch: they are the
trainer from its command line on, without the seconds that imports take. `--fresh` are done to whole processes,
`python -m archspec train`, from their first instruction on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch._dynamo  # what takes seconds is imported once, here  # noqa: F401

import archspec.train.loop  # noqa: F401
from archspec.cli import run
from archspec.train.checkpoint.storage import checkpoints, newest, verify

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages:
  body: [conv2d: {out_channels: 8, kernel_size: 3}, batch_norm2d, relu]
  head: [flatten, dropout: 0.3, linear: 10]
train:
  {data: digits, batch_size: 20, epochs: 2, optimizer: adamw, lr: 0.01, schedule: cosine, warmup: 1, ema: 0.9,
   augment: [random_crop: 1], mixup: 0.2}
"""
OPTIONS = ["--limit-train", "200", "--limit-test", "60", "--checkpoint-every", "1", "--threads", "1"]
ROOT = Path(__file__).parents[2]


class Forked:
    """A training in a process forked from this one. Its output is appended to `log`."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self._code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:  # never to return into the program that it is a copy of
            code = 99
            try:
                handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(handle, 1)
                os.dup2(handle, 2)
                code = run(arguments)
            finally:
                os._exit(code)

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def fresh(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """A training in a process of its own."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "archspec", *arguments], stdout=output, stderr=output,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )


Starter = Callable[[list[str], Path], "Forked | subprocess.Popen[bytes]"]


def lived(start: Starter, arguments: list[str], log: Path, seconds: float) -> tuple[int, int]:
    """Start a training and kill it after so many seconds; exit code (-9 where it was killed in time), process."""
    begun, process = time.monotonic(), start(arguments, log)
    while time.monotonic() < begun + seconds and process.poll() is None:
        time.sleep(0.001)
    if process.poll() is None:
        process.kill()
    while process.poll() is None:
        time.sleep(0.001)
    code = process.poll()
    assert code is not None
    return code, process.pid


def check(folder: Path, expected: bytes) -> int | None:
    """Assert that whatever a killed run has left is whole; the newest checkpoint's step, None if there is none."""
    for path in checkpoints(folder / "checkpoints"):
        verify(path)
    for name in ("environment.json", "metrics.jsonl"):
        if (folder / name).exists():
            text = (folder / name).read_text()
            for line in text.splitlines() if name.endswith("jsonl") else [text]:
                json.loads(line)
    if (folder / "spec.yaml").exists():
        assert (folder / "environment.json").exists(), "a run without what it was started with"
        assert "data: digits" in (folder / "spec.yaml").read_text()
    if (folder / "weights.safetensors").exists():
        assert (folder / "weights.safetensors").read_bytes() == expected, "weights that are not the run's"
    found = newest(folder / "checkpoints")
    return None if found is None else found.saved.state.step


class Chains:
    """Trainings, one after the other, each killed until it is through. start: how their processes are started."""

    def __init__(self, folder: Path, start: Starter, chance: random.Random) -> None:
        self._folder, self._start, self._chance = folder, start, chance
        self._log = folder / "log"
        (folder / "tiny.yaml").write_text(SPEC)
        begun = time.monotonic()
        code, _ = lived(start, self._arguments("whole"), self._log, 600)
        self.seconds = time.monotonic() - begun
        assert code == 0, self._log.read_text()
        self._expected = (folder / "whole" / "weights.safetensors").read_bytes()
        self.found: Counter[str] = Counter()

    def _arguments(self, name: str) -> list[str]:
        return ["train", str(self._folder / "tiny.yaml"), *OPTIONS, "--run-dir", str(self._folder / name)]

    def kill(self, times: int) -> None:
        """So many kills, and what is left of the last training brought to its end."""
        while self.found["kills"] < times:
            self.found["trainings"] += 1
            self._chain(times)

    def _chain(self, times: int) -> None:
        folder = self._folder / "run"
        shutil.rmtree(folder, ignore_errors=True)
        code = -signal.SIGKILL
        while code != 0:
            if not (folder / "spec.yaml").exists():  # no run yet: a user would remove what is there
                shutil.rmtree(folder, ignore_errors=True)
                arguments = self._arguments("run")
            else:
                arguments = ["train", "--resume", str(folder), "--checkpoint-every", "1"]
            seconds = self._chance.uniform(0, self.seconds) if self.found["kills"] < times else 600
            code, process = lived(self._start, arguments, self._log, seconds)
            assert code in (0, -signal.SIGKILL), f"exit code {code}:\n{self._log.read_text()[-3000:]}"
            if code:
                self._killed(folder, seconds, process)
        assert not list(folder.rglob(".*.part")), "drafts are left"
        assert (folder / "weights.safetensors").read_bytes() == self._expected, "the weights are others"
        print(f"training {self.found['trainings']} came to its end: its weights are those of the run left alone")

    def _killed(self, folder: Path, seconds: float, process: int) -> None:
        """Note a kill, and look at what it has left."""
        step = check(folder, self._expected)
        drafts = [path.name for path in folder.rglob(f".*.{process}.part")]
        torn = "checkpoint" if any("-step-" in name for name in drafts) else "file" if drafts else ""
        self.found["kills"] += 1
        self.found["before the first checkpoint"] += step is None
        self.found["within the writing of a checkpoint"] += torn == "checkpoint"
        self.found["within the writing of another file"] += torn == "file"
        place = "no checkpoint yet" if step is None else f"step {step} is safe"
        print(f"kill {self.found['kills']}: after {seconds:.3f} s, {place}{f', a {torn} was being written' * bool(torn)}",
              flush=True)

    def summary(self) -> str:
        """What was done, in a line."""
        found = ", ".join(f"{count} {what}" for what, count in self.found.items())
        return f"{found}; nothing was torn, all weights are equal"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Kill trainings at random times.")
    parser.add_argument("--kills", type=int, default=200, help="of forked processes")
    parser.add_argument("--fresh", type=int, default=0, help="of processes from their first instruction on")
    parser.add_argument("--seed", type=int, default=0, help="of the times")
    chosen = parser.parse_args()
    for times, start in ((chosen.kills, Forked), (chosen.fresh, fresh)):
        if times:
            with tempfile.TemporaryDirectory() as folder:
                chains = Chains(Path(folder), start, random.Random(chosen.seed))
                print(f"{start.__name__.lower()}: a run that is left alone takes {chains.seconds:.2f} s", flush=True)
                chains.kill(times)
                print(f"{start.__name__.lower()}: {chains.summary()}", flush=True)


if __name__ == "__main__":
    main()
