"""The remedy for a `from` that names something it cannot see."""

from __future__ import annotations

import pytest

from tests.helpers import assert_marked, spec


@pytest.mark.parametrize(
    ("stages", "hint"),
    [
        pytest.param("{enc: relu, b: {add: {x: [], y: {from: «en»}}}}", "a name that is close exists: `enc`", id="misspelt"),
        pytest.param("{a: {add: {x: [], y: {from: «later»}}}, later: relu}",
                     "`from` only reaches back: put stage `later` before this one", id="a-later-stage"),
        pytest.param("{a: [{relu: , name: skip}], b: {add: {x: [], y: {from: «skip»}}}}",
                     "`skip` lies inside stage `a`, or comes later: make it a stage of its own, before this layer", id="inside"),
        pytest.param("{a: [sequential: [{relu: , name: skip}], add: {x: [], y: {from: «skip»}}]}",
                     "`skip` lies inside stage `a`, or comes later: make it a stage of its own, before this layer", id="nested"),
        pytest.param("{a: [relu, add: {x: [], y: {from: «relu_1»}}]}",
                     "a layer without a `name` cannot be reached: write `name: relu_1` beside it", id="unnamed"),
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
    assert found.hint == "a block sees no layer of its caller: give it a param `skip: layer`, called with `{from: first}`"
