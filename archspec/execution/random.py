"""Functions that draw random numbers in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.execution.pointwise import Pointwise
from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Tensor

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class Random(Pointwise):
    """Random functions of a `Tape`."""

    def dropout(self, x: Tensor, p: float) -> Tensor:
        """Zeros in training. On a GPU one kernel keeps a mask of bools; on a CPU the factors are kept, in x's dtype."""
        if not self.training or p == 0:
            return x
        if p == 1:
            return self.mul(x, self.new((), x.dtype))  # torch multiplies with one zero
        if not self.cuda:
            return self.mul(x, self._noise(self.like(x), p))
        mask, y = self.like(x, "bool"), self.like(x)
        self.launch("dropout", (x,), (y, mask), flops=x.numel)
        self.record("dropout", (y,), (x,), (mask,), _dropout_backward)
        return y

    def channel_dropout(self, x: Tensor, p: float) -> Tensor:
        """Zero channels of (N, C, …) in training."""
        if not self.training or p == 0:
            return x
        if p == 1:
            return self.mul(x, self.new((), x.dtype))
        return self.mul(x, self._noise(self.new((*x.shape[:2], *[1] * (x.ndim - 2)), x.dtype), p))

    def stochastic_depth(self, x: Tensor, p: float, rows: int) -> Tensor:
        """Zero some of `rows` parts of x in training: its samples, or all of it."""
        if not self.training or p == 0:
            return x
        return self.mul(x, self._noise(self.new((rows, *[1] * (x.ndim - 1)), x.dtype), p))

    def _noise(self, noise: Tensor, p: float) -> Tensor:
        """0 with probability p, else 1 / (1 - p)."""
        self.launch("bernoulli_", (), (noise,), flops=noise.numel)
        if p < 1:
            self.launch("div_", (noise,), (noise,), flops=noise.numel)
        self.recomputation.note(self)
        return noise


def _dropout_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), (mask,) = grads, node.saved
    assert grad is not None
    result = tape.like(grad)
    tape.launch("dropout_backward", (grad, mask), (result,), flops=grad.numel)
    return (result,)
