"""The doctor's options of `archspec train`."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from .conftest import Cli

# One class answers for all: at this rate nothing moves, and the doctor has to see it within the run.
SPEC = """\
archspec: 1
name: stuck
input: [1, 8, 8]
stages: {body: [flatten, linear: 32, relu, linear: 32, relu], head: {linear: 10}}
train: {data: digits, batch_size: 16, epochs: 4, optimizer: sgd, lr: 1e-6}
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("stuck.yaml").write_text(SPEC)
    return "stuck.yaml"


def test_a_rate_too_low_is_told_in_the_run_the_summary_and_the_folder(cli: Cli, spec: str) -> None:
    done = cli("train", spec, "--run-dir", "run", "--threads", 1)
    assert done.code == 0, done.err
    assert "doctor[RUN345]" in done.err
    assert "doctor[RUN345]" in done.out
    assert [f["code"] for f in json.loads(Path("run/findings.json").read_text())["findings"]] == ["RUN345"]


def test_no_doctor_is_silent_and_trains_the_same(cli: Cli, spec: str) -> None:
    assert cli("train", spec, "--run-dir", "with", "--epochs", 1).code == 0
    done = cli("train", spec, "--run-dir", "without", "--epochs", 1, "--no-doctor")
    assert "doctor" not in done.err + done.out
    assert not Path("without/findings.json").exists()
    assert Path("with/weights.safetensors").read_bytes() == Path("without/weights.safetensors").read_bytes()


def test_stop_when_dead_ends_with_exit_code_1(cli: Cli, spec: str) -> None:
    Path(spec).write_text(SPEC.replace("1e-6", "1000.0").replace("epochs: 4", "epochs: 20"))
    done = cli("train", spec, "--run-dir", "run", "--stop-when-dead", "--no-trials")
    assert done.code == 1, done.err
    assert "RUN341" in done.err
    assert not Path("run/weights.safetensors").exists()


def test_the_advice_is_tried_and_what_is_printed_was_seen(cli: Cli, spec: str) -> None:
    done = cli("train", spec, "--run-dir", "run", "--threads", 1)
    (finding,) = json.loads(Path("run/findings.json").read_text())["findings"]
    best = next(trial for trial in finding["trials"] if trial["change"] == finding["change"])
    assert best["learnt"]
    assert finding["guess"] is False
    assert f"tried: {best['text']} → loss {best['loss']:.3g} after {best['steps']} steps" in done.err
    assert f"use {best['text']}: tried, loss {best['loss']:.3g} after {best['steps']} steps (2.3" in done.out
    assert Path("run/weights.safetensors").exists()


def test_no_trials_calls_it_a_guess(cli: Cli, spec: str) -> None:
    cli("train", spec, "--run-dir", "with", "--threads", 1)
    done = cli("train", spec, "--run-dir", "without", "--threads", 1, "--no-trials")
    assert "→ loss" not in done.err + done.out
    assert "a guess, not tried: raise the rate" in done.out
    assert Path("with/weights.safetensors").read_bytes() == Path("without/weights.safetensors").read_bytes()


def test_stop_when_dead_needs_the_doctor(cli: Cli, spec: str) -> None:
    assert cli("train", spec, "--no-doctor", "--stop-when-dead").code == 2


def test_find_lr_draws_suggests_and_trains_nothing(cli: Cli, spec: str) -> None:
    body = "linear: 32, relu, linear: 32, relu"  # whose plateau is longer than the test
    Path(spec).write_text(SPEC.replace(f", {body}", ""))
    done = cli("train", spec, "--find-lr", "--run-dir", "rates")
    assert done.code == 0, done.err
    assert "smoothed loss over learning rate" in done.out
    assert "this recipe's rate 1e-06 is 1/" in done.out
    assert "doctor[RUN351]: the rate 1e-06 is far below the suggestion of the range test" in done.out
    assert sorted(p.name for p in Path("rates").iterdir()) == ["rate_range.json", "rate_range.svg"]
    found = json.loads(Path("rates/rate_range.json").read_text())
    assert found["recipe_lr"] == 1e-6
    assert [f["code"] for f in found["findings"]] == ["RUN351"]  # far below what the test suggests


@pytest.mark.parametrize("option", [
    ("--tensorboard",), ("--checkpoint-every", "2epochs"), ("--keep-checkpoints", "1"), ("--stop-after-epochs", "1"),
    ("--stop-when-dead",),
])
def test_find_lr_refuses_what_only_a_training_does(cli: Cli, spec: str, option: tuple[str, ...]) -> None:
    done = cli("train", spec, "--find-lr", "--run-dir", "rates", *option)
    assert done.code == 2
    assert f"--find-lr does not train: leave {option[0]} out" in done.err
    assert not Path("rates").exists()


def test_find_lr_says_which_rates_it_means(cli: Cli, spec: str) -> None:
    done = cli("train", spec, "--find-lr", "--run-dir", "rates", "--set", "train.lr_scale={head: 10}")
    assert "these are values of `lr`, which `lr_scale` multiplies in `head` by 10" in done.out


@pytest.mark.parametrize("number", [310, 346, 352])
def test_what_an_explanation_calls_wrong_gives_its_code(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (files("archspec") / f"diagnostics/explanations/RUN{number}.md").read_text(encoding="utf-8")
    wrong, right = (command.split() for command in re.findall(r"```console\narchspec (.+)\n```", text))
    short = () if "--epochs" in wrong else ("--epochs", 4)
    assert f"[RUN{number}]" in cli(*wrong, *short, "--run-dir", "wrong", "--threads", 1).err
    done = cli(*right, *short, "--run-dir", "right", "--threads", 1)
    assert (done.code, "doctor[" in done.err) == (0, False), done.err


def test_one_number_where_the_loss_ceases_to_be_one(cli: Cli, spec: str) -> None:
    """RUN310, which ends the run, and RUN346, the doctor's verdict, name the same remedy: tried, or a guess."""
    Path(spec).write_text(SPEC.replace("1e-6", "1.0e+30"))
    done = cli("train", spec, "--run-dir", "tried", "--threads", 1)
    (finding,) = json.loads(Path("tried/findings.json").read_text())["findings"]
    assert (done.code, finding["code"], finding["guess"]) == (1, "RUN346", False)
    assert f"= hint: {finding['advice']}" in done.err
    done = cli("train", spec, "--run-dir", "guessed", "--threads", 1, "--no-trials")
    assert re.search(r"RUN346.*try lr 0\.1, or a warm-up", done.err)
    assert re.search(r"hint: .*try lr 0\.1, or a warm-up", done.err)
