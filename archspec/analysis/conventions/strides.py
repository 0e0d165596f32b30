"""The strides of every value on a CPU in evaluation: they decide which kernels torch runs, and so what some tools see.

Source: torch's rules for views (`aten/src/ATen/TensorUtils.cpp`, computeStride), for element-wise work (a dense output
in the order of the first input's strides, TensorIterator), and for channels-last images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import prod
from operator import mul
from typing import Any, Final

from archspec.ops import Operation
from archspec.ops.traits import Elementwise

Shape = tuple[int, ...]


def contiguous(shape: Shape) -> Shape:
    """The strides of a tensor in row-major order."""
    return tuple(accumulate(reversed(shape[1:]), mul, initial=1))[::-1] if shape else ()


def is_contiguous(shape: Shape, strides: Shape) -> bool:
    """Whether the elements are in row-major order without gaps. The stride of a dim of size 1 does not matter."""
    return all(size == 1 or a == b for size, a, b in zip(shape, strides, contiguous(shape), strict=True))


def strides_of(op: Operation, inputs: Sequence[tuple[Shape, Shape]], output: Shape, *, fused: bool = False) -> Shape:
    """The strides of an op's output, given the shape and strides of each input.

    fused: whether it is an attention in one kernel, whose output is in the order of the query.
    """
    if fused:
        return _dense(output, inputs[0][1])
    rule = _RULES.get(op.torch_name or "")
    if rule is not None:
        return rule(op, inputs, output)
    if op.trait(Elementwise) is not None or len(inputs) > 1:
        return _dense(output, next((s for shape, s in inputs if shape == output), contiguous(output)))
    return contiguous(output)


def _dense(shape: Shape, strides: Shape) -> Shape:
    """Without gaps, in the order of these strides."""
    found, step = [0] * len(shape), 1
    for dim in sorted(range(len(shape)), key=lambda d: (strides[d] or prod(shape) + 1, -d)):
        found[dim] = step
        step *= shape[dim]
    return tuple(found)


def _same(op: Operation, inputs: Sequence[tuple[Shape, Shape]], output: Shape) -> Shape:
    return inputs[0][1]


def _permuted(op: Any, inputs: Sequence[tuple[Shape, Shape]], output: Shape) -> Shape:
    return tuple([inputs[0][1][dim] for dim in op.dims])


def _without(op: Any, inputs: Sequence[tuple[Shape, Shape]], output: Shape) -> Shape:
    shape, strides = inputs[0]
    dim = op.dim % len(shape)
    return (*strides[:dim], *strides[dim + 1 :])


def _stepped(op: Any, inputs: Sequence[tuple[Shape, Shape]], output: Shape) -> Shape:
    shape, strides = inputs[0]
    dim = op.dim % len(shape)
    return tuple([s * getattr(op, "step", 1) if d == dim else s for d, s in enumerate(strides)])


def viewed(shape: Shape, strides: Shape, output: Shape) -> Shape:
    """The strides of a tensor in another shape: of a view if one is possible; otherwise torch copies."""
    runs = _runs(shape, strides)
    found: list[int] = []
    left = list(reversed(output))
    for size, stride in reversed(runs):
        filled = 1
        while left and (filled < size or left[0] == 1):
            found.append(stride * filled)
            filled *= left.pop(0)
        if filled != size:
            return contiguous(output)
    return (*[1] * len(left), *reversed(found))


def _reshaped(op: Operation, inputs: Sequence[tuple[Shape, Shape]], output: Shape) -> Shape:
    return viewed(*inputs[0], output)


def _runs(shape: Shape, strides: Shape) -> list[tuple[int, int]]:
    """Neighbouring dims that lie one after another in memory, as (elements, stride of the last)."""
    runs: list[tuple[int, int]] = []
    for size, stride in zip(shape, strides, strict=True):
        if size == 1:
            continue
        if runs and runs[-1][1] == size * stride:
            runs[-1] = (runs[-1][0] * size, stride)
        else:
            runs.append((size, stride))
    return runs or [(1, 1)]


def _expanded(op: Operation, inputs: Sequence[tuple[Shape, Shape]], output: Shape) -> Shape:
    return (0, *contiguous(output[1:]))


def _image(op: Operation, inputs: Sequence[tuple[Shape, Shape]], output: Shape) -> Shape:
    """Channels last if the input is, and otherwise row-major."""
    shape, strides = inputs[0]
    if len(shape) < 4 or is_contiguous(shape, strides):
        return contiguous(output)
    order = (0, *range(2, len(shape)), 1)
    last = is_contiguous(tuple([shape[d] for d in order]), tuple([strides[d] for d in order]))
    if not last:
        return contiguous(output)
    found = contiguous(tuple([output[d] for d in order]))
    return tuple([found[order.index(d)] for d in range(len(output))])


def _windows(op: Any, inputs: Sequence[tuple[Shape, Shape]], output: Shape) -> Shape:
    n, *sizes, channels = output
    padded = [-(-size // window) * window for size, window in zip(sizes, op.window_size, strict=True)]
    return contiguous((n, *padded, channels))


def _copied(op: Operation, inputs: Sequence[tuple[Shape, Shape]], output: Shape) -> Shape:
    return contiguous(output)


_IMAGES: Final = ("Conv", "ConvTranspose", "BatchNorm", "MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool")
_RULES: Final[dict[str, Callable[[Any, Sequence[tuple[Shape, Shape]], Shape], Shape]]] = {
    "Identity": _same, "Dropout": _same, "Dropout2d": _same, "StochasticDepth": _same, "Permute": _permuted,
    "Select": _without, "Slice": _stepped, "Chunk": _stepped, "Flatten": _reshaped, "Reshape": _reshaped,
    "Learned": _expanded, "Upsample": _image, "GroupNorm": _image, "WindowAttention": _windows,
    "Attention": _copied, "MatMul": _copied, "MultiHeadAttention": _copied, "Concat": _copied, "Stack": _copied,
    **{f"{name}{rank}d": _image for name in _IMAGES for rank in (1, 2, 3)},
}
