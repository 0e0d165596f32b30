"""`--validation`, and what follows from it on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from PIL import Image

from .conftest import Cli, figures

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 8, relu, dropout: 0.3, linear: 10]}
train: {data: digits, lr: 0.1, batch_size: 32, epochs: 2, momentum: 0.9}
"""
FEW = ("--limit-train", "200", "--limit-test", "50")


def recipe_of(run: str) -> dict:
    return yaml.safe_load(Path(run, "spec.yaml").read_text(encoding="utf-8"))["train"]


def test_what_is_printed_and_noted(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, *FEW, "--validation", "0.1", "--run-dir", "run")
    assert done.code == 0, done.err
    _, notice, first, _ = done.err.splitlines()
    assert notice.startswith("note: the validation set is 20 of the 200 training images: choices depend on it")
    assert "  val loss " in first
    tail = done.out.splitlines()[-5:]
    assert tail[0].startswith("last epoch (2): validation loss ")
    assert tail[1].startswith("best epoch by validation accuracy (")
    assert tail[2].startswith("test set, after the last epoch: loss ")
    assert tail[3].startswith("2 epochs in ")
    assert recipe_of("run")["validation"] == 0.1
    data = json.loads(Path("run/environment.json").read_text(encoding="utf-8"))["data"]
    assert (data["train_images"], data["validation_images"], data["test_images"]) == (180, 20, 50)
    assert figures("run")[0].keys() >= {"validation_loss", "validation_accuracy", "step", "learning_rate"}


def test_json_holds_the_test_figures_apart(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, *FEW, "--validation", "20", "--run-dir", "run", "--json")
    plain = json.loads(done.out)
    assert plain["best_by"] == "validation_accuracy"
    assert plain["test"].keys() == {"loss", "accuracy"}
    assert plain["recipe"]["validation"] == 20
    output = json.loads(cli("evaluate", "run", "--limit-test", 50, "--json").out)
    assert output["loss"] == pytest.approx(plain["test"]["loss"], rel=1e-6)


def test_early_stopping_takes_a_tenth_and_says_so(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, *FEW, "--set", "train.early_stopping=5", "--run-dir", "run")
    assert "note: the validation set is 20 of the 200 training images (`early_stopping` needs one): choices" in done.err
    assert recipe_of("run")["validation"] == 0.1
    done = cli("train", spec, *FEW, "--set", "train.early_stopping=5", "--validation", "test", "--run-dir", "test")
    assert "validation set" not in done.err
    assert "best epoch by test accuracy (" in done.out


def test_each_split_of_a_run_is_evaluated(cli: Cli, spec: Path) -> None:
    plain = json.loads(cli("train", spec, *FEW, "--validation", "0.2", "--run-dir", "run", "--json").out)
    drawn = Path("run/confusion.svg").read_bytes()
    for split, images in (("train", 160), ("validation", 40), ("test", 355)):
        output = json.loads(cli("evaluate", "run", "--split", split, "--json").out)
        assert (output["data"]["split"], output["images"]) == (split, images)
        if split == "validation":
            assert output["loss"] == pytest.approx(plain["last"]["validation_loss"], rel=1e-6)
            assert output["accuracy"] == plain["last"]["validation_accuracy"]
    assert Path("run/confusion.svg").read_bytes() == drawn
    assert "train split: 160 images" in cli("evaluate", "run", "--split", "train").out
    done = cli("evaluate", "run", "--split", "validation", "--limit-test", 5)
    assert (done.code, "the validation images are of the training" in done.err) == (2, True)


def test_a_split_that_the_run_has_not(cli: Cli, spec: Path) -> None:
    assert cli("train", spec, *FEW, "--run-dir", "run").code == 0
    done = cli("evaluate", "run", "--split", "validation")
    assert (done.code, "error[RUN371]: there is no validation set in digits" in done.err) == (1, True)
    assert json.loads(cli("evaluate", "run", "--split", "train", "--json").out)["images"] == 200
    done = cli("evaluate", "run", "--split", "train", "--limit-test", 5)
    assert (done.code, "--limit-test limits the test images" in done.err) == (2, True)


