"""What oneDNN takes for a convolution beside its tensors, on a CPU: copies in its own layouts, and scratch memory.

torch gives oneDNN its allocator, so these bytes count in what a CPU is measured to use. oneDNN's convolutions for
float32 work on blocks of 16 channels (nChw16c, AVX-512): an input of 3 channels is copied as one of 16, and so is an
output of 6 before torch copies it back. Those for bfloat16 work on NHWC. An NHWC tensor needs no copy.
Seen with torch.profiler (torch 2.14.1, oneDNN 3; mkldnn/Conv.cpp and ideep of torch): the sequence of allocations of
each kernel, in the comments below. Which kernel oneDNN takes depends on the processor, so this is a bound.
"""

from __future__ import annotations

from math import prod
from typing import Final, Literal, NamedTuple

from archspec.execution.tensor import Tensor
from archspec.types import DTYPE_BYTES

Pass = Literal["forward", "input", "weight"]


class Kind(NamedTuple):
    """What decides beside the shapes who computes a convolution.

    uneven: whether it adds to a side of its output as much as a stride, or more.
    """

    groups: int
    transposed: bool
    uneven: bool


LANES: Final = 16  # channels of a block
FEW: Final = 3  # channels of an image
SMALL: Final = 20_480  # elements
SCRATCH: Final = 256 << 10  # bytes, of small buffers of two threads
IMAGES: Final = 8  # that threads transpose at a time for the gradient of a bfloat16 weight
WIDE: Final = 4  # bytes of the sums of such a gradient


def convolution_bytes(which: Pass, x: Tensor, weight: Tensor, y: Tensor, *, nhwc: bool, kind: Kind) -> int:
    """The most that is live beside input, weight, output and the result, in bytes, at any moment of one kernel.

    which: the forward pass, or the gradient of the input or the weight. x, y: (N, C, …) and (N, K, …), or their
    gradients. The result is live from the start in the simulation; in torch only after the kernel has run.
    """
    if not uses_onednn(x, weight, kind):  # torch itself makes a matrix with a column for each window
        moved = x if kind.transposed else y
        return moved.shape[0] * weight.nbytes // weight.shape[0] * prod(moved.shape[2:]) + SCRATCH
    low, nhwc = x.dtype != "float32", nhwc and x.shape[1] > 1  # of one channel the layouts are the same
    inner, outer = (0, 0) if nhwc else (_copy(x, low=low), _copy(y, low=low))
    filters, tensors = _filters(weight), x.nbytes + y.nbytes
    if which == "weight":  # x', y', w', scratch; then the result
        if low:
            turned = min(x.shape[0], IMAGES) * tensors // x.shape[0]
            return inner + outer + filters + filters // DTYPE_BYTES[weight.dtype] * WIDE + turned + SCRATCH
        twice = nhwc or filters < tensors  # torch copies them to NHWC; or threads divide the images and add up
        return inner + outer + filters * (1 + twice) + SCRATCH
    made, result = (outer, y) if which == "forward" else (inner, x)
    during = inner + outer + filters - (0 if nhwc else result.nbytes)  # x', w', y'
    return max(during, 2 * made if low or kind.transposed else made) + SCRATCH  # y', sometimes twice, and the result


def uses_onednn(x: Tensor, weight: Tensor, kind: Kind) -> bool:
    """Whether torch lets oneDNN compute a convolution, with several threads (use_mkldnn of ATen's Convolution.cpp).

    Small ones of a single sample it computes itself. A sequence is an image of height 1.
    """
    if kind.uneven or x.dtype == "float64":
        return False
    if x.dtype != "float32":
        return True
    if kind.groups > 1:
        return not (kind.transposed and kind.groups == x.shape[1])
    large = x.ndim > 3 and min(weight.shape[-2:]) > 3
    return large or x.shape[0] > 1 or prod(x.shape[:4]) > SMALL


def _copy(x: Tensor, *, low: bool) -> int:
    """A copy of (N, C, …) in blocks of channels, but not of up to 3, which kernels read as they are; NHWC if `low`."""
    channels = x.shape[1]
    wanted = channels if low else 0 if channels <= FEW else _up(channels)
    return x.numel // channels * wanted * DTYPE_BYTES[x.dtype]


def _filters(weight: Tensor) -> int:
    """A copy of (K, C / groups, …) with both in blocks; of depthwise filters (K, 1, …) only K."""
    outputs, inputs = weight.shape[:2]
    window = weight.numel // (outputs * inputs)
    return window * _up(outputs) * (_up(inputs) if inputs > 1 else 1) * DTYPE_BYTES[weight.dtype]


def _up(channels: int) -> int:
    return -(-channels // LANES) * LANES
