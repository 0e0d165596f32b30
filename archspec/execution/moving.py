"""Functions that move elements, or interpolate between them, whose gradients move them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Shape, Tensor

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class Moving(Recorder):
    """Functions of a `Tape` that move elements."""

    def moved(self, name: str, x: Tensor, shape: Sequence[int], *, flops: int = 0, in_order: bool = False) -> Tensor:
        """The elements of x at other places, or sums of some. The gradient needs nothing saved.

        in_order: the output is NCHW even if x is NHWC.
        """
        y = self.new(shape, x.dtype) if in_order else self.empty(shape, x.dtype, x)
        self.launch(name, (x,), (y,), flops=flops)
        before = x.shape
        self.record(name, (y,), (x,), (), lambda tape, node, grads: (_moved_back(tape, node, grads, before, flops),))
        return y

    def rolled(self, x: Tensor, dims: int) -> Tensor:
        """The elements of x, rolled along so many dimensions: along one, and the result along the others."""
        y = self._rolled("roll", x, dims)
        self.record("roll", (y,), (x,), (), lambda tape, node, grads: (_rolled_back(tape, grads[0], dims),))
        return y

    def _rolled(self, name: str, x: Tensor, dims: int) -> Tensor:
        y = self.empty(x.shape, x.dtype, x)
        if not self.meta:  # a memory tracker does not look into the kernel
            self.scratch((dims - 1) * y.nbytes)
        self.launch(name, (x,), (y,))
        return y

    def padded(self, mode: str, x: Tensor, margins: Sequence[int]) -> Tensor:
        """(N, C, …) with so many more places in each further dimension, filled from the input.

        mode: zeros, reflect, replicate or circular. The kernels of reflect and replicate keep the input.
        """
        shape = (*x.shape[:2], *[size + more for size, more in zip(x.shape[2:], margins, strict=True)])
        if mode == "zeros":
            return self.moved("constant_pad_nd", x, shape)
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


def _moved_back(tape: Recorder, node: Node, grads: Gradients, shape: Shape, flops: int) -> Tensor:
    (grad,) = grads
    assert grad is not None
    result = tape.empty(shape, grad.dtype, grad)
    tape.launch(node.name + "_backward", (grad,), (result,), flops=flops)
    return result


def _rolled_back(tape: Recorder, grad: Tensor | None, dims: int) -> Tensor:
    assert grad is not None and isinstance(tape, Moving)
    return tape._rolled("roll_backward", grad, dims)


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
    result = tape.like(x)
    tape.launch(node.name + "_backward", (grad,), (result,), flops=grad.numel)
    return (result,)


def _rows_backward(tape: Recorder, node: Node, grads: Gradients, shape: Shape) -> Tensor:
    (grad,) = grads
    assert grad is not None
    result = tape.new(shape, grad.dtype)
    tape.launch(node.name + "_backward", (grad, *node.saved), (result,), flops=grad.numel)
    return result
