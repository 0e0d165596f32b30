"""Merges: which inputs disagree, in what, and the edit that makes them agree."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.ops import infer_outputs, make_op
from archspec.types import UNKNOWN, ShapeError, TensorType


def failure(name: str, *shapes: tuple[int, ...], **fields: Any) -> ShapeError:
    with pytest.raises(ShapeError) as caught:
        infer_outputs(make_op(name, fields), tuple(map(TensorType, shapes)))[0]
    return caught.value


@pytest.mark.parametrize(("name", "code"), [("add", "SHAPE103"), ("mul", "SHAPE103")])
def test_two_inputs_that_disagree(name: str, code: str) -> None:
    error = failure(name, (1, 64, 28, 28), (1, 32, 28, 28))
    assert (error.code, error.message) == (code, "inputs disagree in channels: (64, 28, 28) and (32, 28, 28)")
    assert error.hint == "end input 2 with `conv2d: {out_channels: 64, kernel_size: 1}`"
    assert str(error.partial) == str(TensorType((1, UNKNOWN, 28, 28)))


def test_of_more_inputs_the_two_that_disagree_are_named() -> None:
    error = failure("add", (1, 8, 1, 1), (1, 8, 4, 4), (1, 8, 4, 4), (1, 8, 4, 2))
    assert error.message == "inputs 2 and 4 disagree in width: (8, 4, 4) and (8, 4, 2)"


def test_every_dim_that_disagrees_is_named() -> None:
    error = failure("add", (1, 64, 28, 28), (1, 128, 14, 14))
    assert error.message == "inputs disagree in channels, height and width: (64, 28, 28) and (128, 14, 14)"
    assert error.hint == "end input 1 with `conv2d: {out_channels: 128, kernel_size: 1, stride: 2}`"


def test_ranks() -> None:
    error = failure("mul", (1, 64, 28, 28), (1, 64))
    assert error.message == "inputs disagree in rank: (64, 28, 28) and (64)"
    assert error.hint == "end input 2 with `reshape: [$in.features, 1, 1]`"


@pytest.mark.parametrize(("name", "shapes", "hint"), [
    ("add", ((1, 64), (1, 64, 8, 8)), "end input 1 with `reshape: [$in.features, 1, 1]`"),
    ("add", ((1, 5, 64), (1, 64)), "end input 2 with `reshape: [1, $in.features]`"),
    ("mul", ((1, 1), (1, 64, 8, 8)), "end input 1 with `reshape: [$in.features, 1, 1]`"),
    ("add", ((1, 10), (1, 10, 1, 1)), "end input 2 with `flatten`"),
    ("sub", ((1, 8, 16), (1, 8, 16, 7)), "end input 1 with `reshape: [8, 16, 1]`"),
    ("concat", ((1, 64), (1, 3, 8, 8)), "end input 2 with `flatten`"),
    ("concat", ((1, 5, 64), (1, 64)), "end input 2 with `reshape: [1, $in.features]`"),
    ("add", ((1, 7), (1, 64, 8, 8)), "bring them to one rank with `flatten` or `reshape`"),
    ("add", ((1, UNKNOWN), (1, 64, 8, 8)), "bring them to one rank with `flatten` or `reshape`"),
])
def test_the_edit_for_another_rank_works_where_it_is_told(name: str, shapes: tuple[tuple[int, ...], ...], hint: str) -> None:
    assert failure(name, *shapes).hint == hint
    found = re.fullmatch(r"end input (\d) with `(\w+)(?:: \[(.*)\])?`", hint)
    if found:
        types, k = [TensorType(shape) for shape in shapes], int(found[1]) - 1
        sizes = (found[3] or "").replace("$in.features", str(shapes[k][1]))
        fields = {"shape": [int(size) for size in sizes.split(", ")]} if sizes else {}
        types[k] = infer_outputs(make_op(found[2], fields), (types[k],))[0]
        infer_outputs(make_op(name, {}), tuple(types))


@pytest.mark.parametrize(("shapes", "hint"), [
    (((1, 25, 784), (1, 2, 784)), "end input 2 with `conv1d: {out_channels: 25, kernel_size: 1}`"),
    (((1, 64, 501), (1, 32, 1001)), "end input 2 with `conv1d: {out_channels: 64, kernel_size: 1, stride: 2}`"),
    (((1, 8, 4, 7, 7), (1, 3, 8, 14, 14)), "end input 2 with `conv3d: {out_channels: 8, kernel_size: 1, stride: 2}`"),
    (((1, 8, 4, 7, 7), (1, 8, 4, 14, 14)), None), (((1, 16, 64), (1, 16, 48)), None),
])
def test_sequences_and_volumes_end_with_a_convolution(shapes: tuple[tuple[int, ...], ...], hint: str | None) -> None:
    assert failure("add", *shapes).hint == hint
    found = re.search(r"input (\d) with `(conv\dd): {(.*)}`", hint or "")
    if found:
        fields = {key: int(value) for key, value in (pair.split(": ") for pair in found[3].split(", "))}
        x, y = (TensorType(shape) for shape in shapes)
        assert infer_outputs(make_op(found[2], fields), (y,)) == (x,)


def test_concat_names_what_disagrees_beside_its_dim() -> None:
    error = failure("concat", (1, 64, 28, 28), (1, 32, 14, 14))
    assert (error.code, error.message) == (
        "SHAPE104", "inputs disagree in height and width: (64, 28, 28) and (32, 14, 14)"
    )
    assert error.partial is not None
    assert str(error.partial.shape) == "(1, 96, ?, ?)"


def test_concat_does_not_broadcast() -> None:
    assert failure("concat", (1, 64, 28, 28), (1, 64, 1, 28)).code == "SHAPE104"


def test_concat_larger_than_torch_can_hold() -> None:
    error = failure("concat", (1, 2**62), (1, 2**62))
    assert error.message == "a dimension of the output is larger than 2**63 - 1"


def test_concat_along_another_dim() -> None:
    assert infer_outputs(make_op("concat", {"dim": -1}), (TensorType((2, 3, 4)), TensorType((2, 3, 6))))[0].shape == (2, 3, 10)


@pytest.mark.parametrize("name", ["add", "mul", "concat"])
def test_batch_is_never_broadcast_or_joined(name: str) -> None:
    assert "batch" in failure(name, (1, 8), (2, 8)).message
    if name == "concat":
        assert "batch" in failure(name, (2, 8), (2, 8), dim=0).message


def test_values() -> None:
    a, b = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 1, 1)
    both = (TensorType((2, 3, 4, 4)), TensorType((2, 3, 1, 1)))
    torch.testing.assert_close(make_op("add", {}).build(*both)([a, b, b]), a + b + b)
    torch.testing.assert_close(make_op("mul", {}).build(*both)([a, b, b]), a * b * b)
    joined = make_op("concat", {"dim": 2}).build(*both)([a, a])
    torch.testing.assert_close(joined, torch.cat([a, a], 2))


@pytest.mark.parametrize(("sizes", "expected"), [
    ((UNKNOWN, 8), "8"), ((8, UNKNOWN), "8"), ((UNKNOWN, 1), "?"), ((1, UNKNOWN), "?"), ((UNKNOWN, 1, 8), "8"),
])
def test_unknown_dims_are_filled_in_where_they_are_certain(sizes: tuple[int, ...], expected: str) -> None:
    y = infer_outputs(make_op("add", {}), tuple(TensorType((2, size)) for size in sizes))[0]
    assert str(y.shape[1]) == expected


def test_unknown_dim_between_does_not_hide_a_disagreement() -> None:
    assert failure("add", (2, 8), (2, UNKNOWN), (2, 4)).message == "inputs 1 and 3 disagree in features: (8) and (4)"
    assert failure("concat", (2, UNKNOWN, 3), (2, 8, 4), (2, 9, 5), dim=2).code == "SHAPE104"


def edit(shape: TensorType, hint: str) -> TensorType:
    """What flows out of an input after the layers that the hint appends."""
    for name, fields in re.findall(r"`(\w+): \{(.*?)\}`", hint):
        pairs = re.findall(r"(\w+): (\[\d+, \d+\]|\d+)", fields)
        values = {k: [int(n) for n in re.findall(r"\d+", v)] for k, v in pairs}
        op = make_op(name, {k: v[0] if len(v) == 1 else v for k, v in values.items()})
        shape = infer_outputs(op, (shape,))[0]
    return shape


SHAPE = st.tuples(st.just(1), st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))


@pytest.mark.parametrize("name", ["add", "mul", "concat"])
def test_hint_makes_images_agree(name: str) -> None:
    @settings(deadline=None, max_examples=80)
    @given(SHAPE, SHAPE)
    def body(a: tuple[int, ...], b: tuple[int, ...]) -> None:
        inputs = [TensorType(a), TensorType(b)]
        try:
            infer_outputs(make_op(name, {}), tuple(inputs))[0]
        except ShapeError as error:
            assert error.hint is not None
            i = int(error.hint.split()[2]) - 1
            inputs[i] = edit(inputs[i], error.hint)
            infer_outputs(make_op(name, {}), tuple(inputs))[0]

    body()


def test_many_branches_are_checked_in_linear_time() -> None:
    inputs = tuple(TensorType((1, 8, 4, 4)) for _ in range(20_000))
    assert infer_outputs(make_op("concat", {}), inputs)[0].shape == (1, 160_000, 4, 4)
    assert infer_outputs(make_op("add", {}), inputs)[0].shape == (1, 8, 4, 4)
