"""What the registry's walk does not say of pools."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from archspec.ops import make_op
from archspec.ops.pool import AvgPool2d, MaxPool2d
from archspec.types import ShapeError, TensorType


@pytest.mark.parametrize(("fields", "size", "expected"), [
    pytest.param({"kernel_size": 2}, 9, 4, id="stride-is-kernel"),
    pytest.param({"kernel_size": 2, "ceil_mode": True}, 9, 5, id="ceil"),
    pytest.param({"kernel_size": 3, "stride": 2, "padding": 1}, 112, 56, id="resnet"),
    pytest.param({"kernel_size": 2, "stride": 2, "padding": 1, "ceil_mode": True}, 3, 2, id="last-starts-in-padding"),
    pytest.param({"kernel_size": 9, "ceil_mode": True}, 8, 1, id="larger-than-input"),
])
def test_output_size(fields: dict[str, Any], size: int, expected: int) -> None:
    for cls in (MaxPool2d, AvgPool2d):
        assert cls(**fields).infer(TensorType((1, 3, size, size)))[0].shape == (1, 3, expected, expected)


def test_stride_is_the_kernel_size_where_not_given() -> None:
    assert MaxPool2d(kernel_size=[3, 2]).stride == (3, 2)
    assert MaxPool2d(kernel_size=3, stride=None).stride == (3, 3)
    assert MaxPool2d(kernel_size=3, stride=1).stride == (1, 1)


def test_one_mistake_in_the_kernel_size_is_told_once() -> None:
    with pytest.raises(ValidationError) as caught:
        MaxPool2d(kernel_size=0, padding=2)
    assert [e["loc"] for e in caught.value.errors()] == [("kernel_size",)]


def test_padding_is_at_most_half_the_kernel() -> None:
    with pytest.raises(ValidationError) as caught:
        make_op("avg_pool2d", {"kernel_size": [3, 2], "padding": [1, 2]})
    (error,) = caught.value.errors()
    assert error["loc"] == ("padding",)
    assert error["msg"] == "padding ([1, 2]) must be at most half of kernel_size ([3, 2])"


@pytest.mark.parametrize(("fields", "hint"), [
    pytest.param({"kernel_size": 9}, "raise padding to at least 3", id="padding-helps"),
    pytest.param({"kernel_size": 3, "dilation": 4}, "lower kernel_size to at most 1", id="padding-cannot"),
    pytest.param({"kernel_size": 4, "dilation": 5, "padding": 2}, "set dilation to 1 and padding to 2", id="no-kernel"),
])
def test_hint(fields: dict[str, Any], hint: str) -> None:
    with pytest.raises(ShapeError) as caught:
        MaxPool2d(**fields).infer(TensorType((1, 64, 4, 4)) if "padding" not in fields else TensorType((1, 64, 2, 2)))[0]
    assert (caught.value.code, caught.value.hint) == ("SHAPE101", hint)


def test_every_field_reaches_torch() -> None:
    x = torch.randn(2, 3, 10, 11)
    shape = TensorType(tuple(x.shape))
    op = AvgPool2d(kernel_size=(3, 2), stride=(2, 1), padding=1, ceil_mode=True, count_include_pad=False)
    ours = op.build(shape)
    plain = torch.nn.AvgPool2d((3, 2), (2, 1), 1, ceil_mode=True, count_include_pad=False)
    torch.testing.assert_close(ours(x), plain(x))
    ours = MaxPool2d(kernel_size=(3, 2), stride=(2, 1), padding=1, dilation=(2, 3), ceil_mode=True).build(shape)
    torch.testing.assert_close(ours(x), torch.nn.MaxPool2d((3, 2), (2, 1), 1, (2, 3), ceil_mode=True)(x))
    torch.testing.assert_close(make_op("global_avg_pool2d", {}).build(shape)(x), x.mean((2, 3), keepdim=True))
    ours = make_op("adaptive_max_pool2d", {"output_size": [4, 3]}).build(shape)
    torch.testing.assert_close(ours(x), torch.nn.AdaptiveMaxPool2d((4, 3))(x))
