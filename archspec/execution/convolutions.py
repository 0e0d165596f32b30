"""Convolutions and their transposes in any rank."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from archspec.execution.onednn import Kind, Pass, convolution_bytes, uses_onednn
from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Shape, Storage, Tensor, as_image, channels_last, contiguous
from archspec.types import DTYPE_BYTES

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class _Geometry(NamedTuple):
    """What backward knows of a convolution."""

    macs: int
    shape: tuple[int, ...]
    biased: bool
    kind: Kind


class Convolutions(Recorder):
    """Convolutions of a `Tape`."""

    def convolution(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, size: Sequence[int], strides: Sequence[int],
        dilations: Sequence[int], *, groups: int = 1, transposed: bool = False, uneven: bool = False,
    ) -> Tensor:
        """A convolution of (N, C, …) to (N, K, *size), or a transposed one. torch keeps input and weight, not the bias.

        uneven: whether a transposed one adds to a side of its output as much as a stride, or more.
        The gradients of the input and of the weight cost as many MACs each as the forward pass.
        """
        if self.low is not None:
            x, weight, *rest = self.lower(x, weight, *([] if bias is None else [bias]))
            bias = rest[0] if rest else None
        channels = weight.shape[1] * groups if transposed else weight.shape[0]
        kind = Kind(groups, transposed, uneven)
        nhwc = _is_nhwc(self, x, weight, kind)
        shape = (x.shape[0], channels, *size)
        y = self._output(x, weight, shape, _layout(shape) if nhwc else contiguous(shape), kind)
        macs = (x if transposed else y).numel * (weight.numel // weight.shape[0])
        geometry = (x.shape[0], x.shape[1], channels, groups, *size, *weight.shape[2:], *strides, *dilations)
        read = self.for_kernel(x, nhwc=nhwc), self.for_kernel(weight, nhwc=nhwc)
        # cuDNN's convolutions know no bias: torch adds it afterwards. Its own depthwise kernel does.
        apart = self.cuda and bias is not None and not (x.ndim == 4 and groups == x.shape[1] > 1 and not transposed)
        self.launch("convolution", (*read, None if apart else bias), (y,), macs=macs, geometry=geometry, nhwc=nhwc,
                    beside=_beside(self, "forward", *read, y, nhwc=nhwc, kind=kind))
        if apart:
            self.launch("add_", (y, bias), (y,), flops=y.numel)
        del read
        known = _Geometry(macs, geometry, bias is not None, kind)
        self.record("convolution", (y,), (x, weight, bias), (x, weight),
                    lambda tape, node, grads: _backward(tape, node, grads, known))
        return y

    def _output(self, x: Tensor, weight: Tensor, shape: Shape, strides: Shape, kind: Kind) -> Tensor:
        """An empty output. Where torch itself computes a transposed 3-D convolution on a CPU, it starts from an empty
        tensor like the input, and a smaller output keeps that storage (NaiveConvolutionTranspose3d.cpp of ATen).
        """
        own = kind.transposed and kind.groups == 1 and len(shape) == 5 and not (self.cuda or self.meta)
        if not own or uses_onednn(x, weight, kind):
            return self.new(shape, x.dtype, strides)
        nbytes = max(prod(shape), x.numel) * DTYPE_BYTES[x.dtype]
        return Tensor(Storage(self.memory, nbytes), shape, x.dtype, strides)


def _is_nhwc(tape: Recorder, x: Tensor, weight: Tensor, kind: Kind) -> bool:
    """Whether a kernel works on NHWC. A sequence is an image of height 1, which torch first makes contiguous.

    Volumes that torch itself computes on a CPU are contiguous.
    """
    if x.ndim == 3:
        return x.is_contiguous and as_image(x).is_channels_last  # of a single step
    if x.ndim == 5 and not (tape.cuda or tape.meta or uses_onednn(x, weight, kind)):
        return False
    return x.is_channels_last or weight.is_channels_last


def _layout(shape: Shape) -> Shape:
    """The strides of NHWC, those of a sequence as of an image of height 1."""
    if len(shape) > 3:
        return channels_last(shape)
    batch, channel, _, step = channels_last((*shape[:2], 1, *shape[2:]))
    return batch, channel, step


def _beside(
    tape: Recorder, which: Pass, x: Tensor, weight: Tensor, y: Tensor, *, nhwc: bool, kind: Kind
) -> int:
    """What a convolution takes beside its tensors."""
    return 0 if tape.cuda or tape.meta else convolution_bytes(which, x, weight, y, nhwc=nhwc, kind=kind)


def _backward(tape: Recorder, node: Node, grads: Gradients, known: _Geometry) -> Gradients:
    (grad,), (x, weight) = grads, node.saved
    assert grad is not None
    nhwc = _is_nhwc(tape, x, weight, known.kind)
    grad, x = tape.for_kernel(grad, nhwc=nhwc), tape.for_kernel(x, nhwc=nhwc)
    weight = tape.for_kernel(weight, nhwc=nhwc)
    results: list[Tensor | None] = [None, None, None]
    if node.needs(0):
        results[0] = y = tape.new(x.shape, x.dtype, _layout(x.shape) if nhwc else None)
        beside = _beside(tape, "input", y, weight, grad, nhwc=nhwc, kind=known.kind)
        tape.launch("convolution_backward_input", (grad, weight), (y,), macs=known.macs, geometry=known.shape,
                    nhwc=nhwc, beside=beside)
    if node.needs(1):
        results[1] = y = _like_filters(tape, weight, nhwc=nhwc)
        beside = _beside(tape, "weight", x, y, grad, nhwc=nhwc, kind=known.kind)
        tape.launch("convolution_backward_weight", (grad, x), (y,), macs=known.macs, geometry=known.shape,
                    nhwc=nhwc, beside=beside)
    if known.biased and node.needs(2):
        results[2] = y = tape.new((grad.shape[1],), grad.dtype)
        onednn = not (tape.cuda or tape.meta) and uses_onednn(x, weight, known.kind)
        if onednn and not node.needs(1):
            tape.scratch(weight.nbytes)  # oneDNN computes the gradients of both
        if not (onednn and node.needs(1)):  # in the kernel of the weight's gradient
            tape.launch("convolution_backward_bias", (grad,), (y,), flops=prod(grad.shape))
    return results


def _like_filters(tape: Recorder, weight: Tensor, *, nhwc: bool) -> Tensor:
    """An empty gradient of a weight, which has the layout of the images; but not on torch's meta device."""
    y = tape.like(weight)
    if nhwc and not tape.meta:
        y.strides = _layout(weight.shape)
    return y
