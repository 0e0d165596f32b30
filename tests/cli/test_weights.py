"""`archspec weights inspect`, and what training says of weights that are loaded or frozen."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from archspec.api import build
from archspec.cli import run

from .conftest import Cli

SPEC = """archspec: 1
input: [1, 8, 8]
stages: {head: [flatten, linear: 10]}
train: {data: digits, lr: 0.1, epochs: 1}
"""


def inspect(capsys, *arguments):
    code = run(["weights", "inspect", *map(str, arguments)])
    done = capsys.readouterr()
    return code, done.out, done.err


def files(folder):
    (folder / "net.yaml").write_text(SPEC)
    state = build(SPEC, seed=0).state_dict()
    save_file({**state, "odd\x1b[31m": torch.zeros(2, dtype=torch.float16)}, folder / "w.safetensors")
    torch.save({"fc.weight": state["head.linear_1.weight"], "fc.bias": torch.zeros(3)}, folder / "w.pth")


def test_names_shapes_types_sizes_and_the_digest(tmp_path, monkeypatch, capsys):
    files(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, out, _ = inspect(capsys, "w.safetensors")
    lines = out.splitlines()
    assert code == 0
    assert any(line.split() == ["head.linear_1.weight", "10×64", "F32", "2.50", "KiB"] for line in lines)
    assert "3 tensors, 2.54 KiB, in w.safetensors; SHA-256 " in lines[-1]
    assert "\x1b" not in out


def test_against_a_spec(tmp_path, monkeypatch, capsys):
    files(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, out, _ = inspect(capsys, "w.safetensors", "--against", "net.yaml")
    assert (code, out.splitlines()[4:-1]) == (0, ["against net.yaml:", "  by name: 2 of 2 tensors of the network fit",
                                                  "    not in the network: odd·[31m"])
    assert "by order: a safetensors file does not keep the order" in out
    code, out, _ = inspect(capsys, "torchvision:w.pth", "--against", "net.yaml")
    assert "by name: 0 of 2" in out
    assert "by order: 1 of 2" in out
    assert "other shapes: `head.linear_1.bias` is [10], in the file [3]" in out


def test_as_json(tmp_path, monkeypatch, capsys):
    files(tmp_path)
    monkeypatch.chdir(tmp_path)
    _, out, _ = inspect(capsys, "torchvision:w.pth", "--against", "net.yaml", "--json")
    found = json.loads(out)
    assert found["tensors"][1] == {"name": "fc.bias", "shape": [3], "dtype": "F32", "bytes": 12}
    assert found["against"]["by_order"] == {
        "pairs": {"head.linear_1.weight": "fc.weight"}, "misfits": {"head.linear_1.bias": "fc.bias"}, "missing": [],
        "unused": [],
    }
    _, out, _ = inspect(capsys, "w.safetensors", "--against", "net.yaml", "--json")
    assert json.loads(out)["against"]["by_order"] is None


def test_mistakes(tmp_path, monkeypatch, capsys):
    files(tmp_path)
    monkeypatch.chdir(tmp_path)
    for source, words in (("w.pth", "write `torchvision:w.pth`"), ("gone", "no such file or folder"), (".", "no spec.yaml")):
        code, out, err = inspect(capsys, source)
        assert (code, out) == (1, "")
        assert "RUN363" in err
        assert words in err
    assert run(["weights"]) == 2
    for against, words in (("", "the path is empty"), ("archspec: 1\ninput: [1]\nstages: {a: relu}\n", "has a line break")):
        code, out, err = inspect(capsys, "w.safetensors", "--against", against)  # a path, and no text of a spec
        assert (code, out) == (2, "") and words in err


def test_from_a_run_to_a_finetuned_run(tmp_path, monkeypatch, capsys):
    """The whole way: train, inspect, fine-tune with a frozen trunk, inspect again."""
    monkeypatch.chdir(tmp_path)
    spec = SPEC.replace("{head: [flatten, linear: 10]}", "{trunk: [flatten, linear: 6, relu], head: [linear: 10]}")
    (tmp_path / "net.yaml").write_text(spec)
    common = ["--limit-train", "64", "--limit-test", "32", "--device", "cpu", "--no-trials"]
    assert run(["train", "net.yaml", "--run-dir", "first", *common]) == 0
    _, out, _ = inspect(capsys, "first", "--against", "net.yaml")
    assert "by name: 4 of 4" in out
    (tmp_path / "fine.yaml").write_text(spec.replace("epochs: 1", "epochs: 2, init: {from: first}, freeze: trunk"))
    assert run(["train", "fine.yaml", "--run-dir", "second", *common, "--stop-after-epochs", "1"]) == 0
    assert "note: init: 4 of 4 tensors are those of first/weights.safetensors, matched by name" in capsys.readouterr().err
    environment = json.loads((tmp_path / "second/environment.json").read_text())
    assert environment["initial_weights"]["matched"] == 4
    (tmp_path / "first").rename(tmp_path / "gone")  # a resumed run has no need of it
    assert run(["train", "--resume", "second"]) == 0
    from safetensors.torch import load_file

    before, after = load_file(tmp_path / "gone/weights.safetensors"), load_file(tmp_path / "second/weights.safetensors")
    assert {name for name in before if torch.equal(before[name], after[name])} == {
        "trunk.linear_1.weight", "trunk.linear_1.bias",
    }


def test_of_a_run_that_is_not_finished_they_are_the_average_of_its_checkpoint(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(SPEC.replace("epochs: 1", "epochs: 2, ema: 0.5"))
    assert run(["train", "net.yaml", "--run-dir", "first", "--limit-train", "64", "--limit-test", "32", "--device", "cpu",
                "--no-doctor", "--stop-after-epochs", "1"]) == 0
    capsys.readouterr()
    code, out, _ = inspect(capsys, "first", "--against", "net.yaml")
    assert code == 0
    assert "by name: 2 of 2" in out
    assert "training.safetensors; SHA-256" in out


FROZEN = """\
archspec: 1
name: frozen
input: [1, 8, 8]
stages:
  stem: [conv2d: {out_channels: 4, kernel_size: 3}, relu]
  head: [flatten, linear: 10]
