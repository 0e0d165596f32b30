"""`archspec train --resume`: from the outside, file by file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from archspec.train.checkpoint.digest import first_digest

from .conftest import Cli

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
vars: {hidden: 8}
blocks:
  layer: {params: {width: int}, body: [linear: $width, relu, dropout: 0.4]}
stages:
  head: [flatten, layer: $hidden, linear: 10]
train: {data: digits, lr: 0.1, batch_size: 32, epochs: 2, momentum: 0.9}
"""
FEW = ("--limit-train", "100", "--limit-test", "50")  # 4 steps an epoch


def metrics(run: str) -> list[dict]:
    lines = [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in ("seconds", "images_per_s", "peak_memory_bytes")} for row in lines]


def weights(run: str) -> bytes:
    return Path(run, "weights.safetensors").read_bytes()


def stop_early(cli: Cli, monkeypatch: pytest.MonkeyPatch, step: int, *arguments: object, run: str = "run") -> None:
    """A run of a checkpoint a step that dies after so many."""
    from archspec.train.checkpoint.policy import Checkpointer

    save = Checkpointer.on_step

    def dying(self: Checkpointer, trained) -> None:
        save(self, trained)
        if trained.state.step == step:
            raise RuntimeError("power cut")

    where = () if "--resume" in arguments else ("--run-dir", run)
    with monkeypatch.context() as patch:
        patch.setattr(Checkpointer, "on_step", dying)
        done = cli("train", *arguments, *where, "--checkpoint-every", "1")
    assert (done.code, "power cut" in done.err) == (70, True)


