"""The elementwise FLOPs of every op, counted by hand. No tool counts them: the other figures are compared with torch's."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from archspec.ops import OPS, cost_of, infer_outputs, make_op
from archspec.types import TensorType

IMAGE = ((2, 4, 6, 8),)  # 384 elements
VECTOR = ((2, 5),)
BY_RANK = {1: ((2, 4, 6),), 2: IMAGE, 3: ((2, 4, 2, 6, 8),)}
POOLED = {1: 2 * 4 * 3, 2: 2 * 4 * 3 * 4, 3: 2 * 4 * 1 * 3 * 4}  # elements after a pool with kernel 2
NUMEL = {1: 48, 2: 384, 3: 768}
ATTENTION = ((2, 3, 4, 8), (2, 3, 5, 8), (2, 3, 5, 6))  # 2*3*4*5 = 120 scores

Row = tuple[str, dict[str, Any], tuple[tuple[int, ...], ...], int]
ROWS: list[Row] = [
    ("prelu", {}, VECTOR, 10), ("abs", {}, VECTOR, 10), ("relu", {}, VECTOR, 10), ("relu6", {}, VECTOR, 10),
    ("scale", {"factor": 2.0}, VECTOR, 10), ("zero", {}, VECTOR, 10), ("layer_scale", {}, VECTOR, 10),
    ("mean", {"dim": 1}, IMAGE, 384), ("max", {"dim": [1, 2]}, IMAGE, 384),
    ("softmax", {"dim": 1}, VECTOR, 30), ("log_softmax", {"dim": 1}, VECTOR, 30),
    ("layer_norm", {}, VECTOR, 10 * 7), ("layer_norm", {"bias": False}, VECTOR, 10 * 6),
    ("layer_norm", {"elementwise_affine": False}, VECTOR, 10 * 5),
    ("group_norm", {"num_groups": 2}, IMAGE, 384 * 7), ("group_norm", {"num_groups": 2, "affine": False}, IMAGE, 384 * 5),
    ("local_response_norm", {"size": 3}, IMAGE, 384 * (3 + 1 + 2 + 2)),
    ("add", {}, IMAGE * 3, 2 * 384), ("mul", {}, IMAGE * 2, 384), ("add", {}, IMAGE, 0),
    ("sub", {}, ((2, 1, 6), (2, 3, 1)), 36), ("div", {}, ((2, 1, 6), (2, 3, 1)), 36),
    ("attention", {}, ATTENTION, 120 * (1 + 3)), ("attention", {}, (*ATTENTION, (2, 1, 4, 5)), 120 * (1 + 3 + 1)),
    ("multi_head_attention", {"num_heads": 2}, ((3, 5, 8),), 3 * 2 * 5 * 5 * 4),
    ("multi_head_attention", {"num_heads": 2, "memory": "other"}, ((3, 5, 8), (3, 7, 8)), 3 * 2 * 5 * 7 * 4),
    # 7×6 pixels are padded to 8×6: 4 windows of 4×3, each with 12*12 scores for each of 2 heads
    ("window_attention", {"num_heads": 2, "window_size": [4, 3]}, ((3, 7, 6, 8),), 3 * 4 * 144 * 2 * 5),
    ("interpolate", {"size": 3}, IMAGE, 0), ("interpolate", {"size": 3, "mode": "bilinear"}, IMAGE, 72 * 7),
    ("upsample", {"size": 3, "mode": "bicubic"}, IMAGE, 72 * 31),
]
for _rank, _shapes in BY_RANK.items():
    ROWS += [(f"{name}{_rank}d", fields, _shapes, count) for name, fields, count in (
        ("batch_norm", {}, 2 * NUMEL[_rank]), ("batch_norm", {"affine": False}, 2 * NUMEL[_rank]),
        ("instance_norm", {}, 5 * NUMEL[_rank]), ("instance_norm", {"affine": True}, 7 * NUMEL[_rank]),
        ("max_pool", {"kernel_size": 2}, 2**_rank * POOLED[_rank]), ("avg_pool", {"kernel_size": 2}, 2**_rank * POOLED[_rank]),
        ("adaptive_avg_pool", {"output_size": 2}, NUMEL[_rank]), ("adaptive_max_pool", {"output_size": 2}, NUMEL[_rank]),
        ("global_avg_pool", {}, NUMEL[_rank]), ("global_max_pool", {}, NUMEL[_rank]),
    )]


def test_every_op_that_mentions_them_has_a_row() -> None:
    named = {name for name, op in OPS.items() if "elementwise FLOP" in (inspect.getdoc(op) or "")}
    assert named <= {name for name, *_ in ROWS}


@pytest.mark.parametrize(("name", "fields", "shapes", "expected"), ROWS, ids=str)
def test_elementwise_flops(name: str, fields: dict[str, Any], shapes: tuple[tuple[int, ...], ...], expected: int) -> None:
    op, inputs = make_op(name, fields), tuple(map(TensorType, shapes))
    assert cost_of(op, inputs, infer_outputs(op, inputs)).elementwise_flops == expected
