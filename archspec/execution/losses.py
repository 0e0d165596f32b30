"""Losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Tensor

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class Losses(Recorder):
    """Losses of a `Tape`."""

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean cross entropy of (N, classes) with labels (N,): a log-softmax, which is kept, and a sum."""
        if not self.cuda:  # on a GPU, autocast leaves the log-softmax of a cross entropy in the low precision
            (logits,) = self.raise_(logits)
        scores = self.like(logits)
        self.launch("log_softmax", (logits,), (scores,), flops=5 * logits.numel)
        self.record("log_softmax", (scores,), (logits,), (scores,), _log_softmax_backward)
        (scores,) = self.raise_(scores)
        loss, total = self.new((), scores.dtype), self.new((), scores.dtype)
        self.launch("nll_loss", (scores, labels), (loss, total), flops=labels.numel)
        self.record("nll_loss", (loss,), (scores,), (scores, labels, total), _nll_backward)
        return loss

    def mean_of(self, x: Tensor) -> Tensor:
        """The mean of all elements."""
        return self.mean_to(x, self.new((), x.dtype))

    def mean_to(self, x: Tensor, y: Tensor) -> Tensor:
        """A mean of x, in the new tensor y. The gradient needs nothing saved. A CPU casts low precision to float32."""
        self.reduce("mean", x, y, self.wide(x))
        shape = x.shape
        self.record("mean", (y,), (x,), (), lambda tape, node, grads: (_spread(tape, grads[0], shape),))
        return y


def _spread(tape: Recorder, grad: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """The gradient of a mean: the output's, spread over its inputs."""
    assert grad is not None
    result = tape.new(shape, grad.dtype)
    tape.launch("div", (grad,), (result,), flops=result.numel)
    return result


def _log_softmax_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), (scores,) = grads, node.saved
    assert grad is not None
    result = tape.like(scores)
    tape.launch("log_softmax_backward", (grad, scores), (result,), flops=3 * scores.numel)
    return (result,)


def _nll_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    scores, labels, _ = node.saved
    result = tape.like(scores)
    tape.launch("nll_loss_backward", (grads[0], labels), (result,), flops=labels.numel)
    return (result,)
