"""The layout of what an op writes, forward and backward, whatever that of its input: the strides are torch's."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from archspec.execution import Setting, autograd
from archspec.execution.tape import Tape
from archspec.execution.tensor import Shape, Storage, Tensor
from archspec.ops import OPS, infer_outputs
from archspec.types import BATCH, ShapeError, TensorType

LAYOUTS: dict[str, tuple[Shape, Shape]] = {
    "NHWC": ((2, 16, 4, 4), (256, 1, 64, 16)), "NHWC of one sample": ((1, 16, 4, 4), (256, 1, 64, 16)),
    "NHWC of one pixel": ((2, 16, 1, 1), (16, 1, 16, 16)), "NHWC of one channel": ((2, 1, 4, 4), (16, 1, 4, 1)),
    "NHWC of width 1": ((2, 16, 4, 1), (64, 1, 16, 16)), "NHWC of height 1": ((2, 16, 1, 4), (64, 1, 64, 16)),
    "NCHW of one pixel": ((2, 16, 1, 1), (16, 1, 1, 1)), "NHWC of one sample, as viewed": ((1, 16, 4, 4), (16, 1, 64, 16)), "permuted": ((2, 16, 4, 4), (256, 1, 16, 64)),
    "channels of NCHW": ((2, 8, 4, 4), (256, 16, 4, 1)), "channels of NHWC": ((2, 8, 4, 4), (256, 1, 64, 16)),
    "columns": ((2, 16, 4, 2), (256, 16, 4, 1)), "expanded": ((2, 8, 4, 4), (0, 16, 4, 1)),
    "transposed sequence": ((2, 8, 6), (48, 1, 8)), "transposed sequence of one step": ((2, 8, 1), (8, 1, 8)),
    "part of a vector": ((2, 8), (16, 1)), "volume": ((2, 4, 3, 3, 3), (108, 27, 9, 3, 1)),
    "volume of permuted height and width": ((2, 4, 3, 3, 3), (108, 27, 9, 1, 3)), "volume of one channel": ((2, 1, 3, 3, 3), (27, 1, 9, 3, 1)), "volume of one voxel": ((2, 8, 1, 1, 1), (8, 1, 8, 8, 8)),
    "NHWC volume": ((2, 4, 3, 3, 3), (108, 1, 36, 12, 4)), "NHWC volume of one sample": ((1, 4, 3, 3, 3), (108, 1, 36, 12, 4)),
    "NHWC volume of one sample, as viewed": ((1, 4, 3, 3, 3), (4, 1, 36, 12, 4)), "NHWC volume of width 1": ((2, 4, 3, 3, 1), (36, 1, 12, 4, 4)),
    "NCHW of height 1, as viewed": ((2, 4, 1, 16), (64, 16, 64, 1)), "sequence of one step, as viewed": ((2, 1, 8), (8, 1, 1)),
    "permuted image of one row": ((2, 1, 4, 16), (64, 1, 16, 1)), "transposed sequence of one sample": ((1, 6, 8), (48, 1, 6)),
    "volume of one sample, as viewed": ((1, 3, 8, 1, 4), (96, 32, 4, 3, 1)), "sequence in columns": ((2, 6, 8), (1, 2, 12)), "matrix in columns": ((4, 8), (1, 4)), "vector of one sample, as viewed": ((1, 8), (1, 1)),
}
OPERATIONS: list[tuple[str, dict[str, Any]]] = [
    *[(name, {}) for name in (
        "relu", "relu6", "leaky_relu", "prelu", "elu", "gelu", "silu", "mish", "sigmoid", "tanh", "hardswish", "hardsigmoid", "abs",
        "dropout", "dropout2d", "layer_scale", "batch_norm1d", "batch_norm2d", "batch_norm3d", "instance_norm2d", "flatten",
        "global_avg_pool1d", "global_avg_pool2d", "global_avg_pool3d", "global_max_pool2d", "global_max_pool3d", "zero",
    )],
    ("scale", {"factor": 0.5}), ("layer_norm", {}), ("group_norm", {"num_groups": 1}), ("stochastic_depth", {"p": 0.3}), ("softmax", {"dim": 1}), ("flatten", {"start_dim": 2}),
    ("adaptive_avg_pool2d", {"output_size": 2}), ("max_pool2d", {"kernel_size": 1}), ("avg_pool2d", {"kernel_size": 1}),
    ("max_pool1d", {"kernel_size": 2}), ("avg_pool1d", {"kernel_size": 2}), ("conv2d", {"out_channels": 4, "kernel_size": 1}),
    ("conv2d", {"out_channels": 1, "kernel_size": 1}), ("channel_shuffle", {"groups": 2}), ("pixel_shuffle", {"upscale_factor": 2}),
    ("conv1d", {"out_channels": 4, "kernel_size": 1}), ("zero_pad2d", {"padding": 1}), ("upsample", {"scale_factor": 2}), ("slice", {"dim": 1, "start": 0, "end": 3}),
    ("mean", {"dim": [2, 3], "keepdim": True}), ("reshape", {"shape": [2, -1]}), ("reshape", {"shape": [-1]}), ("mean", {"dim": [1, 2]}),
    *[("roll", {"shifts": shifts, "dims": dims}) for shifts, dims in (([1], [1]), ([2], [2]), ([4], [2]), ([1, 1], [1, 2]), ([3], [-1]))],
    *[("chunk", {"chunks": chunks, "index": index, "dim": dim}) for chunks, index, dim in ((1, 0, 1), (2, 0, 1), (2, 1, 1), (2, 0, 2))],
    *[("max", {"dim": dim, "keepdim": keepdim}) for dim in ([1], [2], [1, 2], [2, 3]) for keepdim in (False, True)],
    ("linear", {"out_features": 5}), ("linear", {"out_features": 1, "bias": False}), ("multi_head_attention", {"num_heads": 2}),
    *[("conv3d", {"out_channels": channels, "kernel_size": size}) for channels in (1, 4) for size in (1, 3)],
    *[(f"conv_transpose{rank}d", {"out_channels": 4, "kernel_size": size}) for rank in (1, 2, 3) for size in (1, 2)],
    *[("conv2d", {"out_channels": 16, "kernel_size": 3, "padding": 1, "groups": groups}) for groups in (1, 2, 16)],
    *[("conv2d", {"out_channels": 4, "kernel_size": 3, "padding": 1, "padding_mode": mode}) for mode in ("reflect", "circular", "replicate")],
    ("max_pool3d", {"kernel_size": 1}), ("avg_pool3d", {"kernel_size": 1}), ("adaptive_max_pool3d", {"output_size": 1}),
    ("adaptive_avg_pool3d", {"output_size": 2}), ("adaptive_max_pool1d", {"output_size": 2}), ("zero_pad1d", {"padding": 1}),
    ("zero_pad3d", {"padding": 1}), ("zero_pad2d", {"padding": 0}), ("pad", {"padding": [1, 1]}), ("instance_norm3d", {}),
    ("local_response_norm", {"size": 3}), ("log_softmax", {"dim": -1}), ("select", {"dim": 1, "index": 0}), ("pixel_unshuffle", {"downscale_factor": 2}),
    *[("upsample", {"scale_factor": 2, "mode": mode}) for mode in ("bilinear", "bicubic")],
    ("window_attention", {"num_heads": 1, "window_size": 2, "shift_size": 1}),
]


def strides_of_torch(module: torch.nn.Module, shape: Shape, strides: Shape, *, ordered: bool) -> tuple[Shape, Shape, Shape]:
    """Of the output, of the gradient that it is given, and of the input's."""
    reach = 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    x = torch.zeros(reach).as_strided(shape, strides).detach().requires_grad_()
    y = module(x)
    given = torch.zeros(y.shape) if ordered else torch.zeros_like(y)
    (gradient,) = torch.autograd.grad(y, x, given)
    return y.stride(), given.stride(), gradient.stride()


