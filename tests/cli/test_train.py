"""`archspec train` from the outside: options, files, streams, exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from .conftest import Cli

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
vars: {hidden: 8, rate: 0.1, unused_by_others: 3}
stages:
  head: [flatten, linear: $hidden, relu, linear: 10]
train: {data: digits, lr: $rate, batch_size: 100, epochs: 2, momentum: 0.9}
recipes:
  short: {epochs: 1, seed: $unused_by_others}
"""
FEW = ("--limit-train", "200", "--limit-test", "100")


def trained(cli: Cli, *arguments: object) -> tuple[dict, Path]:
    done = cli("train", *arguments, *FEW, "--run-dir", "run", "--json")
    assert done.code == 0, done.err
    return json.loads(done.out), Path("run")


def test_a_run_and_what_it_leaves(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, *FEW)
    assert done.code == 0, done.err
    (run,) = Path("runs").iterdir()
    assert run.name.startswith("tiny-")
    assert sorted(p.name for p in run.iterdir()) == [
        "checkpoints", "confusion.json", "confusion.svg", "curves.svg", "environment.json", "findings.json", "metrics.csv",
        "metrics.jsonl", "spec.yaml", "steps.jsonl", "summary.json", "weights.safetensors", "weights.sha256",
    ]
    needs, *epochs = done.err.splitlines()
    assert needs.startswith("a step needs ") and [line.split("  ")[0] for line in epochs] == ["epoch 1/2", "epoch 2/2"]
    lines = done.out.splitlines()
    assert not [line for line in lines if line.startswith("epoch")]  # they were printed when they ended
    assert lines[-1] == f"run folder: {run}"
    assert lines[-2].startswith("2 epochs in ") and "peak memory" in lines[-2]
    assert lines[-3].startswith("best epoch by test accuracy (")
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert f"last epoch (2): test loss {metrics[1]['test_loss']:.4f}" in done.out
    about = json.loads((run / "environment.json").read_text())
    assert about["data"]["name"] == "digits"
    assert (about["data"]["train_images"], about["data"]["test_images"]) == (200, 100)
    assert about["recipe"]["momentum"] == 0.9
    assert {"torch", "python", "archspec"} <= about["versions"].keys()
    assert load_file(run / "weights.safetensors").keys() == {
        "head.linear_1.weight", "head.linear_1.bias", "head.linear_2.weight", "head.linear_2.bias",
    }


