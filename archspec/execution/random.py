"""Functions that draw random numbers in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Tensor

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class Random(Recorder):
    """Random functions of a `Tape`."""

    def dropout(self, x: Tensor, p: float) -> Tensor:
        """Zeros in training. On a GPU one kernel keeps a mask of bools; on a CPU the factors are kept, in x's dtype."""
        if not self.training or p == 0:
            return x
        mask = self.like(x, "bool" if self.cuda else x.dtype)
        if not self.cuda:
            self.launch("bernoulli_", (), (mask,), flops=mask.numel)
            self.launch("div_", (mask,), (mask,), flops=mask.numel)
        y = self.like(x)
        self.launch("dropout", (x,) if self.cuda else (x, mask), (y, mask) if self.cuda else (y,), flops=x.numel)
        self.record("dropout", (y,), (x,), (mask,), _dropout_backward)
        return y


def _dropout_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), (mask,) = grads, node.saved
    assert grad is not None
    result = tape.like(grad)
    tape.launch("dropout_backward", (grad, mask), (result,), flops=grad.numel)
    return (result,)