def strides_of_tape(op: Any, t: TensorType, shape: Shape, strides: Shape, given: Shape) -> tuple[Shape, Shape]:
    """Of the output, and of the input's gradient."""
    tape, found = Tape(Setting(batch_size=shape[0])), list[Shape]()
    x = tape.parameter("x", Tensor(Storage(tape.memory, 4 << 20), shape, "float32", strides))
    tape.outputs = tuple(y.at(shape[0]) for y in infer_outputs(op, (t,)))
    for name, spec in op.parameters(t).items():
        weight = tape.new(spec.shape, spec.dtype)
        tape.weights[name] = tape.parameter(name, weight) if spec.learned else weight
    (y,) = [op.kernels(tape, x)]
    tape.accumulate = lambda name, gradient: found.extend([gradient.strides] if name == "x" else [])  # type: ignore[method-assign]
    autograd.backward(tape, y, tape.new(y.shape, y.dtype, given))
    return y.strides, found[0]


@pytest.fixture(autouse=True)
def _several_threads() -> Iterator[None]:
    """With a single one, torch itself computes convolutions of volumes with 1 × 1 filters: they give NCHW of NHWC."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("name", "fields"), OPERATIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_layouts_are_those_of_torch(name: str, fields: dict[str, Any]) -> None:
    op, tried = OPS[name](**fields), 0
    for layout, (shape, strides) in LAYOUTS.items():
        t = TensorType((BATCH, *shape[1:]), "float32")
        try:
            infer_outputs(op, (t,))
        except ShapeError:
            continue
        for ordered in (False, True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    output, given, gradient = strides_of_torch(op.build(t).train(), shape, strides, ordered=ordered)
                except (RuntimeError, ValueError):  # such as a batch norm of a single value
                    continue
            assert strides_of_tape(op, t, shape, strides, given) == (output, gradient), (layout, ordered)
            tried += 1
    assert tried


GAPS: dict[str, tuple[Shape, Shape]] = {
    "part of NHWC of one channel": ((2, 1, 3, 5), (24, 1, 6, 1)), "part of NHWC": ((2, 2, 3, 5), (48, 1, 12, 2)),
    "part of NCHW": ((2, 2, 3, 4), (48, 24, 8, 2)), "part of a sequence": ((2, 3, 4), (24, 8, 2)),
}


@pytest.mark.parametrize("kind", ["add", "mul", "div"])
@pytest.mark.parametrize("dtypes", [("float32", "float32"), ("bfloat16", "float32"), ("float32", "bfloat16"), ("bfloat16", "bfloat16")])
def test_a_binary_kernel_reads_casts_of_tensors_with_gaps(kind: str, dtypes: tuple[str, str]) -> None:
    """A CPU casts an operand of another type before the kernel, and the cast has no gaps."""
    for layout, (shape, strides) in {**LAYOUTS, **GAPS}.items():
        given = []
        for dtype, own in zip(dtypes, (strides, None), strict=True):
            x = torch.zeros(4096, dtype=getattr(torch, dtype))
            given.append(x.as_strided(shape, own) if own else x[: torch.Size(shape).numel()].view(shape))
        tape = Tape(Setting(batch_size=shape[0]))
        a, b = (Tensor(Storage(tape.memory, 1 << 14), shape, dtype, x.stride()) for dtype, x in zip(dtypes, given, strict=True))
        for operands, tensors in (((a, b), given), ((b, a), given[::-1])):
            y, wanted = getattr(tape, kind)(*operands), getattr(torch, kind)(*tensors)
            assert (y.strides, y.dtype) == (wanted.stride(), str(wanted.dtype).removeprefix("torch.")), layout
