"""`linear` on an image: warned of where channels come first, and only there."""

from __future__ import annotations

import pytest

from archspec.api import examine

CONV = "conv2d: {out_channels: 6, kernel_size: 3}"
TOLD = "`linear` applies to the width of an image"


def warnings_of(stages: str, blocks: str = "{}") -> list[tuple[str, str | None]]:
    found = examine(f"archspec: 1\ninput: [3, 8, 8]\nblocks: {blocks}\nstages: {stages}\n")
    assert found.errors == ()
    assert all(d.code == "SHAPE112" for d in found.warnings)
    return [(d.message, d.hint) for d in found.warnings]


@pytest.mark.parametrize(
    "stages",
    [
        pytest.param(f"{{a: [{CONV}, linear: 10]}}", id="after-a-convolution"),
        pytest.param("{a: [linear: 10]}", id="on-the-input"),
        pytest.param(f"{{a: [{CONV}], b: [relu, dropout: 0.5, linear: 10]}}", id="through-what-keeps-the-order"),
        pytest.param(f"{{a: [{CONV}, add: {{x: [relu], y: []}}, linear: 10]}}", id="through-a-merge"),
        pytest.param(f"{{a: [{CONV}, concat: {{x: [linear: 10], y: [linear: 10]}}]}}", id="in-both-branches"),
        pytest.param(f"{{a: [{{{CONV}, repeat: 2}}, sequential: [relu], linear: 10]}}", id="through-a-repeat"),
        pytest.param("{a: [permute: [0, 2, 3, 1], max_pool2d: 1, linear: 10]}", id="an-op-of-images-says-so"),
        pytest.param(f"{{a: [{CONV}, {{relu: , name: r}}, add: {{x: [], y: {{linear: 6, from: r}}}}]}}", id="from"),
    ],
)
def test_channels_first(stages: str) -> None:
    found = warnings_of(stages)
    assert found
    assert all(TOLD in message and hint == "put `flatten` before it" for message, hint in found)


@pytest.mark.parametrize(
    "stages",
    [
        pytest.param(f"{{a: [{CONV}, flatten, linear: 10]}}", id="a-vector"),
        pytest.param(f"{{a: [{CONV}, flatten: {{start_dim: 2}}, linear: 10]}}", id="a-sequence"),
        pytest.param(f"{{a: [{CONV}, permute: [0, 2, 3, 1], layer_norm, linear: 10, gelu, linear: 6]}}", id="channels-last"),
        pytest.param(f"{{a: [{CONV}, sequential: [permute: [0, 2, 3, 1]], relu, linear: 10]}}", id="permuted-within"),
        pytest.param(f"{{a: [{CONV}, add: {{x: [permute: [0, 2, 3, 1]], y: [permute: [0, 2, 3, 1]]}}, linear: 10]}}", id="merge"),
    ],
)
def test_any_other_order(stages: str) -> None:
    assert warnings_of(stages) == []


def test_it_is_told_once_for_a_block_and_a_linear_layer_after_it() -> None:
    found = warnings_of("{a: [head: 4, head: 4]}", blocks="{head: {params: {n: int}, body: [linear: $n, linear: 3, relu]}}")
    assert [message.partition(":")[0] for message, _ in found] == ["stages.a.head_1.linear_1"]
