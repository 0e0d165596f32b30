"""The doctor on a real GPU: advice that was tried there, and a run that it does not change."""

import json
import re

OPTIONS = ("--limit-train", 2000, "--limit-test", 200, "--epochs", 8)


def test_what_is_advised_was_tried_on_the_device_and_learns(specs, device, cli, record_property):
    done = cli("train", "mlp.yaml", "--device", device, *OPTIONS, "--lr", 1e-6, "--run-dir", "slow")
    assert done.code == 0, done.err
    advised = re.search(r"= use lr (\S+): tried, loss (\S+) after \d+ steps", done.out)
    assert advised is not None, done.out
    record_property("advised", advised[0])
    (found,) = json.loads((specs / "slow" / "findings.json").read_text())["findings"]
    assert found["code"] == "RUN345"
    assert found["trials"]
    followed = cli("train", "mlp.yaml", "--device", device, *OPTIONS, "--lr", advised[1], "--run-dir", "followed", "--json")
    assert json.loads(followed.out)["last"]["train_loss"] < 1.5
    again = cli("diagnose", "slow", "--device", device, "--budget", "10s", "--json")
    assert again.code in (0, 1), again.err
    assert "RUN345" in again.out


def test_trials_leave_the_run_as_it_is(specs, device, cli):
    """With --deterministic to the last bit."""
    runs = {}
    for name, more in (("with", ()), ("without", ("--no-trials",))):
        done = cli("train", "mlp.yaml", "--device", device, *OPTIONS, "--lr", 1e-6, "--deterministic", "--run-dir", name, *more)
        assert done.code == 0, done.err
        runs[name] = (specs / name / "weights.safetensors").read_bytes()
    assert runs["with"] == runs["without"]
    assert "tried: lr" not in done.out


def test_a_sound_run_gets_no_verdict(specs, device, cli):
    done = cli("train", "mlp.yaml", "--device", device, *OPTIONS, "--run-dir", "sound", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["findings"] == []
