"""The changes of single ops as the edits that a person made."""

from __future__ import annotations

import pytest

import archspec
from archspec.difference import Edit, diff
from archspec.difference.structure import pattern

SPEC = """\
archspec: 1
input: [3, 32, 32]
blocks:
  unit:
    params: {width: int, act: relu}
    body: [conv2d: {out_channels: $width, kernel_size: 3, padding: 1}, batch_norm2d, $act]
stages:
  stem: {unit: 8}
  body: {unit: 8, repeat: 4}
  tail: [unit: 16, max_pool2d: 2]
  head: [global_avg_pool2d, flatten, linear: 10]
"""
EDITS = [
    ("stem: {", "start: {", [("renamed", "start", "was stem", 1)]),
    ("repeat: 4", "repeat: 6", [("added", "body.{4,5}", "conv2d, batch_norm2d, relu", 2)]),
    ("body: {unit: 8,", "body: {unit: {width: 8, act: gelu},", [("changed", "body.{0,1,2,3}.act_1", "relu → gelu", 4)]),
    ("  tail: [unit: 16, max_pool2d: 2]\n", "", [("removed", "tail", "conv2d, batch_norm2d, relu, max_pool2d", 1)]),
    ("flatten, linear: 10", "flatten, linear: 64, relu, linear: 10",
     [("added", "head", "linear, relu", 1), ("renumbered", "head.linear_2", "was head.linear_1", 1)]),
    ("input: [3, 32, 32]", "input: [3, 16, 16]", [("input", "input", "(3, 32, 32) → (3, 16, 16)", 1)]),
    ("tail: [unit: 16,", "tail: [unit: 24,", [("changed", "tail.unit_1.conv2d_1", "out_channels 16 → 24", 1)]),
    ("kernel_size: 3, padding: 1", "kernel_size: 5, padding: 2",
     [("changed", "stem.conv2d_1, …", "kernel_size 3 → 5, padding 1 → 2", 6)]),
]


@pytest.mark.parametrize(("old", "new", "expected"), EDITS)
def test_edits(old: str, new: str, expected: list[tuple]) -> None:
    assert old in SPEC
    found = diff(SPEC, SPEC.replace(old, new)).edits
    assert [(e.kind, e.path, e.text, e.count) for e in found] == expected


@pytest.mark.parametrize(("old", "new"), [("[8, 8]", "[4, 4, 4]"), ("[8, 8]", "[2, 32]"), ("[4, 4, 4]", "[64]")])
def test_lists_of_other_lengths_are_told_apart(old: str, new: str) -> None:
    spec = f"archspec: 1\ninput: [64]\nstages:\n  a: [reshape: {old}, flatten]\n"
    assert [e.text for e in diff(spec, spec.replace(old, new)).edits] == [f"shape {old} → {new}"]


def test_rewired_values_and_moved_branches() -> None:
    text = "archspec: 1\ninput: [4, 8, 8]\nstages:\n  a: [concat: {x: relu, y: tanh}]\n  b: {concat: {p: [], q: {from: a}}}\n"
    (edit,) = diff(text, text.replace("{x: relu, y: tanh}", "{y: tanh, x: relu}")).edits
    assert (edit.kind, edit.path) == ("rewired", "a.concat_1.concat")
    (edit,) = diff(text, text.replace("{from: a}", "{from: input}")).edits
    assert edit == Edit("rewired", "b", "takes a.concat_1.concat, input input, took a.concat_1.concat, a.concat_1.concat", 1, (), ("b",))


def test_weights_of_another_stage_are_one_edit() -> None:
    text = ("archspec: 1\ninput: {left: [1, 8, 8], right: [1, 8, 8]}\nstages:\n"
            "  tower: [{conv2d: {out_channels: 4, kernel_size: 3}, from: left}, relu, flatten, linear: 5]\n"
            "  twin: {share: tower, from: right}\n  head: {sub: {a: {from: tower}, b: {from: twin}}}\n")
    own = text.replace("{share: tower, from: right}", "[{conv2d: {out_channels: 4, kernel_size: 3}, from: right}, relu, flatten, linear: 5]")
    assert [(e.kind, e.path, e.text) for e in diff(text, own).edits] == [("rewired", "twin", "its own weights, tower's before")]
    assert [(e.kind, e.path, e.text) for e in diff(own, text).edits] == [("rewired", "twin", "tower's weights, its own before")]


def test_a_stage_around_everything_is_one_edit() -> None:
    flat = "archspec: 1\ninput: [1, 8, 8]\nstages:\n  conv: {conv2d: {out_channels: 4, kernel_size: 3}}\n  act: relu\n"
    nested = "archspec: 1\ninput: [1, 8, 8]\nstages:\n  all:\n  - {conv2d: {out_channels: 4, kernel_size: 3}, name: conv}\n  - {relu: {}, name: act}\n"
    assert [(e.kind, e.path, e.text) for e in diff(flat, nested).edits] == [("renamed", "all", "everything moved into it")]
    assert [(e.kind, e.path, e.text) for e in diff(nested, flat).edits] == [("renamed", "all", "what was in it moved out of it")]


def test_every_op_of_a_change_is_in_its_edit() -> None:
    found = diff("resnet34", "resnet152")
    for kind in ("added", "removed"):
        paths = [path for e in found.edits if e.kind == kind for path in e.before + e.after]
        assert sorted(paths) == sorted(c.path for c in found.changes if c.kind == kind)
    changed = [path for e in found.edits if e.kind == "changed" for path in e.after]
    assert sorted(changed) == sorted(c.path for c in found.changes if c.kind in ("fields", "op"))


def test_pattern() -> None:
    assert pattern(["b2.conv"]) == "b2.conv" and pattern(["b2.conv", "b3.conv"]) == "b{2,3}.conv"
    assert pattern(["b10.x", "b12.x"]) == "b{10,12}.x" and pattern(["a.b", "c.b"]) == "{a,c}.b"
    assert pattern(["tower.x", "twin.x"]) == "{tower,twin}.x" and pattern(["enc_a", "enc_b"]) == "enc_{a,b}"
    assert pattern(["b1", "b"]) == "{b1,b}" and pattern(["conv2d_1", "conv2d_12"]) == "conv2d_{1,12}"
    assert pattern([f"b{k}.x" for k in range(5)]) == "b*.x" and pattern(["a1.b1", "a2.b2"]) == "a*.b*" and pattern(["a", "a.b"]) == "a, …"


def test_resnet152_differs_from_resnet34_in_few_edits() -> None:
    assert len(diff("resnet34", "resnet152").edits) <= 12 and len(archspec.load("resnet152").report.layers()) == 511
