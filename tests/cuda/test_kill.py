"""On a real GPU: a run that is killed goes on from its last checkpoint, to the figures of the run that was not."""

import json
import signal
import time

import pytest

from archspec.train.checkpoint import newest

from .helpers import finish, start

OPTIONS = ("--limit-train", 2000, "--limit-test", 200, "--checkpoint-every", "10steps", "--epochs", 6)


def figures(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [(row["train_loss"], row["test_loss"]) for row in map(json.loads, lines)]


def killed(specs, device, number, run="killed"):
    """Start a training, end it by a signal when it has saved twice, and return its exit code."""
    process = start("-m", "archspec", "train", "cnn.yaml", "--device", device, *OPTIONS, "--run-dir", run, cwd=specs)
    try:
        until = time.monotonic() + 100
        while len(list((specs / run).glob("checkpoints/0*"))) < 2 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_ended_goes_on(specs, device, number, cli, record_property):
    whole = cli("train", "cnn.yaml", "--device", device, *OPTIONS, "--run-dir", "whole")
    assert whole.code == 0, whole.err
    assert killed(specs, device, number) == {signal.SIGKILL: -9, signal.SIGTERM: 143}[number]
    step = newest(specs / "killed" / "checkpoints").saved.state.step
    record_property("killed_after_step", step)
    assert 0 < step < 240, "before its end"
    finish(start("-m", "archspec", "train", "--resume", "killed", "--device", device, cwd=specs))
    found, expected = figures(specs / "killed"), figures(specs / "whole")
    record_property("losses", f"{found[-1]} and {expected[-1]}")
    assert len(found) == len(expected) == 6
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=0.05)
