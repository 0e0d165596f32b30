"""The real server: what is killed is seen, and what its starter leaves behind ends too."""

import os
import signal
import subprocess
import sys
import time

import pytest

from archspec.sweep.trial import DIED, Command, Forked
from tests.cli.conftest import ROOT

SPEC = """\
archspec: 1
input: [1, 8, 8]
stages: {head: [flatten, linear: 10]}
train: {data: digits, lr: 0.1, epochs: 100000, batch_size: 32}
"""
DRIVER = """
import sys, time
from pathlib import Path
from archspec.sweep.trial import Command, Forked

launcher = Forked()
trials = []
for name in ("a", "b"):
    arguments = ["train", "net.yaml", "--run-dir", name, "--device=cpu", "--threads=1", "--limit-train=64", "--json"]
    trials.append(launcher.start(Command(arguments, {"NAME": name}, Path(name + ".json"), Path(name + ".log"))))
while any(trial.process is None for trial in trials):
    time.sleep(0.01)
print(launcher.server_process, *(trial.process for trial in trials), flush=True)
while trials[0].poll() is None:
    time.sleep(0.01)
print(trials[0].poll(), trials[1].poll(), flush=True)
time.sleep(600)
"""
PATIENCE_S = 120
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")


def until(condition):
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def alive(process):
    """Whether a process runs: one that has ended, but that nobody has waited for, does not."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def launcher(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    found = Forked()
    yield found
    found.close()


@linux
def test_a_server_that_is_killed_takes_its_trials_with_it_and_the_next_trial_has_a_new_one(launcher, tmp_path):
    (tmp_path / "net.yaml").write_text(SPEC)
    long = ["train", "net.yaml", "--run-dir", "a", "--device=cpu", "--threads=1", "--limit-train=64"]
    first = launcher.start(Command(long, {}, tmp_path / "out", tmp_path / "log"))
    until((tmp_path / "a" / "metrics.jsonl").is_file)
    os.kill(launcher.server_process, signal.SIGKILL)
    until(lambda: first.poll() is not None and not alive(first.process))
    assert first.poll() == DIED
    second = launcher.start(Command(["explain", "--help"], {}, tmp_path / "out", tmp_path / "log"))
    until(lambda: second.poll() is not None)
    assert second.poll() == 0
    assert (tmp_path / "out").read_text().startswith("Usage: archspec explain")


@linux
def test_a_killed_trial_is_seen_and_a_killed_driver_leaves_no_orphan(tmp_path):
    (tmp_path / "net.yaml").write_text(SPEC)
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, cwd=tmp_path, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    processes = []
    try:
        server, first, second = processes = [int(word) for word in driver.stdout.readline().split()]
        until((tmp_path / "b" / "metrics.jsonl").is_file)  # it trains
        os.kill(first, signal.SIGKILL)
        assert driver.stdout.readline().split() == [str(-signal.SIGKILL), "None"]
        assert alive(second)
        driver.kill()
        until(lambda: not alive(second) and not alive(server))
        assert list((tmp_path / "b" / "checkpoints").iterdir())  # it has saved
    finally:
        driver.kill()
        driver.wait()
        driver.stdout.close()
        for process in processes:
            if alive(process):
                os.kill(process, signal.SIGKILL)
