"""`archspec train --resume`: from the outside, file by file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archspec.train.checkpoint.digest import first_digest
from tests.cli.resuming import FEW, SPEC, metrics, stop_early, weights  # noqa: F401 - the fixture `spec` reads SPEC

from .conftest import Cli


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
    messages = [" ".join(done.err.replace("  =", "").split()) for done in (first, again)]
    assert all("error[RUN310]: " in text and way in text for text in messages), messages
    assert messages[0][messages[0].index("error[") :] == messages[1][messages[1].index("error[") :]
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
