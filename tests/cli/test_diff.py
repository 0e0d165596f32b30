"""`archspec diff`."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from archspec.cli.failures import USAGE, WRONG

from .conftest import GOOD, Cli

GOLDEN = Path(__file__).parents[1] / "golden" / "diff"
CASES = {
    "alexnet": ("alexnet", "alexnet_simplified"), "resnet": ("resnet34", "resnet152"), "classes": ("alexnet", "--set", "vars.num_classes=100", "--set", "train.lr=0.1"),
    "zoo": ("resnet50", "zoo/resnext50_32x4d"), "outputs": ("zoo/googlenet_aux", "googlenet"), "same": ("lenet", "lenet"),
}


@pytest.mark.parametrize("name", CASES)
def test_text(cli: Cli, name: str) -> None:
    """Set ARCHSPEC_WRITE_GOLDEN=1 to write what is printed."""
    result = cli("diff", *CASES[name])
    text = "\n".join(line.rstrip() for line in result.out.split("\n"))
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("ARCHSPEC_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert (result.code, result.err) == (0, "") and text == path.read_text(encoding="utf-8")
    assert max(map(len, text.split("\n"))) <= 80


def test_all(cli: Cli) -> None:
    short, whole = (cli("diff", "googlenet", "zoo/googlenet_aux", *more).out for more in ((), ("--all",)))
    assert "more: --all shows every one" in short and "--all" not in whole and len(whole) > len(short)


def test_conditions_decide_the_exit_code(cli: Cli) -> None:
    result = cli("diff", "alexnet", "alexnet_simplified", "--fail-if", "params > 1.05x")
    assert (result.code, result.err) == (0, "")
    result = cli("diff", "alexnet", "alexnet_simplified", "--fail-if", "params > 1.05x", "--fail-if", "macs > 1.05x")
    assert result.code == WRONG and result.out.startswith("alexnet → alexnet_simplified\n")
    assert result.err == "error: --fail-if macs > 1.05x holds: 1.35 G > 985.05 M, 938.15 M before\n"
    result = cli("diff", "alexnet", "alexnet_simplified", "--json", "--fail-if", "macs > 1.05x", "--fail-if", "changes == 0")
    assert result.code == WRONG and [c["holds"] for c in json.loads(result.out)["conditions"]] == [True, False]


@pytest.mark.parametrize(("arguments", "error"), [
    (("alexnet",), "name a second spec, or change the first one"),
    (("alexnet", "lenet", "--fail-if", "macs ~ 3"), "is not a condition; write a figure, a comparison and a number"),
    (("alexnet", "lenet", "--fail-if", "mac > 3"), "there is no figure `mac`; a similar name exists: macs"),
    (("alexnet", "lenet", "--set-a", "x"), "is not an assignment"),
    (("alexnet", "lenet", "--fail-if", "predicted_stp_ms > 3"), "add --target h200"),
    (("alexnet", "lenet", "--fail-if", "predicted_stp_ms > 3", "--target", "h200"), "a similar name exists: predicted_step_ms"),
    (("alexnet", "lenet", "--precision", "bf16", "--dtype", "float16"), "leave out --dtype float16"),
])
def test_usage(cli: Cli, arguments: tuple[str, ...], error: str) -> None:
    result = cli("diff", *arguments)
    assert result.code == USAGE and error in result.err and result.out == ""


def test_runs_and_folders_without_one(cli: Cli, folder: Path) -> None:
    run = folder / "runs" / "one"
    run.mkdir(parents=True)
    result = cli("diff", "good.yaml", run)
    assert result.code == WRONG and "RUN360" in result.err and "it has no spec.yaml" in result.err
    (run / "spec.yaml").write_text(GOOD.replace("linear: 10", "linear: 12"), encoding="utf-8")
    result = cli("diff", "good.yaml", run, "--json")
    assert [edit["text"] for edit in json.loads(result.out)["structure"]] == ["out_features 10 → 12"]
    (run / "spec.yaml").write_text("# net: trained by archspec.fit, not from a spec\n", encoding="utf-8")
    assert "RUN366" in cli("diff", "good.yaml", run).err


def test_one_spec_may_come_from_stdin(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(GOOD.replace("linear: 10", "linear: 9").encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    assert json.loads(cli("diff", "-", "good.yaml", "--json").out)["structure"][0]["text"] == "out_features 9 → 10"
    assert cli("diff", "-", "-").code == USAGE


def test_predicted_times_on_a_device(cli: Cli) -> None:
    done = cli("diff", "alexnet", "alexnet_simplified", "--target", "h200", "--batch-size", "64", "--fail-if", "predicted_step_ms > 1.05x", "--json")
    figure = json.loads(done.out)["figures"]["predicted_step_ms"]
    assert done.code == WRONG and figure["ratio"] > 1.05 and " ms > " in done.err
    assert "predicted step " in cli("diff", "alexnet", "alexnet_simplified", "--target", "h200").out


def test_mistakes_and_sides(cli: Cli, folder: Path) -> None:
    result = cli("diff", "good.yaml", "bad.yaml")
    assert result.code == WRONG and "SPEC" in result.err and result.out == ""
    sides = cli("diff", "alexnet", "--set-a", "vars.num_classes=5", "--set", "vars.num_classes=7", "--json")
    assert json.loads(sides.out)["structure"][0]["text"] == "out_features 5 → 7"
    assert json.loads(cli("diff", "alexnet", "--recipe", "alexnet-02", "--json").out)["recipe"]["optimizer"] == {"before": "sgd", "after": "adam"}
    figures = json.loads(cli("diff", "alexnet", "--set", "train.momentum=0.9", "--precision", "bf16", "--json").out)["figures"]
    assert figures["optimizer_state_bytes"]["before"] == 0 and figures["optimizer_state_bytes"]["after"] == 4 * figures["params"]["after"]
    assert cli("diff", "lenet", "lenet", "--target", "h300").code == WRONG
    assert json.loads(cli("diff", "good.yaml", "good.yaml", "--input", "1x32x32", "--batch-size", "4", "--json").out)["settings"]["batch_size"] == 4


@pytest.mark.parametrize("changes", ["train.lr=0.5", "vars.num_classes=7"])
def test_no_two_empty_lines(cli: Cli, changes: str) -> None:
    out = cli("diff", "alexnet", "--set", changes).out
    assert "\n\n\n" not in "\n".join(line.rstrip() for line in out.splitlines())


def test_a_recipe_that_only_one_spec_has(cli: Cli, folder: Path) -> None:
    (folder / "trained.yaml").write_text(GOOD + "train: {data: digits, lr: 0.1}\n", encoding="utf-8")
    for names, line in ((("good.yaml", "trained.yaml"), "~ train: none → a recipe"), (("trained.yaml", "good.yaml"), "~ train: a recipe → none")):
        result = cli("diff", *names)
        assert line in result.out.splitlines() and "no difference" not in result.out
    data = json.loads(cli("diff", "good.yaml", "trained.yaml", "--json").out)
    assert not data["equal"] and data["recipe"]["train"]["before"] is None and data["recipe"]["train"]["after"]["lr"] == 0.1


def test_a_list_of_a_recipe_is_written_as_in_yaml(cli: Cli) -> None:
    out = cli("diff", "lenet", "--set", "train.recompute=[conv1, conv2]").out
    assert "~ recompute: none → [conv1, conv2]" in out.splitlines()
