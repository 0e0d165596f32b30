"""Pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archspec.execution.losses import filled
from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Tensor

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class Pooling(Recorder):
    """Pools of a `Tape`."""

    def max_pool(self, name: str, x: Tensor, size: Sequence[int], *, flops: int) -> Tensor:
        """The largest value of each window: (N, C, …) -> (N, C, *size). Keeps the input and the places (int64)."""
        shape = (*x.shape[:2], *size)
        y, places = self.empty(shape, x.dtype, x), self.empty(shape, "int64", x)
        self.launch(name, (x,), (y, places), flops=flops)
        self.record(name, (y,), (x,), (x, places), _pool_backward)
        return y

    def avg_pool(self, name: str, x: Tensor, size: Sequence[int], *, flops: int) -> Tensor:
        """The mean of each window: (N, C, …) -> (N, C, *size). Keeps the input."""
        y = self.empty((*x.shape[:2], *size), x.dtype, x)
        self.launch(name, (x,), (y,), flops=flops)
        self.record(name, (y,), (x,), (x,), _pool_backward)
        return y

    def mean(self, x: Tensor, dims: tuple[int, ...]) -> Tensor:
        """The mean over dims, which stay with size 1. The gradient needs nothing saved."""
        shape = tuple([1 if d in dims else size for d, size in enumerate(x.shape)])
        y = self.empty(shape, x.dtype, x)
        self.launch("mean", (x,), (y,), flops=x.numel)
        before = x.shape
        self.record("mean", (y,), (x,), (), lambda tape, node, grads: (filled(tape, grads[0], before),))
        return y


def _pool_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), (x, *places) = grads, node.saved
    assert grad is not None
    result = tape.like(x, grad.dtype)
    tape.launch(node.name + "_backward", (grad, *places), (result,), flops=x.numel)
    return (result,)
