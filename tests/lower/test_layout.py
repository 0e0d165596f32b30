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


WORDS = "embedding: 8"
CONV1 = "conv1d: {out_channels: 6, kernel_size: 3}"


def sequence_warnings(stages: str) -> list[tuple[str, str | None]]:
    found = examine("archspec: 1\ninput: {t: {shape: [16], dtype: int64, below: 99}}\nblocks: {c: {body: [" + CONV1 + "]}}\n"
                    f"stages: {stages}\n")
    assert found.errors == ()
    assert all(d.code == "SHAPE113" for d in found.warnings)
    return [(d.message, d.hint) for d in found.warnings]


@pytest.mark.parametrize(
    "stages",
    [
        pytest.param(f"{{a: [{WORDS}, {CONV1}]}}", id="at-once"),
        pytest.param(f"{{a: [{WORDS}], b: [dropout: 0.5, relu, c]}}", id="through-stages-and-in-a-block"),
        pytest.param(f"{{a: [{WORDS}, linear: 4, layer_norm, global_avg_pool1d]}}", id="a-pool-after-linear"),
        pytest.param(f"{{a: [{WORDS}, add: {{x: [relu], y: []}}, max_pool1d: 2]}}", id="through-a-merge"),
    ],
)
def test_positions_as_channels(stages: str) -> None:
    ((message, hint),) = sequence_warnings(stages)
    assert "takes the positions of the sequence (16, " in message
    assert hint == "put `permute: [0, 2, 1]` before it"


@pytest.mark.parametrize(
    "stages",
    [
        pytest.param(f"{{a: [{WORDS}, permute: [0, 2, 1], {CONV1}, {CONV1}, max_pool1d: 2]}}", id="permuted"),
        pytest.param(f"{{a: [{WORDS}, sequential: [permute: [0, 2, 1]], relu, c]}}", id="permuted-within"),
        pytest.param(f"{{a: [{WORDS}, flatten, linear: 6]}}", id="no-window"),
    ],
)
def test_channels_before_positions(stages: str) -> None:
    assert sequence_warnings(stages) == []


def test_a_sequence_that_no_embedding_made() -> None:
    assert examine("archspec: 1\ninput: [3, 64]\nstages: {a: [" + CONV1 + ", linear: 4, " + CONV1 + "]}\n").warnings == ()
