"""Every command that computes takes subnormal numbers for zero while it runs, and a run says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from archspec.backends import denormals
from archspec.backends.denormals import flushing_threads

from .conftest import Cli, archspec

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 10]}
train: {data: digits, lr: 0.1, batch_size: 50, epochs: 1}
"""
FEW = ("--limit-train", "100", "--limit-test", "50")
pytestmark = pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush them")


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(SPEC, encoding="utf-8")
    return tmp_path / "tiny.yaml"


def recorded(run: str = "run") -> object:
    return json.loads(Path(run, "environment.json").read_text(encoding="utf-8"))["flush_denormal"]


def test_a_run_in_a_process_of_its_own_flushes_in_all_threads(spec: Path) -> None:
    """At torch's own number of threads, and at another one."""
    for options in ((), ("--threads", "3")):
        run = f"run{len(options)}"
        done = archspec("train", "tiny.yaml", *FEW, "--run-dir", run, *options, OMP_NUM_THREADS="2")
        assert done.returncode == 0, done.stderr
        assert recorded(run) is True


@pytest.mark.usefixtures("quick_peaks")
def test_the_commands_flush_and_leave_the_process_as_it_was(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool | str] = []
    outside = flushing_threads()

    def watched(module: str, name: str) -> None:
        import importlib

        place = importlib.import_module(module)
        original = getattr(place, name)

        def spy(*args: object, **kwargs: object) -> object:
            seen.append(flushing_threads())
            return original(*args, **kwargs)

        monkeypatch.setattr(place, name, spy)

    watched("archspec.train.loop", "train_epoch")
    watched("archspec.inference.evaluate", "evaluate")
    watched("archspec.profile.run", "time_runs")
    for command in (("train", "tiny.yaml", *FEW, "--run-dir", "run"), ("evaluate", "run", "--limit-test", 50),
                    ("profile", "tiny.yaml", "--steps", 1, "--warmup", 1)):
        before = len(seen)
        done = cli(*command)
        assert done.code == 0, done.err
        assert len(seen) > before, command
    assert set(seen) == {True}
    assert flushing_threads() == outside


def test_a_run_that_did_not_flush_is_resumed_with_a_note(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of 0.1.0, whose checkpoints do not say; and one of a processor that could not."""
    from archspec.train.checkpoint import compatibility as same_run

    for patch in (lambda p: p.setattr(same_run, "_DECIDE", [key for key in same_run._DECIDE if key != "flush_denormal"]),
                  lambda p: p.setattr(denormals.torch, "set_flush_denormal", lambda on: False)):
        with monkeypatch.context() as before:
            patch(before)
            assert cli("train", "tiny.yaml", *FEW, "--run-dir", "old", "--epochs", 1).code == 0
        done = cli("train", "--resume", "old", "--epochs", 2)
        assert done.code == 0, done.err
        assert "flush_denormal was false, is true: the rest of the run will not be bitwise equal" in done.err
        again = cli("train", "--resume", "old", "--epochs", 3)
        assert "flush_denormal" not in again.err
        shutil.rmtree("old")
