"""Words and values of the ops that rearrange, resize, normalise and drop."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from archspec.ops import OPS, infer_outputs, make_op
from archspec.types import UNKNOWN, ShapeError, TensorType


def out(name: str, fields: dict[str, Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    return infer_outputs(make_op(name, fields), (TensorType(shape),))[0].shape


@pytest.mark.parametrize(("name", "fields", "shape", "message", "hint"), [
    (
        "linear", {"out_features": 3}, (1,),
        "needs at least a vector (features), got a single number", None,
    ),
    ("flatten", {}, (1,), "a single number has nothing to flatten", "remove `flatten`"),
    (
        "flatten", {"start_dim": 0}, (1, 2, 3),
        "start_dim 0 is the batch, which an op cannot change", "use a dim from 1 to 2",
    ),
    (
        "flatten", {"start_dim": 2, "end_dim": 1}, (1, 2, 3),
        "start_dim 2 comes after end_dim 1", "set end_dim to -1",
    ),
    ("softmax", {"dim": 2}, (1, 10), "dim 2 is not among the input's dims, 0 (batch) to 1", "use `1`"),
    ("softmax", {"dim": -3}, (1, 10), "dim -3 is not among the input's dims, 0 (batch) to 1", "use `1`"),
    ("softmax", {"dim": -2}, (1, 10), "dim -2 is the batch, which an op cannot change", "use `1`"),
    (
        "reshape", {"shape": [3, 4]}, (1, 64, 4, 4),
        "a sample (64, 4, 4) has 1,024 elements, which do not fill [3, 4]", "write [256, 4]",
    ),
    (
        "reshape", {"shape": [3, 5]}, (1, 16),
        "a sample (16) has 16 elements, which do not fill [3, 5]",
        "write [16], or another shape with 16 elements",
    ),
    ("reshape", {"shape": [2, 4]}, (1, 16), "a sample (16) has 16 elements, which do not fill [2, 4]", "write [2, 8]"),
    (
        "reshape", {"shape": [3, -1]}, (1, 16),
        "a sample (16) has 16 elements, which do not fill [3, -1]",
        "write [16], or another shape with 16 elements",
    ),
    (
        "permute", {"dims": [0, 2, 1]}, (1, 2, 3, 4),
        "3 dims named, the input has 4 with its batch",
        "write the numbers 0 to 3 in some order, 0 first",
    ),
    (
        "permute", {"dims": [1, 0]}, (1, 2),
        "dims [1, 0] move dim 0, the batch", "write the numbers 0 to 1 in some order, 0 first",
    ),
    (
        "chunk", {"chunks": 3, "index": 2}, (1, 4),
        "index 2 of 2 chunks: features (4) cut into 3 gives no more", "lower index to at most 1",
    ),
    (
        "select", {"dim": 1, "index": 3}, (1, 3, 5),
        "index 3 is not in dim 1 (3)", "use an index from 0 to 2",
    ),
    (
        "channel_shuffle", {"groups": 4}, (1, 6, 2, 2),
        "channels (6) are not divisible by groups (4)", "set groups to 3",
    ),
    (
        "pixel_shuffle", {"upscale_factor": 3}, (1, 6, 2, 2),
        "channels (6) are not divisible by upscale_factor² (9)", "put `conv2d: {out_channels: 54, kernel_size: 1}` before it",
    ),
    (
        "group_norm", {"num_groups": 4}, (1, 6),
        "channels (6) are not divisible by num_groups (4)", "set num_groups to 3",
    ),
    (
        "layer_norm", {"normalized_shape": [3, 5]}, (1, 2, 4),
        "a sample (2, 4) does not end in normalized_shape [3, 5]", "set normalized_shape to 4",
    ),
    (
        "layer_norm", {"normalized_shape": [1, 2, 4]}, (1, 2, 4),
        "normalized_shape has 3 dims, a sample (2, 4) only 2", "set normalized_shape to 4",
    ),
    (
        "interpolate", {"scale_factor": 0.1}, (1, 3, 4, 20),
        "scale_factor 0.1 leaves nothing of a 4×20 input", "raise scale_factor to at least 0.25",
    ),
    (
        "zero_pad2d", {"padding": 2**62}, (1, 3, 2**62, 4),
        "a dimension of the output is larger than 2**63 - 1", None,
    ),
    (
        "pixel_unshuffle", {"downscale_factor": 4}, (1, 1, 8, 6), "width (6) is not divisible by downscale_factor (4)",
        "set downscale_factor to 2",
    ),
    ("batch_norm1d", {}, (1, 3, 4, 4), "needs (features) or (channels, length), got 3 dimensions", "write `batch_norm2d`"),
    ("batch_norm1d", {}, (1,), "needs (features) or (channels, length), got 0 dimensions", None),
    ("instance_norm2d", {}, (2, 3, 1, 1), "one pixel per channel has no variance",
     "write `group_norm: 1`, which normalises over all channels"),
    ("instance_norm2d", {}, (2, 1, 1, 1), "one pixel per channel has no variance", "remove it"),
    ("group_norm", {"num_groups": 3}, (2, 3, 1, 1), "one value per group has no variance", "set num_groups to 1"),
    ("group_norm", {"num_groups": 4}, (2, 4), "one value per group has no variance", "set num_groups to 1"),
    ("group_norm", {"num_groups": 1}, (2, 1), "one value per group has no variance", "remove it"),
    ("layer_norm", {}, (2, 3, 1, 1), "one value has no variance", "set normalized_shape to [3, 1, 1]"),
    ("layer_norm", {}, (2, 1), "one value has no variance", "remove it"),
    ("local_response_norm", {"size": 5}, (1, 10), "needs channels and positions, got 1 dimension", "put it before `flatten`"),
    (
        "prelu", {"num_parameters": 3}, (1, 4, 2, 2), "num_parameters (3) is neither 1 nor the number of channels (4)",
        "set num_parameters to 4",
    ),
    ("batch_norm2d", {}, (1, 10), "needs an image (channels, height, width), got 1 dimension", "write `batch_norm1d`"),
    (
        "max_pool2d", {"kernel_size": 2}, (1, 10, 3),
        "needs an image (channels, height, width), got 2 dimensions", "write `max_pool1d`",
    ),
])
def test_message_and_hint(
    name: str, fields: dict[str, Any], shape: tuple[int, ...], message: str, hint: str | None
) -> None:
    with pytest.raises(ShapeError) as caught:
        out(name, fields, shape)
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("SHAPE102", message, hint)


@pytest.mark.parametrize(("name", "fields", "place", "message"), [
    ("linear", {"out_features": 2.0}, "out_features", "Input should be a valid integer"),
    ("linear", {"out_features": True}, "out_features", "Input should be a valid integer"),
    (
        "max_pool2d", {"kernel_size": [1, 2, 3]}, "kernel_size",
        "must be a positive integer or a pair [height, width] of them",
    ),
    (
        "zero_pad2d", {"padding": [1, 2]}, "padding",
        "must be a non-negative integer or a list [left, right, top, bottom]",
    ),
    (
        "reshape", {"shape": [-1, -1]}, "shape",
        "must be a list of positive integers, one of which may be -1",
    ),
    (
        "reshape", {"shape": [0, 4]}, "shape",
        "must be a list of positive integers, one of which may be -1",
    ),
    ("permute", {"dims": "nchw"}, "dims", "must be a list of dims, 0 (the batch) first"),
    ("chunk", {"chunks": 2, "index": 2}, "index", "index 2 of 2 chunks, the first of which is 0"),
    (
        "interpolate", {"scale_factor": 0}, "scale_factor",
        "must be a positive number or a pair [height, width] of them",
    ),
    (
        "interpolate", {"size": 3, "align_corners": False}, "align_corners",
        "align_corners needs mode bilinear or bicubic",
    ),
    ("interpolate", {}, None, "needs either size or scale_factor"),
    ("interpolate", {"size": 3, "scale_factor": 2}, None, "needs either size or scale_factor, not both"),
    (
        "layer_norm", {"normalized_shape": []}, "normalized_shape",
        "must be a positive integer or a list of them",
    ),
    ("dropout", {"p": float("nan")}, "p", "Input should be a finite number"),
    ("elu", {"alpha": float("inf")}, "alpha", "Input should be a finite number"),
])
def test_field_errors(name: str, fields: dict[str, Any], place: str | None, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make_op(name, fields)
    assert [(e["loc"], e["msg"]) for e in caught.value.errors()] == [((place,) if place else (), message)]


@pytest.mark.parametrize(("name", "fields", "shape", "expected"), [
    ("group_norm", {"num_groups": 2}, (2, 4), (2, 4)),
    ("flatten", {"start_dim": 2, "end_dim": 2}, (1, 3, 4, 5), (1, 3, 4, 5)),
    ("reshape", {"shape": [2, -1]}, (3, 4, 5), (3, 2, 10)),
    ("permute", {"dims": [0, 2, 3, 1]}, (1, 3, 4, 5), (1, 4, 5, 3)),
    ("chunk", {"chunks": 3, "index": 2}, (1, 5), (1, 1)),
    ("select", {"dim": 1, "index": -1}, (1, 5, 7), (1, 7)),
    ("pixel_shuffle", {"upscale_factor": 2}, (1, 8, 3, 4), (1, 2, 6, 8)),
    ("pixel_unshuffle", {"downscale_factor": 2}, (1, 2, 6, 8), (1, 8, 3, 4)),
    ("zero_pad2d", {"padding": [1, 2, 3, 4]}, (1, 8, 3, 4), (1, 8, 10, 7)),
    ("interpolate", {"scale_factor": [2, 0.5]}, (1, 8, 3, 5), (1, 8, 6, 2)),
    ("upsample", {"size": 7}, (1, 8, 3, 5), (1, 8, 7, 7)),
    ("interpolate", {"scale_factor": 2}, (1, 8, 10**18, 5), (1, 8, 2 * 10**18, 10)),
    ("interpolate", {"scale_factor": 1.5}, (1, 8, 2**60 + 2, 2), (1, 8, 3 * 2**59 + 3, 3)),
    ("interpolate", {"scale_factor": 10**10}, (1, 8, 3, 5 * 10**8), (1, 8, 3 * 10**10, 5 * 10**18)),
])
def test_shapes(name: str, fields: dict[str, Any], shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert out(name, fields, shape) == expected


def test_unknown_dims_pass_through() -> None:
    assert str(out("flatten", {}, (2, 3, UNKNOWN, 4))) == "(2, ?)"
    assert str(out("reshape", {"shape": [3, -1]}, (2, UNKNOWN))) == "(2, 3, ?)"
    assert str(out("chunk", {"chunks": 2, "index": 1}, (2, UNKNOWN, 5))) == "(2, ?, 5)"
    assert str(out("interpolate", {"scale_factor": 2}, (2, 3, UNKNOWN, 5))) == "(2, 3, ?, 10)"


@pytest.mark.parametrize(("name", "fields", "plain"), [
    (
        "layer_norm", {"normalized_shape": [5, 7], "eps": 0.5, "bias": False},
        torch.nn.LayerNorm([5, 7], 0.5, bias=False),
    ),
    ("layer_norm", {"elementwise_affine": False}, torch.nn.LayerNorm(7, elementwise_affine=False)),
    (
        "group_norm", {"num_groups": 2, "eps": 0.5, "affine": False},
        torch.nn.GroupNorm(2, 4, 0.5, affine=False),
    ),
    ("batch_norm2d", {"eps": 0.5, "momentum": None}, torch.nn.BatchNorm2d(4, 0.5, None)),
    (
        "batch_norm2d", {"momentum": 0.3, "track_running_stats": False, "affine": False},
        torch.nn.BatchNorm2d(4, 1e-5, 0.3, False, False),
    ),
    ("instance_norm2d", {"eps": 0.5}, torch.nn.InstanceNorm2d(4, 0.5)),
    (
        "instance_norm2d", {"momentum": 0.3, "affine": True, "track_running_stats": True},
        torch.nn.InstanceNorm2d(4, 1e-5, 0.3, True, True),
    ),
    ("local_response_norm", {"size": 3, "alpha": 0.5, "beta": 0.3, "k": 2.0}, torch.nn.LocalResponseNorm(3, 0.5, 0.3, 2.0)),
    ("prelu", {"num_parameters": 4, "init": 0.1}, torch.nn.PReLU(4, 0.1)),
    ("mish", {}, torch.nn.Mish()),
    ("gelu", {"approximate": "tanh"}, torch.nn.GELU("tanh")),
    ("elu", {"alpha": 0.3}, torch.nn.ELU(0.3)),
    ("leaky_relu", {"negative_slope": 0.3}, torch.nn.LeakyReLU(0.3)),
    ("softmax", {"dim": -1}, torch.nn.Softmax(-1)),
    ("log_softmax", {"dim": 2}, torch.nn.LogSoftmax(2)),
    ("hardswish", {}, torch.nn.Hardswish()),
    ("hardsigmoid", {}, torch.nn.Hardsigmoid()),
    ("relu6", {}, torch.nn.ReLU6()),
    ("silu", {}, torch.nn.SiLU()),
    ("interpolate", {"scale_factor": [2, 1.5], "mode": "bicubic", "align_corners": True},
     torch.nn.Upsample(scale_factor=(2.0, 1.5), mode="bicubic", align_corners=True)),
    ("upsample", {"size": [3, 9], "mode": "bilinear"}, torch.nn.Upsample(size=(3, 9), mode="bilinear")),
    ("zero_pad2d", {"padding": [1, 2, 3, 4]}, torch.nn.ZeroPad2d((1, 2, 3, 4))),
    ("channel_shuffle", {"groups": 2}, torch.nn.ChannelShuffle(2)),
    ("pixel_unshuffle", {"downscale_factor": 1}, torch.nn.PixelUnshuffle(1)),
    ("pixel_shuffle", {"upscale_factor": 2}, torch.nn.PixelShuffle(2)),
])
def test_module_computes_what_torch_does_in_training_and_evaluation(
    name: str, fields: dict[str, Any], plain: torch.nn.Module
) -> None:
    x = torch.linspace(-4, 4, 2 * 4 * 5 * 7).reshape(2, 4, 5, 7)
    module = make_op(name, fields).build(TensorType((2, 4, 5, 7)))
    assert list(module.state_dict()) == list(plain.state_dict())
    for training in (True, False):
        torch.testing.assert_close(module.train(training)(x), plain.train(training)(x), rtol=0, atol=0)


@pytest.mark.parametrize(("name", "fields", "expected"), [
    ("dropout", {"p": 0.3}, torch.nn.Dropout(0.3)),
    ("dropout2d", {"p": 0.3}, torch.nn.Dropout2d(0.3)),
])
def test_dropout_draws_as_torch_does(name: str, fields: dict[str, Any], expected: torch.nn.Module) -> None:
    x = torch.ones(4, 8, 3, 3)
    module = make_op(name, fields).build(TensorType((4, 8, 3, 3)))
    torch.manual_seed(0)
    first = module(x)
    torch.manual_seed(0)
    torch.testing.assert_close(first, expected(x))


def test_a_plain_value_of_flatten_is_its_first_dim() -> None:
    assert OPS["flatten"].main == "start_dim"
    assert out("flatten", {"start_dim": 2}, (1, 8, 4, 4)) == (1, 8, 16)


@pytest.mark.parametrize(("name", "fields", "shape", "message", "hint"), [
    ("slice", {"dim": 1, "start": 9}, (1, 8), "start 9 is not in features (8)", "set start to 0"),
    ("slice", {"dim": 1, "end": -9}, (1, 8), "end -9 is not in features (8)", "set end to 8"),
    ("slice", {"dim": 1, "start": 5, "end": 3}, (1, 8), "5 to 3 leaves nothing of features (8)", "set start to 0"),
    ("slice", {"dim": 1, "start": 8}, (1, 8), "8 to 8 leaves nothing of features (8)", "set start to 0"),
    ("roll", {"shifts": 1, "dims": 0}, (1, 8, 4), "dims 0 is the batch, which an op cannot change", "set dims to 1"),
    ("roll", {"shifts": [1, 1], "dims": [1, 3]}, (1, 8, 4), "dims 3 is not among the input's, 0 (batch) to 2",
     "set dims to [1, 1]"),
    ("pad", {"padding": [1, 1, 2, 2]}, (1, 8), "padding has 2 pairs, the input 1 dim beside the batch",
     "set padding to [1, 1]"),
    ("mean", {"dim": [1, -2]}, (1, 8, 4), "dim [1, -2] names a dim twice", "set dim to [1]"),
    ("max", {"dim": 0}, (1, 8, 4), "dim 0 is the batch, which an op cannot change", "use a dim from 1 to 2"),
])  # fmt: skip
def test_words_of_cuts_and_reductions(
    name: str, fields: dict[str, Any], shape: tuple[int, ...], message: str, hint: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        infer_outputs(make_op(name, fields), (TensorType(shape),))
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_values_of_cuts_and_reductions() -> None:
    x = torch.randn(2, 5, 6)
    for name, fields, expected in (
        ("slice", {"dim": 1, "start": -4, "end": 5, "step": 2}, x[:, -4:5:2]), ("scale", {"factor": 0.5}, x / 2),
        ("roll", {"shifts": [1, -2], "dims": [1, 2]}, x.roll((1, -2), (1, 2))), ("abs", {}, x.abs()),
        ("pad", {"padding": [1, 2, 0, 3], "value": 7}, torch.nn.functional.pad(x, (1, 2, 0, 3), value=7)),
        ("mean", {"dim": [1, 2], "keepdim": True}, x.mean((1, 2), keepdim=True)), ("max", {"dim": 2}, x.amax(2)),
    ):
        torch.testing.assert_close(make_op(name, fields).build(TensorType(tuple(x.shape)))(x), expected)
