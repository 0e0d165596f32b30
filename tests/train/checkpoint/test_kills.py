"""A few kills of those that `python -m tests.train.kills` does by the hundred; and that it would notice."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from archspec.train.checkpoint.storage import DamagedError, write_checkpoint
from tests.train import kills
from tests.train.checkpoint.helpers import snapshot

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked and killed")
QUICK = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()  # where to sync takes no time


def test_whatever_moment_it_is():
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.kills", "--kills", "5"], capture_output=True, text=True, timeout=300,
        check=False, cwd=kills.ROOT, env={**os.environ, "PYTHONPATH": str(kills.ROOT), "TMPDIR": QUICK},
    )
    assert done.returncode == 0, done.stderr
    trainings, count = map(int, re.search(r"forked: (\d+) trainings, (\d+) kills, ", done.stdout).groups())
    assert (count, done.stdout.count("\nkill ")) == (5, 5)
    assert done.stdout.count(" came to its end: its weights are those") == trainings >= 1


def left(folder):
    """What a killed run may have left."""
    (folder / "checkpoints").mkdir()
    write_checkpoint(folder / "checkpoints" / "00001-step-7", snapshot())
    (folder / "spec.yaml").write_text(kills.SPEC)
    (folder / "environment.json").write_text("{}")
    (folder / "metrics.jsonl").write_text('{"epoch": 1}\n{"epoch": 2}\n')
    return folder


def test_what_is_whole_passes(tmp_path):
    assert kills.check(tmp_path, b"") is None
    assert kills.check(left(tmp_path), b"") == 7


def cut(path):
    path.write_bytes(path.read_bytes()[:-4])


@pytest.mark.parametrize(("harm", "problem"), [
    (lambda folder: cut(folder / "checkpoints/00001-step-7/state.json"), DamagedError),
    (lambda folder: cut(folder / "metrics.jsonl"), ValueError),
    (lambda folder: (folder / "environment.json").write_text("{"), ValueError),
    (lambda folder: (folder / "environment.json").unlink(), AssertionError),
    (lambda folder: (folder / "spec.yaml").write_text("archspec: 1\n"), AssertionError),
    (lambda folder: (folder / "weights.safetensors").write_text("half"), AssertionError),
])
def test_what_is_torn_does_not(tmp_path, harm, problem):
    harm(left(tmp_path))
    with pytest.raises(problem):
        kills.check(tmp_path, b"whole")


def test_other_weights_at_the_end_are_noticed(tmp_path, monkeypatch):
    """And so is a process that ends otherwise than by the kill."""
    chains = kills.Chains.__new__(kills.Chains)
    chains._folder, chains._log, chains._expected, chains.found = tmp_path, tmp_path / "log", b"whole", kills.Counter()
    (tmp_path / "log").touch()
    code = 0

    def lived(start, arguments, log, seconds):
        Path(arguments[-1]).mkdir(exist_ok=True)
        (Path(arguments[-1]) / "weights.safetensors").write_bytes(b"others")
        return code, 1

    monkeypatch.setattr(kills, "lived", lived)
    chains._start, chains._chance, chains.seconds = None, kills.random.Random(0), 1.0
    with pytest.raises(AssertionError, match="the weights are others"):
        chains.kill(1)
    code = 70
    with pytest.raises(AssertionError, match="exit code 70"):
        chains.kill(1)
