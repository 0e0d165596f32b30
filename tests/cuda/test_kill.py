"""On a real GPU: a run that is killed goes on from its last checkpoint."""

import json
import signal
import time

import pytest

from archspec.train.checkpoint.storage import newest

from .helpers import finish, start

OPTIONS = ("--limit-train", 2000, "--limit-test", 200, "--checkpoint-every", "10steps", "--epochs", 6)


def figures(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [(row["train_loss"], row["test_loss"]) for row in map(json.loads, lines)]


def saved(run):
    """The step of the newest checkpoint; 0 where there is none."""
    return max((int(path.name.rpartition("-")[2]) for path in run.glob("checkpoints/0*")), default=0)


def killed(specs, device, number, run="killed"):
    """Start a training, end it by a signal when it has saved in its second epoch, and return its exit code."""
    process = start("-m", "archspec", "train", "cnn.yaml", "--device", device, *OPTIONS, "--run-dir", run, cwd=specs)
    try:
        until = time.monotonic() + 100
        while saved(specs / run) <= 40 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_ended_goes_on(specs, device, number, record_property):
    """To equal figures it goes with --deterministic alone: see test_determinism.py."""
    assert killed(specs, device, number) == {signal.SIGKILL: -9, signal.SIGTERM: 143}[number]
    step = newest(specs / "killed" / "checkpoints").saved.state.step
    record_property("killed_after_step", step)
    assert 40 < step < 240, "before its end"
    before = figures(specs / "killed")[: step // 40]  # the epochs that the checkpoint has
    finish(start("-m", "archspec", "train", "--resume", "killed", "--device", device, cwd=specs))
    found = figures(specs / "killed")
    record_property("losses", str(found))
    assert len(found) == 6
    assert found[: len(before)] == before
    assert found[-1][0] < 0.7 * found[0][0], "it went on learning"
