"""Integers flow only into ops that take them, and keep their limit where an op only rearranges them."""

import pytest
import torch

from archspec.ops import OPS, infer_outputs, make_op
from archspec.types import BATCH, INTEGERS, UNKNOWN_DTYPE, ShapeError, TensorType

TOKENS = TensorType((BATCH, 6, 4), "int64", 100)


@pytest.mark.parametrize(("op", "fields"), [
    ("identity", {}), ("flatten", {}), ("reshape", {"shape": [4, 6]}), ("permute", {"dims": [0, 2, 1]}),
    ("chunk", {"chunks": 2, "index": 1}), ("select", {"dim": 1, "index": 0}), ("stack", {}), ("concat", {}),
    ("roll", {"shifts": 1, "dims": 1}), ("slice", {"dim": 1, "start": 2}),
])
def test_what_only_rearranges_keeps_integers_and_their_limit(op, fields):
    (y,) = infer_outputs(make_op(op, fields), (TOKENS,))
    assert (y.dtype, y.below) == ("int64", 100)


JOINS = pytest.mark.parametrize("op", [make_op("concat", {}), make_op("stack", {})], ids=lambda op: op.op)


@JOINS
def test_joined_integers_are_below_the_larger_limit(op):
    inputs = (TOKENS, TensorType(TOKENS.shape, "int64", 7))
    assert infer_outputs(op, inputs)[0].below == 100
    inputs = (TOKENS, TensorType(TOKENS.shape, "int64"))
    assert infer_outputs(op, inputs)[0].below is None


@JOINS
def test_integers_and_floats_are_not_joined(op):
    inputs = (TOKENS, TensorType(TOKENS.shape))
    with pytest.raises(ShapeError, match="int64 and float32"):
        infer_outputs(op, inputs)
    infer_outputs(op, (TOKENS, TensorType(TOKENS.shape, UNKNOWN_DTYPE)))


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if not op.dtypes & INTEGERS])
def test_every_other_op_refuses_integers(name):
    op = OPS[name].model_construct()
    x = TensorType((BATCH, *[8] * ((op.ndim or 3) - 1)), "int64", 100)
    with pytest.raises(ShapeError, match=r"needs floating-point numbers, got integers from 0 to 99 \(int64\)"):
        infer_outputs(op, (x, x))


def test_a_batch_has_the_same_numbers():
    assert TOKENS.at(2) == TensorType((2, 6, 4), "int64", 100)


def test_an_embedding_needs_to_know_how_many_integers_there_are():
    op = make_op("embedding", {"embedding_dim": 3})
    assert infer_outputs(op, (TOKENS,))[0] == TensorType((BATCH, 6, 4, 3))
    with pytest.raises(ShapeError, match="needs the number of vectors"):
        infer_outputs(op, (TensorType((BATCH, 6), "int64"),))
    infer_outputs(op, (TensorType((BATCH, 6), UNKNOWN_DTYPE),))


@pytest.mark.parametrize("fields", [{}, {"num_embeddings": 100}, {"num_embeddings": 101}])
def test_an_embedding_has_a_vector_for_each_integer(fields):
    op = make_op("embedding", {"embedding_dim": 3, **fields})
    (y,) = infer_outputs(op, (TOKENS,))
    assert y == TensorType((BATCH, 6, 4, 3))
    module = op.build(TOKENS)
    assert module.num_embeddings == fields.get("num_embeddings", 100)
    assert module(torch.full((1, 6, 4), 99)).shape == (1, 6, 4, 3)


def test_an_embedding_with_a_vector_too_few():
    with pytest.raises(ShapeError, match=r"num_embeddings \(99\) is too small for integers from 0 to 99"):
        infer_outputs(make_op("embedding", {"embedding_dim": 3, "num_embeddings": 99}), (TOKENS,))
