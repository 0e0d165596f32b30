"""The remedy for a `from` that names something it cannot see."""

from __future__ import annotations

import pytest

import archspec
from tests.helpers import assert_marked, spec


@pytest.mark.parametrize(
    ("stages", "hint"),
    [
        pytest.param("{enc: relu, b: {add: {x: [], y: {from: «en»}}}}", "a similar name exists: `enc`", id="misspelt"),
        pytest.param("{a: {add: {x: [], y: {from: «later»}}}, later: relu}",
                     "`from` can only refer to earlier stages: put stage `later` before this one", id="a-later-stage"),
        pytest.param("{a: [{relu: , name: skip}], b: {add: {x: [], y: {from: «skip»}}}}",
                     "`skip` is inside stage `a`, or comes later: make it a separate stage before this layer", id="inside"),
        pytest.param("{a: [sequential: [{relu: , name: skip}], add: {x: [], y: {from: «skip»}}]}",
                     "`skip` is inside stage `a`, or comes later: make it a separate stage before this layer", id="nested"),
        pytest.param("{a: [{relu: , name: r, repeat: 2}, relu], b: {add: {x: [], y: {from: «copies.0.r»}}}}",
                     "`copies.0.r` is inside stage `a`, or comes later: make it a separate stage before this layer", id="path"),
        pytest.param("{a: [relu, add: {x: [], y: {from: «relu_1»}}]}",
                     "a layer without a `name` cannot be referred to: write `name: relu_1` beside it", id="unnamed"),
        pytest.param("{a: [relu, add: {x: [], y: {from: «nothing»}}]}",
                     "write `name: nothing` beside the layer that you mean", id="nothing-like-it"),
    ],
)
def test_from_in_a_stage(stages: str, hint: str) -> None:
    (found,) = assert_marked(spec(f"stages: {stages}"), ("SPEC040", "no earlier layer or stage"))
    assert found.hint == hint


def test_from_in_a_block_that_names_a_stage() -> None:
    blocks = "blocks: {up: [add: {x: [], y: {from: «first»}}]}\n"
    (found,) = assert_marked(spec("stages: {first: relu, b: [up]}", blocks), ("SPEC040", "no earlier layer or stage"))
    assert found.hint == "a block cannot see the layers of its caller: give it a param `skip: layer`, called with `{from: first}`"


@pytest.mark.parametrize("layer", [
    {"add": {"main": [], "from": {"relu": {}}}}, {"relu": {"from": []}}, {"conv2d": {"out_channels": 3, "kernel_size": 1, "from": 3}},
    {"concat": {"from": [], "other": "relu"}},
], ids=str)
def test_a_source_that_is_not_a_name_where_a_field_belongs(layer):
    """It is moved beside the op, where it is a mistake of its own, and nothing is looked for."""
    found = archspec.check({"archspec": 1, "input": [3, 8, 8], "stages": {"a": [layer]}})
    assert {"SPEC021"} <= {diagnostic.code for diagnostic in found}


@pytest.mark.parametrize("key", ["from", "share"])
def test_a_layer_of_another_branch_of_the_block(key: str) -> None:
    blocks = "blocks: {b: [add: {x: [{batch_norm2d: , name: mlp}], y: [{relu: , name: r}, {KEY: «mlp»}, add: {a: [], r: {from: r}}]}]}\n".replace("KEY", key)
    (found,) = assert_marked(spec("stages: {a: b}", blocks), ("SPEC040", "no earlier layer or stage `mlp`"))
    assert found.hint == "`mlp` is inside another layer of block `b`, or comes later: put it before this one"
    before = blocks.replace("[add: {x: [{batch_norm2d: , name: mlp}]", "[{batch_norm2d: , name: mlp}, add: {x: []").replace("«", "").replace("»", "")
    assert archspec.check(spec("stages: {a: b}", before)) == ()


def test_a_layer_inside_a_block_from_outside() -> None:
    blocks = "blocks: {b: [{relu: , name: z}, sigmoid]}\n"
    (found,) = assert_marked(spec("stages: {a: [b, add: {x: [], y: {from: «z»}}]}", blocks), ("SPEC040", "no earlier layer or stage `z`"))
    assert found.hint == "`z` is inside block `b`, which shows its output only: end it with that, or make it a stage"
