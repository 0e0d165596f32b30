"""What the registry's walk does not say of convolutions: figures, words, and that fields reach torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from archspec.ops import cost_of
from archspec.ops.conv import Conv2d, ConvTranspose2d
from archspec.ops.windows import Window
from archspec.types import UNKNOWN, Cost, ShapeError, TensorType


@pytest.mark.parametrize(("fields", "size", "expected"), [
    pytest.param({"kernel_size": 3, "padding": 1}, 32, 32, id="same"),
    pytest.param({"kernel_size": 3, "stride": 2, "padding": 1}, 33, 17, id="odd-stride-2"),
    pytest.param({"kernel_size": 11, "stride": 4}, 224, 54, id="alexnet"),
    pytest.param({"kernel_size": 7, "stride": 2, "padding": 3}, 224, 112, id="resnet-stem"),
    pytest.param({"kernel_size": 3, "dilation": 2}, 9, 5, id="dilated"),
    pytest.param({"kernel_size": 4, "padding": "same", "dilation": 3}, 5, 5, id="same-even"),
    pytest.param({"kernel_size": 5, "padding": "valid"}, 28, 24, id="valid"),
])
def test_output_size(fields: dict[str, Any], size: int, expected: int) -> None:
    y = Conv2d(out_channels=4, **fields).infer(TensorType((2, 3, size, size)))[0]
    assert y == TensorType((2, 4, expected, expected))


def test_output_keeps_the_dtype() -> None:
    assert Conv2d(out_channels=4, kernel_size=1).infer(TensorType((2, 3, 5, 5), "float16"))[0].dtype == "float16"


def test_cost_counts_beyond_64_bits_exactly() -> None:
    x = TensorType((1, 10**18, 1, 1))
    op = Conv2d(out_channels=10**18, kernel_size=1)
    y = op.infer(x)[0]
    assert y.shape == (1, 10**18, 1, 1)
    assert cost_of(op, (x,), (y,)) == Cost(macs=10**36, params=10**36 + 10**18)


def test_lenet_first_layer_cost() -> None:
    x = TensorType((1, 1, 28, 28))
    op = Conv2d(out_channels=6, kernel_size=5, padding=2)
    assert cost_of(op, (x,), op.infer(x)) == Cost(macs=28 * 28 * 6 * 25, params=156)


def test_same_pads_one_more_after_than_before() -> None:
    op = Conv2d(out_channels=1, kernel_size=(4, 3), padding="same", dilation=(1, 2))
    assert op.windows == (Window(4, before=1, after=2), Window(3, dilation=2, before=2, after=2))


@pytest.mark.parametrize(("fields", "shape", "message", "hint"), [
    pytest.param(
        {"kernel_size": 7}, (1, 64, 4, 4),
        "7×7 window does not fit a 4×4 input", "raise padding to at least 2", id="square",
    ),
    pytest.param(
        {"kernel_size": (1, 7), "padding": (0, 1)}, (1, 64, 4, 4),
        "1×7 window does not fit a 4×4 input padded to 4×6", "raise padding to at least [0, 2]", id="one-axis",
    ),
    pytest.param(
        {"kernel_size": 9, "padding_mode": "reflect"}, (1, 64, 2, 2),
        "9×9 window does not fit a 2×2 input", "lower kernel_size to at most 2", id="reflect",
    ),
    pytest.param(
        {"kernel_size": 3, "dilation": 4}, (1, 64, UNKNOWN, 4),
        "9×9 window does not fit a ?×4 input", "raise padding to at least [0, 3]", id="unknown-height",
    ),
])
def test_misfit(fields: dict[str, Any], shape: tuple[int, ...], message: str, hint: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Conv2d(out_channels=8, **fields).infer(TensorType(shape))[0]
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("SHAPE101", message, hint)
    assert caught.value.partial is not None
    assert caught.value.partial.shape[:2] == (1, 8)


def test_misfit_on_one_axis_leaves_the_other_known() -> None:
    with pytest.raises(ShapeError) as caught:
        Conv2d(out_channels=8, kernel_size=(1, 7)).infer(TensorType((1, 3, 4, 4)))[0]
    assert str(caught.value.partial.shape) == "(1, 8, 4, ?)"


def test_groups_must_divide_the_input() -> None:
    with pytest.raises(ShapeError) as caught:
        Conv2d(out_channels=12, kernel_size=1, groups=4).infer(TensorType((1, 6, 4, 4)))[0]
    assert caught.value.message == "in_channels (6) is not divisible by groups (4)"
    assert caught.value.hint == "set groups to 3"
    assert caught.value.partial == TensorType((1, 12, 4, 4))


def test_the_hint_for_groups_divides_the_outputs_too() -> None:
    with pytest.raises(ShapeError) as caught:
        Conv2d(out_channels=8, kernel_size=1, groups=4).infer(TensorType((1, 6, 4, 4)))
    assert caught.value.hint == "set groups to 2"


@pytest.mark.parametrize(("mode", "padding", "message"), [
    ("reflect", 4, "reflect padding (4) must be smaller than height (4)"),
    ("circular", 5, "circular padding (5) must be at most height (4)"),
])
def test_padding_that_wraps_too_far(mode: str, padding: int, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Conv2d(out_channels=2, kernel_size=3, padding=padding, padding_mode=mode).infer(TensorType((1, 6, 4, 9)))[0]
    assert caught.value.message == message


@pytest.mark.parametrize(("cls", "fields", "place", "message"), [
    (Conv2d, {"stride": 2, "padding": "same"}, "padding", "padding `same` needs stride 1, not 2"),
    (
        Conv2d, {"padding": "smae"}, "padding",
        "must be a non-negative integer, a pair [height, width] of them, `same` or `valid`",
    ),
    (Conv2d, {"groups": 3}, "groups", "out_channels (8) is not divisible by groups (3)"),
    (ConvTranspose2d, {"groups": 3}, "groups", "out_channels (8) is not divisible by groups (3)"),
    (
        ConvTranspose2d, {"stride": (2, 1), "output_padding": 1}, "output_padding",
        "output_padding (1) must be smaller than stride (1) or dilation (1)",
    ),
])
def test_fields_that_exclude_each_other(cls: Any, fields: dict[str, Any], place: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        cls(out_channels=8, kernel_size=3, **fields)
    assert [(e["loc"], e["msg"]) for e in caught.value.errors()] == [((place,), message)]


def test_transposed_padding_that_leaves_nothing() -> None:
    with pytest.raises(ShapeError) as caught:
        ConvTranspose2d(out_channels=2, kernel_size=1, padding=(0, 3)).infer(TensorType((1, 6, 4, 4)))[0]
    assert caught.value.message == "padding [0, 3] leaves nothing of a 4×4 output"
    assert caught.value.hint == "lower padding to at most [0, 1]"


def test_every_field_reaches_torch() -> None:
    """By value: shapes alone would not tell padding modes or a swapped pair of equal effect apart."""
    x = torch.randn(2, 4, 9, 11)
    plain = torch.nn.Conv2d(4, 6, (3, 2), (2, 1), (2, 1), (1, 3), 2, False, "reflect")
    op = Conv2d(
        out_channels=6, kernel_size=(3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 3), groups=2, bias=False,
        padding_mode="reflect",
    )
    module = op.build(TensorType((2, 4, 9, 11)))
    module.load_state_dict(plain.state_dict())
    torch.testing.assert_close(module(x), plain(x))

    plain_t = torch.nn.ConvTranspose2d(4, 6, (3, 2), (2, 2), (2, 1), (1, 2), 2, True, (1, 3))
    transposed = ConvTranspose2d(
        out_channels=6, kernel_size=(3, 2), stride=(2, 2), padding=(2, 1), output_padding=(1, 2), groups=2,
        dilation=(1, 3),
    ).build(TensorType((2, 4, 9, 11)))
    transposed.load_state_dict(plain_t.state_dict())
    torch.testing.assert_close(transposed(x), plain_t(x))