def stopped(cli: Cli, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    from archspec.train.checkpoint.policy import Checkpointer

    save = Checkpointer.on_step

    def dying(self: Checkpointer, trained) -> None:
        save(self, trained)
        if trained.state.step == 7:
            raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(Checkpointer, "on_step", dying)
        assert cli("train", *arguments, "--run-dir", "run", "--checkpoint-every", "1").code == 70


@pytest.mark.parametrize("options", [("--validation", "0.1"), ("--set", "train.early_stopping=5")], ids=str)
def test_a_resumed_run_keeps_its_validation_set(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    assert cli("train", spec, *FEW, *options, "--run-dir", "whole").code == 0
    stopped(cli, monkeypatch, spec, *FEW, *options)
    done = cli("train", "--resume", "run")
    assert done.code == 0, done.err
    assert figures("run") == figures("whole")
    assert Path("run/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()


def test_a_spec_that_says_nothing_of_it_resumes_with_the_run_s(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = ("--set", "train.early_stopping=5")
    stopped(cli, monkeypatch, spec, *FEW, *rule)
    done = cli("train", spec, *rule, "--resume", "run")
    assert done.code == 0, done.err
    assert recipe_of("run")["validation"] == 0.1


def test_a_run_that_began_on_the_test_set_goes_on_there(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As runs of archspec 0.1 with early stopping, which name no validation set."""
    stopped(cli, monkeypatch, spec, *FEW, "--set", "train.early_stopping=5", "--validation", "test")
    path = Path("run/spec.yaml")
    path.write_text(path.read_text(encoding="utf-8").replace(", validation: test", ""), encoding="utf-8")
    about = json.loads(Path("run/environment.json").read_text(encoding="utf-8"))
    del about["recipe"]["validation"]
    Path("run/environment.json").write_text(json.dumps(about), encoding="utf-8")
    done = cli("train", "--resume", "run")
    assert done.code == 0, done.err
    assert "best epoch by test accuracy (" in done.out
    assert [row["epoch"] for row in figures("run")] == [1, 2]
    done = cli("train", "--resume", "run", "--validation", "0.1")
    assert done.code == 1
    assert "validation was nothing, is 0.1" in done.err


def test_a_mistake_in_the_option_has_the_recipe_s_hint(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, "--validation", "10%")
    assert done.code == 1
    assert "error[SPEC060]: `validation` must be a share between 0 and 1" in done.err
    assert "= hint: write 0.1" in done.err


def test_the_rate_range_test_trains_on_the_rest(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, *FEW, "--validation", "0.1", "--find-lr", "--run-dir", "run")
    assert done.code == 0, done.err


def folder_of_images(root: Path, splits: dict[str, int]) -> None:
    for split, count in splits.items():
        for label in range(2):
            for k in range(count):
                path = root / split / f"class{label}" / f"{k}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (8, 8), 100 * label + k).save(path)


def test_the_val_of_a_folder_is_used(cli: Cli, spec: Path) -> None:
    folder_of_images(Path("imgs"), {"train": 6, "val": 4, "test": 3})
    done = cli("train", spec, "--data", "folder:imgs", "--run-dir", "run")
    assert done.code == 0, done.err
    assert "note: the validation set is imgs/val (8 images): choices depend on it" in done.err
    assert recipe_of("run")["validation"] == "val"
    for split, images in (("train", 12), ("validation", 8), ("test", 6)):
        assert json.loads(cli("evaluate", "run", "--split", split, "--json").out)["images"] == images
    done = cli("train", spec, "--data", "folder:imgs", "--validation", "0.25", "--run-dir", "other")
    assert "note: imgs/val is not used: the recipe says `validation: 0.25`" in done.err
    assert json.loads(Path("other/environment.json").read_text(encoding="utf-8"))["data"]["train_images"] == 9