def test_three_resumes_and_no_difference(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--precision", "bf16", "--channels-last", "--set", "train.schedule=cosine")
    assert cli("train", spec, *FEW, *options, "--run-dir", "whole").code == 0
    stop_early(cli, monkeypatch, 2, spec, *FEW, *options)
    stop_early(cli, monkeypatch, 3, "--resume", "run")
    stop_early(cli, monkeypatch, 6, "--resume", "run")
    assert not Path("run/weights.safetensors").exists()
    assert len(metrics("run")) == 1
    done = cli("train", "--resume", "run", "--json")
    assert done.code == 0, done.err
    assert done.err.splitlines()[0] == "note: resuming from 00007-step-6 (step 6, 1 epoch finished)"
    assert weights("run") == weights("whole")
    assert metrics("run") == metrics("whole")
    assert len(json.loads(done.out)["epochs"]) == 2
    assert Path("run/spec.yaml").read_bytes() == Path("whole/spec.yaml").read_bytes()
    assert not list(Path("run").glob("spec-*"))
    starts = json.loads(Path("run/environment.json").read_text())["resumes"]
    assert [start["step"] for start in starts] == [2, 3, 6]
    assert all(start["settings"]["precision"] == "bf16" for start in starts)


def test_what_was_written_after_the_checkpoint_comes_again(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the epoch's line and its checkpoint: the line is not doubled."""
    assert cli("train", spec, *FEW, "--run-dir", "whole").code == 0
    stop_early(cli, monkeypatch, 3, spec, *FEW)
    Path("run/metrics.jsonl").write_text('{"epoch": 1, "train_loss": 9}\n{"epo')
    Path("run/.metrics.jsonl.1.part").write_text("half")
    assert cli("train", "--resume", "run").code == 0
    assert metrics("run") == metrics("whole")
    assert not list(Path("run").glob(".*"))


def test_without_a_checkpoint_it_starts_anew(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("train", spec, *FEW, "--run-dir", "whole").code == 0
    with monkeypatch.context() as patch:
        patch.setattr("archspec.train.checkpoint.policy.Checkpointer.save", lambda *a, **k: None)
        stop_early(cli, monkeypatch, 2, spec, *FEW)
    done = cli("train", "--resume", "run")
    assert done.code == 0
    assert "note: there is no checkpoint in run yet: the run starts from the beginning" in done.err
    assert weights("run") == weights("whole")


def test_a_damaged_checkpoint_is_named_and_the_one_before_used(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("train", spec, *FEW, "--run-dir", "whole").code == 0
    stop_early(cli, monkeypatch, 3, spec, *FEW)
    Path("run/checkpoints/00003-step-3/training.safetensors").write_bytes(b"")
    done = cli("train", "--resume", "run")
    assert done.code == 0
    assert done.err.splitlines()[:2] == [
        "warning: run/checkpoints/00003-step-3 is damaged and skipped: "
        "training.safetensors: its SHA-256 is not what was written",
        "note: resuming from 00002-step-2 (step 2, 0 epochs finished)",
    ]
    assert weights("run") == weights("whole")


def test_all_damaged(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_early(cli, monkeypatch, 1, spec, *FEW)
    Path("run/checkpoints/00001-step-1/state.json").write_text("{}")
    done = cli("train", "--resume", "run")
    assert (done.code, done.err.count("RUN314")) == (1, 1)
    assert "00001-step-1: state.json: its SHA-256 is not what was written" in done.err


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


def test_where_memory_is_short(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for ten images at once, then for none."""
    import torch

    room, real = [10], torch.nn.Dropout.forward

    def short(layer: torch.nn.Dropout, x: torch.Tensor) -> torch.Tensor:
        if layer.training and len(x) > room[0] and not x.is_meta:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(layer, x)

    monkeypatch.setattr(torch.nn.Dropout, "forward", short)
    done = cli("train", spec, *FEW, "--epochs", "1", "--run-dir", "run")
    assert done.code == 0, done.err
    halvings = [line for line in done.err.splitlines() if line.startswith("warning[BUILD201]: step 1 of 4 in epoch 1")]
    assert [line.split("at most ")[1].split()[0] for line in halvings] == ["16", "8"]
    room[0] = 0
    done = cli("train", "--resume", "run", "--epochs", "2")
    assert done.code == 1
    assert "note: memory was short: micro-batches have at most 8 images\n" in done.err
    assert "error[BUILD201]: training, with only 1 image at once, ran out of memory" in done.err
    room[0] = 32
    assert cli("train", "--resume", "run", "--epochs", "2").code == 0


def test_after_numbers_that_are_none(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes to the same again unless something is changed; and then it goes on from before."""
    from torch.optim import SGD

    real = SGD.step

    def step(optimizer: SGD) -> None:
        if optimizer.param_groups[0]["lr"] > 0.01:
            for parameter in (p for group in optimizer.param_groups for p in group["params"]):
                parameter.data *= 1e60
        real(optimizer)

    options = ("--checkpoint-every", "1", "--set", "train.warmup=2", "--set", "train.schedule=cosine", "--lr", "0.02")
    with monkeypatch.context() as patch:
        patch.setattr(SGD, "step", step)
        first = cli("train", spec, *FEW, *options, "--epochs", "3", "--run-dir", "run")
        again = cli("train", "--resume", "run", "--checkpoint-every", "1")
        other = cli("train", "--resume", "run", "--allow-changes", "--lr", "0.005")
    assert (first.code, again.code, other.code) == (1, 1, 0), other.err
    way = (
        "the last checkpoint, 00005-step-4, was saved before that; `archspec train --resume run` alone would fail again "
        "in the same way: add --allow-changes and a lower --lr"
    )
    told = [" ".join(done.err.replace("  =", "").split()) for done in (first, again)]
    assert all("error[RUN310]: " in text and way in text for text in told), told
    assert told[0][told[0].index("error[") :] == told[1][told[1].index("error[") :]
    assert len(metrics("run")) == 3
    assert all(done.err.index("run folder: run\n") < done.err.index("error[") for done in (first, again))


def test_after_a_checkpoint_that_was_ruined_already(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To go on from it at a lower rate would be to go on with what is left of the weights; a resumed run knows too."""
    from torch.optim import SGD

    def step(optimizer: SGD) -> None:
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            parameter.data *= 1e4

    monkeypatch.setattr(SGD, "step", step)
    first = cli("train", spec, *FEW, "--checkpoint-every", "1", "--epochs", "9", "--run-dir", "run")
    again = cli("train", "--resume", "run", "--checkpoint-every", "1")
    for done in (first, again):
        text = " ".join(done.err.replace("  =", "").split())
        assert "error[RUN310]: " in text
        assert "holds a network that had already diverged, with a loss of " in text
        assert "start a new run with a lower --lr" in text
        assert "--allow-changes" not in text


def test_what_breaks_equality_is_told(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_early(cli, monkeypatch, 2, spec, *FEW)
    monkeypatch.setattr("torch.get_num_threads", lambda: 99)
    monkeypatch.setattr("archspec.train.run_dir.environment.platform.python_version", lambda: "3.99")
    done = cli("train", "--resume", "run", "--precision", "bf16")
    assert done.code == 0
    told = [line for line in done.err.splitlines() if line.endswith("will not be bitwise equal")]
    assert [line.split(":")[1].split(",")[1] for line in told] == [" is bf16", " is 99", " is 3.99"]


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


def test_a_finished_run_says_so(cli: Cli, spec: Path) -> None:
    assert cli("train", spec, *FEW, "--run-dir", "run").code == 0
    before = weights("run"), metrics("run")
    last = sorted(path.name for path in Path("run/checkpoints").iterdir())[-1]
    done = cli("train", "--resume", "run")
    assert done.code == 0
    assert done.err.splitlines()[0] == f"note: this run is finished (2 epochs): {last} is only evaluated again"
    assert "resuming" not in done.err
    assert (weights("run"), metrics("run")) == before


def test_a_run_of_archspec_0_1_is_resumed(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digest has no version and counts every field; its environment lacks what has come since."""
    assert cli("train", spec, *FEW, "--run-dir", "whole").code == 0
    with monkeypatch.context() as patch:
        patch.setattr("archspec.train.session.spec_digest", first_digest)
        stop_early(cli, monkeypatch, 3, spec, *FEW)
    path = Path("run/environment.json")
    environment = json.loads(path.read_text())
    del environment["settings"]["cuda_graphs"], environment["recipe"]["decay_norm_and_bias"]
    path.write_text(json.dumps(environment))
    refused = cli("train", "--resume", "run", "--lr", "0.2")
    assert refused.code == 1 and "lr was 0.1, is 0.2" in refused.err and "decay_norm_and_bias" not in refused.err
    done = cli("train", "--resume", "run")
    assert done.code == 0 and "not be equal" not in done.err
    assert weights("run") == weights("whole")
    assert cli("train", "--resume", "run", "--epochs", "3").code == 0  # from a checkpoint with the new digest


def test_a_newer_checkpoint_is_refused_as_such(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("archspec.train.session.spec_digest", lambda graph, recipe: "99:abc")
        stop_early(cli, monkeypatch, 3, spec, *FEW)
    refused = cli("train", "--resume", "run")
    assert refused.code == 1 and "RUN315" in refused.err and "a newer archspec wrote it" in refused.err
