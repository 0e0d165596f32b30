"""Matrix products and attention: values against torch, and words."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from archspec.ops import cost_of, infer_outputs, make_op
from archspec.types import UNKNOWN, ShapeError, TensorType


def types(*tensors: Tensor) -> tuple[TensorType, ...]:
    return tuple(TensorType(tuple(x.shape)) for x in tensors)


def failure(name: str, *shapes: tuple[int, ...], **fields: Any) -> ShapeError:
    with pytest.raises(ShapeError) as caught:
        infer_outputs(make_op(name, fields), tuple(map(TensorType, shapes)))
    return caught.value


def test_matmul_in_order() -> None:
    a, b = torch.randn(2, 3, 4, 5), torch.randn(2, 1, 5, 6)
    op = make_op("matmul", {})
    torch.testing.assert_close(op.build(*types(a, b))([a, b]), a @ b)
    (y,) = infer_outputs(op, types(a, b))
    assert (y.shape, cost_of(op, types(a, b), (y,)).macs) == ((2, 3, 4, 6), 2 * 3 * 4 * 5 * 6)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_by_hand(causal: bool, scale: float | None) -> None:
    query, key, value = torch.randn(2, 3, 4, 8), torch.randn(2, 3, 5, 8), torch.randn(2, 3, 5, 6)
    scores = query @ key.mT * (scale or 8**-0.5)
    if causal:
        scores = scores.masked_fill(torch.ones(4, 5).triu(1).bool(), -torch.inf)
    module = make_op("attention", {"causal": causal, "scale": scale}).build(*types(query, key, value))
    torch.testing.assert_close(module([query, key, value]), scores.softmax(-1) @ value)


def test_a_bias_is_added_to_the_scores() -> None:
    query, key, value, bias = (torch.randn(2, 3, 4, 8) for _ in range(4))
    bias = bias[:, :, :1, :4]
    module = make_op("attention", {}).build(*types(query, key, value, bias))
    expected = F.scaled_dot_product_attention(query, key, value, bias.expand(2, 3, 4, 4))
    torch.testing.assert_close(module([query, key, value, bias]), expected)


@pytest.mark.parametrize(("name", "shapes", "message", "hint"), [
    ("matmul", ((1, 4, 8), (1, 6, 3)),
     "`a` and `b` disagree in the inner size, columns of `a` (8) and rows of `b` (6): (4, 8) and (6, 3)", None),
    ("matmul", ((1, 4, 8), (1, 6, 8)),
     "`a` and `b` disagree in the inner size, columns of `a` (8) and rows of `b` (6): (4, 8) and (6, 8)",
     "end input 2 with `permute: [0, 2, 1]`"),
    ("matmul", ((1, 2, 4, 8), (1, 3, 8, 4)), "`a` and `b` disagree in dim 1: (2, 4, 8) and (3, 8, 4)", None),
    ("matmul", ((1, 8), (1, 8)), "needs matrices (rows, columns), got 1 dimension",
     "bring each branch to two dimensions with `reshape`"),
    ("attention", ((1, 4, 8), (1, 5, 6), (1, 5, 6)),
     "`query` and `key` disagree in width, the last dim: (4, 8) and (5, 6)", "end input 2 with `linear: 8`"),
    ("attention", ((1, 4, 8), (1, 5, 8), (1, 6, 8)),
     "`key` and `value` disagree in length, the dim before the last: (5, 8) and (6, 8)", None),
    ("attention", ((1, 2, 4, 8), (1, 2, 5, 8), (1, 3, 5, 8)),
     "`query` and `value` disagree in dim 1: (2, 4, 8) and (3, 5, 8)", None),
    ("attention", ((1, 4, 8), (1, 5, 8), (1, 5, 8), (1, 5, 4)),
     "`bias` (5, 4) does not fit the scores (4, 5) of `query` and `key`",
     "give it the shape (4, 5), or 1 in a dim"),
    ("attention", ((2, 4, 8), (2, 5, 8), (2, 5, 8), (1, 4, 5)), "`query` and `bias` disagree in batch: 2 and 1 for each sample", None),
    ("attention", ((2, 4, 8), (1, 5, 8), (1, 5, 8)), "`query` and `key` disagree in batch: 2 and 1 for each sample", None),
])  # fmt: skip
def test_words(name: str, shapes: tuple[tuple[int, ...], ...], message: str, hint: str | None) -> None:
    error = failure(name, *shapes)
    assert (error.message, error.hint) == (message, hint)
    assert error.code == ("SHAPE102" if "needs matrices" in message else "SHAPE107")


def test_a_bias_excludes_causal() -> None:
    shapes = ((1, 4, 8), (1, 4, 8), (1, 4, 8), (1, 4, 4))
    error = failure("attention", *shapes, causal=True)
    assert (error.message, error.hint) == ("a `bias` excludes `causal`", "set causal to false")


def test_unknown_dims_hide_no_other_mistake() -> None:
    assert str(failure("matmul", (1, UNKNOWN, 8), (1, 6, 3)).partial) == str(TensorType((1, UNKNOWN, 3)))
    infer_outputs(make_op("attention", {}), (TensorType((1, 4, UNKNOWN)), TensorType((1, UNKNOWN, 6)), TensorType((1, 5, 6))))


def test_the_order_of_a_and_b_counts() -> None:
    a, b = torch.randn(2, 3), torch.rand(2, 3) + 1
    torch.testing.assert_close(make_op("sub", {}).build(*types(a, b))([a, b]), a - b)
    torch.testing.assert_close(make_op("div", {}).build(*types(a, b))([a, b]), a / b)
    torch.testing.assert_close(make_op("stack", {"dim": 2}).build(*types(a, b))([a, b]), torch.stack([a, b], 2))
