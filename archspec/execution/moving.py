"""Functions that move elements, or interpolate between them, whose gradients move them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Shape, Tensor, channels_last, contiguous

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class Moving(Recorder):
    """Functions of a `Tape` that move elements."""

    def moved(
        self, name: str, x: Tensor, shape: Sequence[int], *, flops: int = 0, in_order: bool = False,
        back_in_order: bool = False,
    ) -> Tensor:
        """The elements of x at other places, or sums of some. The gradient needs nothing saved.

        in_order: the output is NCHW even if x is NHWC. back_in_order: so is the gradient, even if the output's is NHWC.
        """
        y = self.new(shape, x.dtype) if in_order else self.empty(shape, x.dtype, x)
        self.launch(name, (x,), (y,), flops=flops)
        like = x.shape, back_in_order
        self.record(name, (y,), (x,), (), lambda tape, node, grads: (_moved_back(tape, node, grads, like, flops),))
        return y

    def zero_padded(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """x within zeros. Where nothing is added it is a copy, and so is the gradient."""
        shape, before = tuple(shape), x.shape
        y = self.like(x) if shape == before else self.empty(shape, x.dtype, x)
        self.launch("constant_pad_nd", (x,), (y,))
        self.record("constant_pad_nd", (y,), (x,), (), lambda tape, node, grads: (_cut_out(tape, grads[0], before),))
        return y

    def rolled(self, x: Tensor, shifts: Sequence[int], dims: Sequence[int]) -> Tensor:
        """The elements of x, rolled along some dimensions: along one, and the result along the others."""
        y = self._rolled("roll", x, shifts, dims)
        back = [-shift for shift in reversed(shifts)], dims[::-1]
        self.record("roll", (y,), (x,), (), lambda tape, node, grads: (_rolled_back(tape, grads[0], *back),))
        return y

    def _rolled(self, name: str, x: Tensor, shifts: Sequence[int], dims: Sequence[int]) -> Tensor:
        strides = x.strides  # torch joins two parts: to NHWC if both are that, which an empty one never is
        for shift, dim in zip(shifts, dims, strict=True):
            start, size = -shift % x.shape[dim], x.shape[dim]
            parts = [(*x.shape[:dim], part, *x.shape[dim + 1 :]) for part in (size - start, start)]
            nhwc = all(x.view(part, strides).is_channels_last for part in parts)
            strides = channels_last(x.shape) if nhwc else contiguous(x.shape)
        y = self.new(x.shape, x.dtype, strides)
        if not self.meta:  # a memory tracker does not look into the kernel
            self.scratch((len(dims) - 1) * y.nbytes)
        self.launch(name, (x,), (y,))
        return y

    def padded(self, mode: str, x: Tensor, margins: Sequence[int]) -> Tensor:
        """(N, C, …) with so many more places in each further dimension, filled from the input.

        mode: zeros, reflect, replicate or circular. The kernels of reflect and replicate keep the input.
        """
        shape = (*x.shape[:2], *[size + more for size, more in zip(x.shape[2:], margins, strict=True)])
        if mode == "zeros":
            return self.zero_padded(x, shape)
        if mode == "circular":
            y, before = self.new(shape, x.dtype), x.shape
            self.launch("circular_pad", (x,), (y,))
            self.record("circular_pad", (y,), (x,), (), lambda tape, node, grads: (_unwrapped(tape, grads[0], before),))
            return y
        if not self.cuda and (mode == "replicate" or x.ndim < 5):
            (x,) = self.raise_(x)
        name = f"{'reflection' if mode == 'reflect' else 'replication'}_pad{x.ndim - 2}d"
        y = self.empty(shape, x.dtype, x)
        self.launch(name, (x,), (y,))
        self.record(name, (y,), (x,), (x,), _padded_backward)
        return y

    def rows(self, weight: Tensor, places: Tensor, name: str = "index") -> Tensor:
        """A row of `weight` for each integer of `places`: (N, …) -> (N, …, width). Keeps the integers."""
        y = self.new((*places.shape, weight.shape[-1]), weight.dtype)
        self.launch(name, (places, y), (y,))
        like = weight.shape
        self.record(name, (y,), (weight,), (places,),
                    lambda tape, node, grads: (_rows_backward(tape, node, grads, like),))
        return y


def _moved_back(tape: Recorder, node: Node, grads: Gradients, like: tuple[Shape, bool], flops: int) -> Tensor:
    (grad,), (shape, in_order) = grads, like
    assert grad is not None
    result = tape.new(shape, grad.dtype) if in_order else tape.empty(shape, grad.dtype, grad)
    tape.launch(node.name + "_backward", (grad,), (result,), flops=flops)
    return result


def _cut_out(tape: Recorder, grad: Tensor | None, shape: Shape) -> Tensor:
    assert grad is not None
    result = tape.like(grad.view(shape, grad.strides))
    tape.launch("constant_pad_nd_backward", (grad,), (result,))
    return result


def _rolled_back(tape: Recorder, grad: Tensor | None, shifts: Sequence[int], dims: Sequence[int]) -> Tensor:
    assert grad is not None and isinstance(tape, Moving)
    return tape._rolled("roll_backward", grad, shifts, dims)


def _unwrapped(tape: Recorder, grad: Tensor | None, shape: Shape) -> Tensor:
    """The gradient of a circular padding, which torch writes edge by edge: each is taken out and added elsewhere."""
    assert grad is not None
    rest = tape.like(grad)
    tape.launch("copy", (grad,), (rest,))
    margins = [(d, grad.shape[d] - size) for d, size in enumerate(shape) if grad.shape[d] > size]
    edge = max([grad.nbytes // grad.shape[d] * (more - more // 2) for d, more in margins], default=0)
    tape.scratch(rest.nbytes if tape.meta else 2 * edge)  # a sum that is not in place; an edge, and zeros in its place
    result = tape.new(shape, grad.dtype)
    tape.launch("circular_pad_backward", (rest,), (result,), flops=rest.numel)
    return result


def _padded_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), (x,) = grads, node.saved
    assert grad is not None
    result = tape.empty(x.shape, x.dtype, x)
    tape.launch(node.name + "_backward", (grad,), (result,), flops=grad.numel)
    return (result,)


def _rows_backward(tape: Recorder, node: Node, grads: Gradients, shape: Shape) -> Tensor:
    (grad,) = grads
    assert grad is not None
    result = tape.new(shape, grad.dtype)
    tape.launch(node.name + "_backward", (grad, *node.saved), (result,), flops=grad.numel)
    return result