train:
  data: digits
  lr: 0.1
  epochs: 1
  freeze: [stem]
  lr_scale: {head: 10}
recipes:
  tuned: {init: {from: run}, lr_scale: null}
"""


def test_a_run_says_what_is_frozen_and_a_mistake_has_its_place(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ("--limit-train", "100", "--limit-test", "50", "--no-doctor")
    Path("frozen.yaml").write_text(FROZEN)
    done = cli("train", "frozen.yaml", *few, "--run-dir", "run")
    assert done.code == 0, done.err
    lines = done.err.splitlines()
    assert lines[0].startswith("a step needs ")
    assert lines[1:4] == [
        "note: frozen: stem (40 of 1,490 parameters)", "note: rates: head × 10",
        "note: frozen at its random start: `stem`; the recipe loads no trained weights",
    ]
    done = cli("train", "frozen.yaml", *few, "--recipe", "tuned", "--run-dir", "tuned")
    assert done.code == 0, done.err
    assert "random start" not in done.err
    Path("frozen.yaml").write_text(FROZEN.replace("out_channels: 4", "out_channels: 5"))
    done = cli("train", "frozen.yaml", *few, "--recipe", "tuned", "--run-dir", "other")
    assert done.code == 1
    assert "error[RUN364]: `stem` is frozen" in done.err and "--> frozen.yaml:11:12" in done.err
    assert not Path("other").exists()


def test_mistakes_that_validate_places_have_their_place_in_training_too(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("frozen.yaml").write_text(FROZEN.replace("head: 10", "haed: 10"))
    assert "error[SPEC063]" in (done := cli("train", "frozen.yaml")).err and "--> frozen.yaml:12:14" in done.err
    Path("frozen.yaml").write_text(FROZEN.replace("  lr: 0.1", "  loss: mse\n  lr: 0.1"))
    assert "error[RUN323]" in (done := cli("train", "frozen.yaml")).err and "--> frozen.yaml:9:9" in done.err
