"""One class for all ranks: each has its own fields, words and torch layer, and a mistaken rank is corrected."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

import archspec
from archspec.ops import OPS, make_op
from archspec.ops.conv import Conv2d, Conv3d
from archspec.ops.ranks import Ranked
from archspec.types import TensorType

FAMILIES = sorted({name[:-2] for name, op in OPS.items() if issubclass(op, Ranked)})
INPUTS = {1: [4, 8], 2: [4, 8, 8], 3: [4, 8, 8, 8]}
FIELDS = {"out_channels": 4, "kernel_size": 3, "output_size": 2, "padding": 1}


def layer(family: str, rank: int) -> dict[str, object]:
    fields = OPS[f"{family}{rank}d"].model_fields
    return {f"{family}{rank}d": {name: value for name, value in FIELDS.items() if name in fields and fields[name].is_required()}}


def spec(family: str, rank: int, given: int) -> dict[str, object]:
    return {"archspec": 1, "input": INPUTS[given], "stages": {"a": [layer(family, rank)]}}


def test_the_families() -> None:
    assert FAMILIES == [
        "adaptive_avg_pool", "adaptive_max_pool", "avg_pool", "batch_norm", "conv", "conv_transpose", "global_avg_pool",
        "global_max_pool", "instance_norm", "max_pool", "zero_pad",
    ]
    assert all(f"{family}{rank}d" in OPS for family in FAMILIES for rank in (1, 2, 3))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_rank_takes_its_inputs_and_points_to_the_others(family: str) -> None:
    for rank in (1, 2, 3):
        for given in (1, 2, 3):
            found = archspec.check(spec(family, rank, given))
            if rank == given:
                assert found == ()
                continue
            (error,) = found
            assert (error.code, error.hint) == ("SHAPE102", f"write `{family}{given}d`"), error
            assert f"got {given + 1} dimensions" in error.message


@pytest.mark.parametrize("family", FAMILIES)
def test_one_integer_stands_for_each_axis(family: str) -> None:
    for rank in (1, 2, 3):
        ((name, given),) = layer(family, rank).items()
        one = make_op(name, given)
        assert isinstance(given, dict)
        lists = {k: [v] * (2 * rank if family == "zero_pad" else rank) if k != "out_channels" else v for k, v in given.items()}
        assert make_op(name, lists) == one == make_op(name, one.model_dump())
        torch_name = type(one.build(TensorType((1, *INPUTS[rank])))).__name__
        assert torch_name.endswith(f"{rank}d") and torch_name == OPS[name].torch_name  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "fields", "message"), [
    ("conv1d", {"kernel_size": [3, 3]}, "must be a positive integer"),
    ("conv1d", {"kernel_size": 3, "padding": "smae"}, "must be a non-negative integer, `same` or `valid`"),
    ("conv3d", {"kernel_size": [3, 3]}, "must be a positive integer or a list [depth, height, width] of them"),
    ("conv3d", {"kernel_size": 3, "padding": -1},
     "must be a non-negative integer, a list [depth, height, width] of them, `same` or `valid`"),
])
def test_what_a_field_must_be_in_each_rank(name: str, fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make_op(name, {"out_channels": 1, **fields})
    assert [e["msg"] for e in caught.value.errors()] == [message]


@pytest.mark.parametrize(("name", "padding", "message"), [
    ("zero_pad1d", [1], "must be a non-negative integer or a list [left, right]"),
    ("zero_pad3d", [1, 2], "must be a non-negative integer or a list [left, right, top, bottom, front, back]"),
])
def test_sides_in_each_rank(name: str, padding: list[int], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make_op(name, {"padding": padding})
    assert [e["msg"] for e in caught.value.errors()] == [message]


def test_an_op_of_one_rank_leaves_the_fields_of_another_alone() -> None:
    assert Conv2d(out_channels=1, kernel_size=3).kernel_size == (3, 3)
    assert Conv3d(out_channels=1, kernel_size=3).stride == (1, 1, 1)
    descriptions = [OPS[f"conv{rank}d"].model_fields["kernel_size"].description for rank in (1, 2, 3)]
    assert descriptions == [
        "size of the window, an integer", "size of the window, an integer or [height, width]",
        "size of the window, an integer or [depth, height, width]",
    ]


def test_padding_in_a_volume_goes_to_its_own_axis() -> None:
    x = torch.randn(2, 3, 4, 5, 6)
    fields = {"padding": [1, 2, 3, 4, 5, 6]}
    op = make_op("zero_pad3d", fields)
    y = op.build(TensorType(tuple(x.shape)))(x)
    assert op.infer(TensorType(tuple(x.shape)))[0].shape == tuple(y.shape) == (2, 3, 15, 12, 9)
    assert torch.equal(y[:, :, 5:9, 3:8, 1:7], x)


def test_channels_of_a_sequence() -> None:
    """`in.channels` is the first dimension of a sequence too, as convolutions take it."""
    stage = [{"conv1d": {"out_channels": 6, "kernel_size": 3}}, {"conv1d": {"out_channels": "$(2 * in.channels)", "kernel_size": 1}}]
    assert archspec.load({"archspec": 1, "input": [3, 20], "stages": {"a": stage}}).report.output_shape == (12, 18)


def test_a_window_of_a_sequence_has_words_of_its_own() -> None:
    (error,) = archspec.check({"archspec": 1, "input": [4, 9], "stages": {"a": [{"max_pool1d": {"kernel_size": 12, "padding": 1}}]}})
    assert error.message == "stages.a.max_pool1d_1: window of 12 does not fit an input of 9 padded to 11"
    assert error.hint == "raise padding to at least 2"
