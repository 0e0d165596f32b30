"""`archspec train --resume` after a change: what is refused, allowed, and not trusted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.resuming import FEW, SPEC, metrics, stop_early, weights

from .conftest import Cli


@pytest.mark.parametrize(("options", "words"), [
    (["--lr", "0.2"], "lr was 0.1, is 0.2"),
    (["--lr", "0.2"], "hint: leave --lr out, or add --allow-changes"),
    (["--set", "train.nesterov=true", "--set", "train.momentum=0.5"], "nesterov was false, is true"),
    (["--set", "train.lr=0.2"], "hint: restore it, or add --allow-changes"),
    (["--batch-size", "16"], "batch_size was 32, is 16"),
    (["--optimizer", "adam"], "optimizer was sgd, is adam"),
    (["--set", "vars.hidden=9"], "the network is different: `head.layer_1.linear_1`: `out_features` was 8, is 9"),
    (["--limit-train", "90"], "the run had 100 training images, now it has 90"),
], ids=str)
def test_another_run_is_refused(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    stop_early(cli, monkeypatch, 2, spec, *FEW)
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    done = cli("train", "--resume", "run", *options)
    assert (done.code, "RUN315" in done.err, words in done.err) == (1, True, True), done.err
    assert before == {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}


def test_epochs_where_the_rates_depend_on_them(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_early(cli, monkeypatch, 2, spec, *FEW, "--set", "train.schedule=cosine")
    done = cli("train", "--resume", "run", "--epochs", "3")
    assert (done.code, "RUN315" in done.err) == (1, True)
    assert "epochs was 2, is 3: the schedule is stretched over all epochs" in done.err
    assert "hint: leave --epochs out, or" in done.err


def test_at_most_six_changes_are_told() -> None:
    from archspec.train.checkpoint.compatibility import changed_spec

    notes = [f"change {k}" for k in range(8)]
    assert changed_spec("x", notes).diagnostics[0].notes == (*notes[:6], "and 2 more")
    assert changed_spec("x", notes[:6]).diagnostics[0].notes == tuple(notes[:6])


def test_changes_that_are_allowed(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_early(cli, monkeypatch, 5, spec, *FEW)
    old = Path("run/spec.yaml").read_bytes()
    done = cli("train", "--resume", "run", "--batch-size", "16", "--lr", "0.05", "--allow-changes", "--json")
    assert done.code == 0, done.err
    plain = json.loads(done.out)
    assert (plain["recipe"]["lr"], len(plain["epochs"])) == (0.05, 2)
    assert Path("run/spec-until-step-7.yaml").read_bytes() == old
    assert b"0.05" in Path("run/spec.yaml").read_bytes()
    done = cli("train", "--resume", "run", "--set", "vars.hidden=9", "--allow-changes")
    assert done.code == 1
    assert "head.layer_1.linear_1.weight is (8, 64) in the checkpoint, (9, 64) in the network" in done.err


def test_comments_and_spelling_are_no_change(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_early(cli, monkeypatch, 2, spec, *FEW)
    text = SPEC.replace("layer: $hidden", "layer: [8]").replace("vars: {hidden: 8}\n", "# the same\n")
    spec.write_text(text, encoding="utf-8")
    assert cli("train", spec, "--resume", "run").code == 0


def test_a_finished_run_can_be_prolonged(cli: Cli, spec: Path) -> None:
    assert cli("train", spec, *FEW, "--epochs", 3, "--run-dir", "whole").code == 0
    assert cli("train", spec, *FEW, "--run-dir", "run").code == 0
    done = cli("train", "--resume", "run")
    assert (done.code, metrics("run")) == (0, metrics("whole")[:2])
    assert cli("train", "--resume", "run", "--epochs", 3).code == 0
    assert weights("run") == weights("whole")
    assert metrics("run") == metrics("whole")


def test_what_breaks_equality_is_told(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_early(cli, monkeypatch, 2, spec, *FEW)
    monkeypatch.setattr("torch.get_num_threads", lambda: 99)
    monkeypatch.setattr("archspec.train.run_dir.environment.platform.python_version", lambda: "3.99")
    done = cli("train", "--resume", "run", "--precision", "bf16")
    assert done.code == 0
    messages = [line for line in done.err.splitlines() if line.endswith("will not be bitwise equal")]
    assert [line.split(":")[1].split(",")[1] for line in messages] == [" is bf16", " is 99", " is 3.99"]


def test_one_folder_one_process(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    stop_early(cli, monkeypatch, 2, spec, *FEW)
    before = {path: path.is_file() and path.read_bytes() for path in Path("run").rglob("*")}
    handle = os.open("run", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        done = cli("train", "--resume", "run")
    finally:
        os.close(handle)
    assert (done.code, "RUN317" in done.err) == (1, True)
    assert "run folder:" not in done.err  # it is not this run's
    assert {path: path.is_file() and path.read_bytes() for path in Path("run").rglob("*")} == before
    assert cli("train", "--resume", "run").code == 0


@pytest.mark.parametrize(
    "environment", ["", "[]", "{", '{"device": 3, "threads": "x"}', "[" * 100_000, '{"resumes": [7]}'],
    ids=lambda text: text[:9],
)
def test_what_the_folder_says_is_not_trusted(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    stop_early(cli, monkeypatch, 2, spec, *FEW)
    Path("run/environment.json").write_text(environment)
    done = cli("train", "--resume", "run", *FEW)
    assert done.code in (0, 2)
    assert "Traceback" not in done.err
    assert (done.code == 2) == ('"x"' in environment)


@pytest.mark.parametrize(("arguments", "code", "words"), [
    ([], 2, "name a SPEC to train, or a run to resume: --resume RUN_DIR"),
    (["--resume", "run", "--run-dir", "other"], 2, "leave --run-dir out"),
    (["tiny.yaml", "--allow-changes"], 2, "--allow-changes needs a run to resume"),
    (["--resume", "nowhere"], 1, "RUN316"),
    (["tiny.yaml", "--lr", "abc"], 2, "'abc' is not a valid number"),
    (["tiny.yaml", "--lr", "0,1"], 2, "'0,1' is not a valid number; write 0.1"),
    (["tiny.yaml", "--epochs", "1.5"], 2, "'1.5' is not a valid whole number"),
    (["--resume", "."], 1, "RUN316"),
    (["tiny.yaml", "--checkpoint-every", "sometimes"], 2, "write `epoch,5min`, `500steps`, `2epochs` or `never`"),
    (["tiny.yaml", "--checkpoint-every", "2,3steps"], 2, "write `epoch,5min`"),
    (["tiny.yaml", "--checkpoint-every", ""], 2, "write `epoch,5min`"),
    (["tiny.yaml", "--keep-checkpoints", "0"], 2, "--keep-checkpoints"),
], ids=str)
def test_mistakes(cli: Cli, spec: Path, arguments: list[str], code: int, words: str) -> None:
    done = cli("train", *arguments)
    assert (done.code, words in done.err) == (code, True), done.err


@pytest.mark.parametrize(("text", "expected"), [
    ("epoch,5min", {"epochs": 1, "minutes": 5}), ("500", {"steps": 500}),
    ("10steps, 2epochs", {"steps": 10, "epochs": 2}),
    ("never", {}), ("min", {"minutes": 1}), ("1step", {"steps": 1}),
])
def test_when_to_save(text: str, expected: dict[str, int]) -> None:
    from archspec.cli.saving import EveryType, Saving

    found = EveryType().convert(text, None, None)
    assert found == expected
    every = Saving(found, 3, None, False).every
    assert (every.steps, every.epochs) == (expected.get("steps"), expected.get("epochs"))
    assert every.seconds == (60 * expected["minutes"] if "minutes" in expected else None)
    assert every.never == (text == "never")


def test_a_newer_checkpoint_is_refused_as_such(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("archspec.train.session.spec_digest", lambda graph, recipe: "99:abc")
        stop_early(cli, monkeypatch, 3, spec, *FEW)
    refused = cli("train", "--resume", "run")
    assert refused.code == 1 and "RUN315" in refused.err and "a newer archspec wrote it" in refused.err
