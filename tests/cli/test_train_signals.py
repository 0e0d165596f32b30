"""SIGTERM and SIGINT in every phase of `archspec train`: saved within the step, exit code 143 or 130, and resumed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, Cli

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 8, relu, dropout: 0.4, linear: 10]}
train: {data: digits, lr: 0.1, batch_size: 32, epochs: 3, momentum: 0.9}
"""
FEW = ("--limit-train", "100", "--limit-test", "70")  # 4 steps an epoch, 3 of the test pass


def send_at(patch: pytest.MonkeyPatch, place: str, number: signal.Signals, count: int) -> None:
    """At the `count`-th call of the function at `place` the signal comes, before the function does its work."""
    owner, _, name = place.rpartition(".")
    module, _, kind = owner.partition(":")
    target: Any = __import__(module, fromlist=["x"])
    target = getattr(target, kind) if kind else target
    real: Callable[..., Any] = getattr(target, name)
    calls = []

    def sending(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == count:
            signal.raise_signal(number)
        return real(*args, **kwargs)

    patch.setattr(target, name, sending)


PHASES = [  # where the signal comes, at which call of it, updates and epochs that are then saved
    pytest.param("archspec.train.loop.set_rate", 6, (6, 1), id="in a step's beginning"),
    pytest.param("torch.optim:SGD.step", 1, (1, 0), id="in the first update"),
    pytest.param("torch.nn:Dropout.forward", 6, (4, 0), id="in the second batch of the test pass"),
    pytest.param("torch.nn:Dropout.forward", 7, (4, 0), id="in the last batch of the test pass"),
    pytest.param("archspec.data.batches:BatchOptions.finish", 6, (4, 0), id="while a test batch is made"),
    pytest.param("archspec.data.batches:BatchOptions.finish", 9, (5, 1), id="while a training batch is made"),
    pytest.param("archspec.train.checkpoint.policy.write_checkpoint", 2, (8, 2), id="while a checkpoint is written"),
    pytest.param("archspec.train.run_dir.directory:RunFolder._write_metrics", 2, (8, 2), id="while metrics are written"),
]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("place", "count", "saved"), PHASES)
def test_a_run_is_saved_and_goes_on(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch, place: str, count: int, saved: tuple[int, int],
    number: signal.Signals,
) -> None:
    with monkeypatch.context() as patch:
        send_at(patch, place, number, count)
        done = cli("train", spec, *FEW, "--run-dir", "run", "--checkpoint-every", "epoch")
    assert done.code == 128 + number, done.err
    last = done.err.splitlines()[-1]
    assert last.startswith(f"{number.name}: stopped between two steps; the last checkpoint is 0000")
    assert last.endswith(f"-step-{saved[0]}; `archspec train --resume run` resumes the run")
    newest = sorted(Path("run/checkpoints").iterdir())[-1]
    state = json.loads((newest / "state.json").read_text())
    assert (state["step"], len(state["results"])) == saved
    assert not Path("run/weights.safetensors").exists()
    assert cli("train", "--resume", "run").code == 0
    assert Path("run/weights.safetensors").read_bytes() == whole(cli, spec)


_whole: dict[str, bytes] = {}


def whole(cli: Cli, spec: Path) -> bytes:
    """The weights of the run that nobody stops."""
    if "weights" not in _whole:
        assert cli("train", spec, *FEW, "--run-dir", "whole").code == 0
        _whole["weights"] = Path("whole/weights.safetensors").read_bytes()
    return _whole["weights"]


@pytest.mark.parametrize("place", [
    "archspec.api.load", "archspec.train.setup.open_splits", "archspec.train.setup.fresh_model",
    "archspec.data.feed.load",
])
def test_before_the_first_step(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    with monkeypatch.context() as patch:
        send_at(patch, place, signal.SIGTERM, 1)
        done = cli("train", spec, *FEW, "--run-dir", "run")
    assert (done.code, done.out) == (143, "")
    assert done.err.splitlines()[-1] == "SIGTERM: stopped before the first step: there was nothing to save"
    assert not Path("run").exists()


def test_with_a_full_disk_the_last_checkpoint_is_named(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archspec.train.checkpoint import policy as checkpointer

    real, calls = checkpointer.write_checkpoint, []

    def full(path: Path, saved: Any) -> None:
        calls.append(path)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, saved)

    with monkeypatch.context() as patch:
        send_at(patch, "archspec.train.loop.set_rate", signal.SIGTERM, 6)
        patch.setattr(checkpointer, "write_checkpoint", full)
        done = cli("train", spec, *FEW, "--run-dir", "run")
    assert (done.code, len(calls)) == (143, 2)
    assert "warning[RUN313]: a checkpoint could not be written: the disk is full (" in done.err
    assert "the last checkpoint is 00001-step-4; `archspec train --resume run` resumes the run" in done.err
    assert cli("train", "--resume", "run").code == 0
    assert Path("run/weights.safetensors").read_bytes() == whole(cli, spec)


CHILD = """
import sys, time
import archspec.train.setup as prepare
from archspec.data.batches import ResidentBatches
real, opened = ResidentBatches.batches, prepare.open_splits

def say(text):
    print(text, file=sys.stderr, flush=True)

def slow(self, epoch, start_step=0):
    for batch in real(self, epoch, start_step):
        say("training" if self._options.shuffle else "evaluation")
        time.sleep(0.02)
        yield batch

def open_splits(*args, **kwargs):
    say("start-up")
    time.sleep(PAUSE)
    return opened(*args, **kwargs)

ResidentBatches.batches, prepare.open_splits = slow, open_splits
from archspec.cli import main
main()
"""


def child(phase: str) -> subprocess.Popen[str]:
    code = CHILD.replace("PAUSE", "60" if phase == "start-up" else "0")
    command = ["train", "tiny.yaml", *FEW, "--epochs", "500", "--run-dir", "run", "--checkpoint-every", "never"]
    return subprocess.Popen(
        [sys.executable, "-c", code, *command], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


def signalled(phase: str, *numbers: signal.Signals) -> tuple[int, list[str]]:
    """A run to which others send signals when it is in this phase: its exit code and last lines."""
    process = child(phase)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip() == phase:
                break
        for number in numbers:
            process.send_signal(number)
        _, rest = process.communicate(timeout=180)
    finally:
        process.kill()
        process.wait()
    return process.returncode, [line for line in rest.splitlines() if line not in ("training", "evaluation")]


@pytest.mark.parametrize(("phase", "number"), [
    ("start-up", signal.SIGTERM), ("start-up", signal.SIGINT), ("training", signal.SIGTERM),
    ("evaluation", signal.SIGINT),
])
def test_signals_from_outside(spec: Path, phase: str, number: signal.Signals) -> None:
    code, lines = signalled(phase, number)
    assert code == 128 + number
    assert lines[-1].startswith(f"{number.name}: stopped ")
    assert len(list(Path().glob("run/checkpoints/*/manifest.sha256"))) == (phase != "start-up")