def test_json_tells_the_same_as_the_folder(cli: Cli, spec: Path) -> None:
    plain, run = trained(cli, spec)
    assert plain["format"] == 2
    assert plain["epochs"] == [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert (plain["name"], plain["device"], plain["run_dir"]) == ("tiny", "cpu", "run")
    assert plain["recipe"] == json.loads((run / "environment.json").read_text())["recipe"]


@pytest.mark.parametrize(("options", "expected"), [
    (
        ["--epochs", 1, "--lr", 0.5, "--batch-size", 50, "--seed", 4],
        {"epochs": 1, "lr": 0.5, "batch_size": 50, "seed": 4},
    ),
    (["--recipe", "short"], {"epochs": 1, "seed": 3, "lr": 0.1}),
    (["--recipe", "short", "--seed", 9], {"epochs": 1, "seed": 9}),
    (["--set", "train.momentum=0.5", "--set", "vars.rate=0.25"], {"lr": 0.25, "momentum": 0.5}),
    (["--set", "train.schedule=cosine", "--epochs", 3], {"schedule": {"cosine": {"final": 0.0}}, "epochs": 3}),
    (["--optimizer", "adam", "--lr", 0.01], {"optimizer": "adam", "lr": 0.01, "betas": [0.9, 0.999]}),
], ids=str)
def test_options_override_the_recipe(cli: Cli, spec: Path, options: list, expected: dict) -> None:
    plain, run = trained(cli, spec, *options)
    assert plain["recipe"].items() >= expected.items()
    assert len(plain["epochs"]) == plain["recipe"]["epochs"]
    assert cli("validate", run / "spec.yaml").code == 0
    first = (run / "weights.safetensors").read_bytes()
    run.rename("first")
    trained(cli, "first/spec.yaml")  # the resolved spec alone repeats the run
    assert (run / "weights.safetensors").read_bytes() == first


def test_a_seed_decides(cli: Cli, spec: Path) -> None:
    weights = []
    for seed in (0, 0, 1):
        _, run = trained(cli, spec, "--seed", seed)
        weights.append((run / "weights.safetensors").read_bytes())
        shutil.rmtree(run)
    assert weights[0] == weights[1] != weights[2]


def test_a_spec_without_a_recipe(cli: Cli, spec: Path) -> None:
    spec.write_text(SPEC[: SPEC.index("train:")].replace(", rate: 0.1, unused_by_others: 3", ""), encoding="utf-8")
    done = cli("train", spec)
    assert (done.code, "SPEC011" in done.err) == (1, True)
    plain, _ = trained(cli, spec, "--data", "digits", "--lr", 0.1, "--epochs", 1)
    assert plain["recipe"]["lr"] == 0.1


@pytest.mark.parametrize(("options", "code", "text"), [
    (["--recipe", "shrot"], 1, "SPEC010"),
    (["--data", "no-such-data"], 1, "RUN304"),
    (["--data", "cifar10"], 1, "RUN303"),
    (["--batch-size", 10**12], 1, "BUILD201"),
    (["--device", "cuda:99"], 1, "BUILD202"),
    (["--set", "train.momentum=0.0", "--set", "train.nesterov=true"], 1, "nesterov needs a momentum above 0"),
    (["--epochs", 1, "--set", "train.warmup=2"], 1, "SPEC060"),
    (["--lr", 1e30, "--epochs", 5], 1, "RUN310"),
    (["--device", "gpu"], 2, "'gpu' is not a device"),
    (["--epochs", 0], 2, "--epochs"),
    (["--lr", 0], 2, "--lr"),
    (["--optimizer", "adamax"], 2, "--optimizer"),
], ids=str)
def test_mistakes(cli: Cli, spec: Path, options: list, code: int, text: str) -> None:
    done = cli("train", spec, *FEW, *options)
    assert done.code == code
    assert text in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not list(Path().glob("runs/*/weights.safetensors"))


def test_an_override_that_breaks_the_recipe_is_told_without_a_place(cli: Cli, spec: Path) -> None:
    text = SPEC.replace("momentum: 0.9}", "warmup: 2}").replace("{epochs: 1, ", "{")
    spec.write_text(text, encoding="utf-8")
    done = cli("train", spec, "--epochs", 1)
    assert done.code == 1
    assert done.err.strip() == "error[SPEC060]: a warm-up of 2 epochs is longer than the run of 1"


def test_a_taken_run_folder_is_left_alone(cli: Cli, spec: Path) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("precious")
    done = cli("train", spec, "--run-dir", "mine")
    assert (done.code, "RUN312" in done.err) == (1, True)
    assert [p.name for p in Path("mine").iterdir()] == ["thesis.txt"]


def test_threads(cli: Cli, spec: Path) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        _, run = trained(cli, spec, "--threads", 2, "--epochs", 1)
        assert json.loads((run / "environment.json").read_text())["threads"] == 2
    finally:
        torch.set_num_threads(before)


def test_notices_are_told_on_stderr(cli: Cli, spec: Path) -> None:
    spec.write_text(SPEC.replace("[1, 8, 8]", "[3, 12, 12]"), encoding="utf-8")
    done = cli("train", spec, *FEW, "--epochs", 1)
    assert done.code == 0
    assert "note: images are resized from 8×8 to 12×12" in done.err
    assert "note: digits is grey" in done.err


def test_another_input(cli: Cli, spec: Path) -> None:
    _, run = trained(cli, spec, "--epochs", 1, "--input", "1x12x10")
    assert load_file(run / "weights.safetensors")["head.linear_1.weight"].shape == (8, 120)
    assert "input: [1, 12, 10]" in (run / "spec.yaml").read_text()
    done = cli("train", "--resume", run, "--input", "1x8x8")
    assert done.code == 1
    assert "the network is different: input `input` was (1, 12, 10), is (1, 8, 8)" in done.err


def test_workers_are_explained_where_there_are_none(cli: Cli, spec: Path) -> None:
    for option in ("--workers", "--num-workers"):
        done = cli("train", spec, "--epochs", 1, *FEW, option, 4)
        assert done.code == 0
        assert "note: --workers has no effect on digits, which is kept in memory" in done.err
        shutil.rmtree("runs")


def test_workers_are_the_processes_that_decode_a_folder(
    cli: Cli, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archspec.data import folder_batches, pool, survey
    from tests.data.helpers import write_folder

    write_folder(tmp_path / "imgs", {"train": {"a": 4, "b": 4}, "test": {"a": 2, "b": 2}}, mode="L")
    counts = []

    class Counted(pool.Decoders):
        def __init__(self, workers: int, **options: float) -> None:
            counts.append(workers)
            super().__init__(workers, **options)

    for module in (folder_batches, survey):
        monkeypatch.setattr(module, "Decoders", Counted)
    done = cli("train", spec, "--epochs", 1, "--data", "folder:imgs", "--batch-size", 4, "--workers", 1)
    assert done.code == 0, done.err
    assert set(counts) == {1}
    assert "has no effect" not in done.err
