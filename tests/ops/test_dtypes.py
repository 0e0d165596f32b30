"""Integers flow only into ops that take them, and keep their limit where an op only rearranges them."""

import pytest

from archspec.ops import OPS, infer_outputs, make_op
from archspec.types import BATCH, INTEGERS, UNKNOWN_DTYPE, ShapeError, TensorType

TOKENS = TensorType((BATCH, 6, 4), "int64", 100)


@pytest.mark.parametrize(("op", "fields"), [
    ("identity", {}), ("flatten", {}), ("reshape", {"shape": [4, 6]}), ("permute", {"dims": [0, 2, 1]}),
    ("chunk", {"chunks": 2, "index": 1}), ("select", {"dim": 1, "index": 0}),
])
def test_what_only_rearranges_keeps_integers_and_their_limit(op, fields):
    (y,) = infer_outputs(make_op(op, fields), (TOKENS,))
    assert (y.dtype, y.below) == ("int64", 100)


def test_joined_integers_are_below_the_larger_limit():
    inputs = (TOKENS, TensorType(TOKENS.shape, "int64", 7))
    assert infer_outputs(make_op("concat", {}), inputs)[0].below == 100
    inputs = (TOKENS, TensorType(TOKENS.shape, "int64"))
    assert infer_outputs(make_op("concat", {}), inputs)[0].below is None


def test_integers_and_floats_are_not_joined():
    inputs = (TOKENS, TensorType(TOKENS.shape))
    with pytest.raises(ShapeError, match="int64 and float32"):
        infer_outputs(make_op("concat", {}), inputs)
    infer_outputs(make_op("concat", {}), (TOKENS, TensorType(TOKENS.shape, UNKNOWN_DTYPE)))


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if not op.dtypes & INTEGERS and op.ndim != 5])
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
