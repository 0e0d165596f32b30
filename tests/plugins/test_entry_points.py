"""Installed ops, data sets and losses of other people: found by their names, and every way in which they fail."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec.cli import run
from archspec.data.registry import DATASETS
from archspec.language.loss import LOSSES
from archspec.ops import OP_DOOR, OPS
from tests.plugins.helpers import STRIPES, install, mistakes, op_module, spec


@pytest.mark.parametrize("name", ["lenet", "resnet18", "googlenet_aux"])
def test_a_valid_spec_reads_no_installed_metadata(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("installed packages were searched")

    monkeypatch.setattr(importlib.metadata, "entry_points", refuse)
    monkeypatch.setattr(importlib.metadata, "distributions", refuse)
    assert run(["validate", name]) == 0
    assert run(["profile", name, "--static"]) == 0


def test_packages_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **which: asked.append(which) or ())
    for _ in range(3):
        assert mistakes(spec("reluu"))
    assert asked == [{"group": "archspec.ops"}]


# -- entry points ------------------------------------------------------------------------------------------------------


def test_an_installed_op_data_set_and_loss_are_found_by_their_names(installed: Path) -> None:
    loaded = archspec.load("stripes.yaml")
    assert archspec.check("stripes.yaml") == ()
    assert loaded.report.params == 334
    assert loaded.recipe().to_data()["loss"] == {"focal": {"gamma": 1.5}}
    assert loaded.graph.label
    assert {"gated_channels"} <= OPS.keys()
    assert "stripes" in DATASETS
    assert "focal" in LOSSES


def test_a_spec_of_a_plugin_round_trips(installed: Path) -> None:
    loaded = archspec.load("stripes.yaml")
    again = archspec.load(loaded.resolved_yaml())
    assert again.data == loaded.data
    assert again.recipe() == loaded.recipe()


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("gated_chanels", "gated_channels"), ("channel_gate", "gated_channels")],
)
def test_hints_know_the_names_of_plugins(installed: Path, wrong: str, right: str) -> None:
    (mistake,) = archspec.check(STRIPES.replace("gated_channels", wrong))
    assert mistake.code == "SPEC020"
    assert right in (mistake.hint or "")
    assert mistake.fix is not None
    assert mistake.fix.edits[0].text == right


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("sharpness: 2.0", "sharpnes: 2.0", "SPEC010", "sharpnes"),
        ("sharpness: 2.0", "sharpness: 0", "SPEC012", "sharpness"),
        ("gamma: 1.5", "gamma: -1", "SPEC060", "`loss.focal.gamma` must be at least 0, got -1"),
        ("gamma: 1.5", "gama: 1", "SPEC060", "`loss.focal` has no field `gama`"),
        ("focal", "fokal", "SPEC060", "got fokal"),
        ("data: stripes", "data: stripe", "RUN304", "no data set is named `stripe`"),
        ("linear: 2", "linear: 1", "RUN303", "stripes has 2 classes"),
    ],
)
def test_mistakes_in_what_plugins_add_are_reported_at_their_place(
    installed: Path, old: str, new: str, code: str, message: str
) -> None:
    text = STRIPES.replace(old, new).replace("expect: {output: [2], params: 334}\n", "")
    (mistake,) = archspec.check(text)
    assert (mistake.code, message in mistake.message) == (code, True), mistake
    assert mistake.span is not None


def test_a_loss_of_a_plugin_for_one_output_of_several(installed: Path) -> None:
    recipe = archspec.load(STRIPES.replace("{focal: {gamma: 1.5}}", "{head: focal}")).recipe()
    assert recipe.loss["head"].kind == "focal"
    assert type(recipe).model_validate(recipe.to_data()) == recipe


def test_an_entry_point_may_refer_to_a_module_with_several_ops(folder: Path) -> None:
    install(folder, "two", "1", {"two_ops": op_module("first_op") + op_module("second_op")}, ops="all = two_ops")
    assert mistakes(spec("first_op, second_op")) == []
    assert str(OP_DOOR.plugin("second_op")) == "two 1"


def test_a_broken_plugin_is_named_and_the_others_work(folder: Path) -> None:
    install(folder, "broken", "2.0", {"broken_ops": "import sys\n1 / 0\n"}, ops="bad = broken_ops:Bad")
    install(folder, "whole", "1.0", {"whole_ops": op_module("whole_op")}, ops="good = whole_ops:WholeOp")
    assert mistakes(spec("whole_op")) == []
    (mistake,) = archspec.check(spec("bad_op"))
    assert mistake.notes == ("the plugin broken 2.0 cannot be used: its entry point `bad = broken_ops:Bad` raises "
                             "ZeroDivisionError: division by zero (broken_ops.py, line 2)",)


@pytest.mark.parametrize(
    ("text", "entry", "reason"),
    [
        ("", "bad = no_such_module:Bad", "names the module `no_such_module`, which does not exist"),
        ("", "bad = bad_ops:Bad", "refers to nothing: module 'bad_ops' has no attribute 'Bad'"),
        ("class Bad: pass", "bad = bad_ops:Bad", "is refused: `Bad` is not a subclass of archspec.ops.Op or Merge"),
        ("Bad = 3", "bad = bad_ops:Bad", "is refused: `3` is not a subclass of archspec.ops.Op or Merge"),
        ("from archspec.ops import Op as Bad", "bad = bad_ops:Bad", "is refused: the class `Op` needs a name"),
        (op_module("bad").replace("    def build(self, x):\n        return nn.Identity()\n", ""), "bad = bad_ops:Bad",
         "is refused: the op `bad` does not define `build`"),
        (op_module("repeat"), "bad = bad_ops", "is refused: `repeat` cannot be the name of an op"),
        (op_module("relu"), "bad = bad_ops", "is refused: the op `relu` is built into archspec: choose another name"),
        ("raise SystemExit(3)", "bad = bad_ops", "raises SystemExit: 3 (bad_ops.py, line 1)"),
        ("import no_such_library", "bad = bad_ops", "raises ModuleNotFoundError: No module named 'no_such_library'"),
        ("def f(:", "bad = bad_ops", "raises SyntaxError"),
    ],
)
def test_every_way_in_which_an_installed_op_cannot_be_used(folder: Path, text: str, entry: str, reason: str) -> None:
    before = dict(OPS)
    install(folder, "bad", "1", {"bad_ops": text}, ops=entry)
    (mistake,) = archspec.check(spec("bad_op"))
    assert len(mistake.notes) == 1
    assert f"`{entry}` {reason}" in mistake.notes[0]
    assert before == OPS


def test_two_installed_plugins_with_one_name(folder: Path) -> None:
    for name in ("one", "two"):
        install(folder, name, "1", {f"{name}_ops": op_module("same_op")}, ops=f"x = {name}_ops:SameOp")
    (mistake,) = archspec.check(spec("same_op"))
    assert mistake.code == "SPEC020"  # nobody knows which one is meant
    assert "the op `same_op` is also in the plugin one 1" in mistake.notes[0]
    assert mistake.notes[0].startswith("the plugin two 1 cannot be used")


def test_a_block_with_the_name_of_a_plugin_s_op(installed: Path) -> None:
    archspec.load("stripes.yaml")
    text = "archspec: 1\ninput: [3, 8, 8]\nblocks:\n  gated_channels: [relu]\nstages:\n  a: gated_channels\n"
    assert mistakes(text)[0] == \
        "SPEC027 block `gated_channels` shadows the op of that name in the plugin archspec-example 1.2.0"
