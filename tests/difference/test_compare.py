"""The difference between two specs as data."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

import archspec
from archspec.difference import diff
from archspec.difference.figures import FigureChange
from archspec.language.shipped import shipped_specs
from archspec.printing.figures import number_text, ratio_text
from tests.cli.conftest import python

PAIRS = list(itertools.pairwise([*shipped_specs(), next(iter(shipped_specs()))]))[::2]


def test_what_the_sources_author_missed() -> None:
    """The simplified AlexNet has fewer parameters and needs 1.44 times the MACs."""
    figures = {f.name: f for f in diff("alexnet", "alexnet_simplified").figures}
    assert figures["macs"].ratio == pytest.approx(1348143104 / 938146176) and ratio_text(figures["macs"]) == "1.44 ×"
    assert ratio_text(figures["params"]) == "0.97 ×"
    found = diff("alexnet", "alexnet_simplified")
    assert [stage for stage, _ in found.contributions("macs")] == ["conv4", "conv2", "conv5"]
    assert sum(change for _, change in found.contributions("macs", 99)) == figures["macs"].change


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    text = "archspec: 1\nname: net\ninput: [4]\nstages: {a: [linear: 3]}\n"
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(text)
    new.write_text(text.replace("3", "4"))
    found = diff(old, new)
    assert (found.before, found.after) == (f"net ({old})", f"net ({new})")
    new.write_text(text.replace("name: net", "name: other"))
    found = diff(old, new)
    assert (found.before, found.after) == ("net", "other")
    assert (diff(text, text).before, diff(old, old).after) == ("net", "net")


@pytest.mark.parametrize("wrong", [
    {"batch_size": 0}, {"precision": "bf15"}, {"dtype": "float8"}, {"optimizer": "lion"},
    {"precision": "bf16", "dtype": "float16"}, {"precision": "fp16", "dtype": "bfloat16"},
])
def test_figures_that_there_are_not(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no figures|at least 1 sample|autocast over float32"):
        diff("lenet", "cnn28", **wrong)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_swapping_the_sides_turns_every_change_round(one: str, other: str) -> None:
    there, back = diff(one, other), diff(other, one)
    assert [(f.name, f.before, f.after) for f in there.figures] == [(f.name, f.after, f.before) for f in back.figures]
    assert all(f.change == -g.change for f, g in zip(there.figures, back.figures, strict=True))
    for figure in ("params", "macs", "activation_bytes"):
        total = sum(layer.change(figure) for layer in there.layers)
        assert total == -sum(layer.change(figure) for layer in back.layers)
    params = {f.name: f.change for f in there.figures}["params"]
    assert sum(layer.change("params") for layer in there.layers) == params
    assert {k: (b, a) for k, (a, b) in there.recipe.items()} == back.recipe


@pytest.mark.parametrize("name", ["lenet", "googlenet_aux", "siamese", "vit_b_16"])
def test_nothing_changed(name: str) -> None:
    assert diff(name, name).is_empty and not diff(name, name).edits and diff(name, name).to_json()["layers"] == []


def test_overrides_recipes_and_settings() -> None:
    found = diff("alexnet", sets=["vars.num_classes=100", "train.lr=0.5"])
    assert found.after == "alexnet with vars.num_classes=100, train.lr=0.5" and found.recipe == {"lr": (0.01, 0.5)}
    assert [e.path for e in found.edits] == ["head"] and not found.is_empty
    found = diff("alexnet", recipe_before="alexnet-04", recipe="alexnet-07")
    assert found.recipe == {"batch_size": (128, 64), "lr": (0.5, 0.01)} and not found.edits
    assert {f.name: f for f in diff("lenet", "lenet", batch_size=8).figures}["macs"].before == 8 * archspec.load("lenet").report.macs
    with pytest.raises(archspec.SpecError, match="SPEC010"):
        diff("alexnet", recipe="alexnet-99")


def test_mistakes_of_both_specs_are_reported() -> None:
    bad = "archspec: 1\ninput: [1, 8, 8]\nstages: {a: relux}\n"
    with pytest.raises(archspec.SpecError) as caught:
        diff(bad, bad.replace("relux", "linear: x"))
    assert len(caught.value.diagnostics) == 2


def test_a_run_folder_stands_for_its_spec(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(archspec.load("lenet").resolved_yaml().replace("name: lenet", "name: mine"), encoding="utf-8")
    assert diff("lenet", tmp_path).edits == () and diff("lenet", str(tmp_path)).after == "mine"


def test_json_is_plain_and_needs_no_torch() -> None:
    code = ("import sys, json, archspec; d = archspec.diff('lenet', 'alexnet'); json.dumps(d.to_json()); str(d);"
            "d._repr_html_(); assert not {'torch', 'numpy'} & sys.modules.keys()")
    done = python(code)
    assert done.returncode == 0, done.stderr
    data = diff("lenet", "lenet_relu").to_json()
    assert json.loads(json.dumps(data)) == data
    assert set(data) == {"format", "before", "after", "settings", "equal", "figures", "structure", "changes", "layers", "recipe"}


@pytest.mark.parametrize(("before", "after", "text"), [
    (100, 144, "1.44 ×"), (3, 3, "="), (0, 0, "="), (0, 5, ""), (None, 5, ""), (10**9, 10**9 + 1, "≈ 1 ×"),
    (10**9, 1, "≈ 0 ×"), (1000, 1001, "1.001 ×"), (5, 0, "0 ×"),
])
def test_ratio_text(before: int | None, after: int, text: str) -> None:
    assert ratio_text(FigureChange("macs", before, after)) == text


@pytest.mark.parametrize(("name", "value", "text"), [
    ("macs", 938146176, "938.15 M"), ("params", -8505, "−8.51 k"), ("x_bytes", 5242880, "5.00 MiB"),
    ("predicted_step_ms", 12.345, "12.3 ms"), ("predicted_step_ms", 1234.5, "1,234 ms"), ("macs", None, "–"),
])
def test_number_text(name: str, value: float | None, text: str) -> None:
    assert number_text(name, value, sign=value is not None and value < 0) == text
