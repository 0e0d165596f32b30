"""Normalisations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Tensor

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class Norms(Recorder):
    """Normalisations of a `Tape`."""

    def batch_norm(
        self, x: Tensor, weight: Tensor | None, bias: Tensor | None, running: tuple[Tensor, Tensor] | None, *,
        batch: bool,
    ) -> Tensor:
        """Each channel of (N, C, …) with its mean and deviation. batch: those of this batch, else the running ones."""
        channels = x.shape[1]
        y = self.like(x)
        statistics = [self.new((channels,), "float32") for _ in range(2)] if batch else []
        known = [t for t in (weight, *(running or ())) if t is not None]
        written = [y, *statistics, *(running or () if batch else ())]
        self.launch("batch_norm", (x, weight, bias, *(running or ())), written, flops=(4 if batch else 2) * x.numel)
        self.record("batch_norm", (y,), (x, weight, bias), (x, *known, *statistics), _batch_norm_backward)
        return y


def _batch_norm_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), (x, *_) = grads, node.saved
    assert grad is not None
    results: list[Tensor | None] = [tape.like(x, grad.dtype) if node.needs(0) else None]
    for k in (1, 2):
        results.append(tape.new((x.shape[1],), "float32") if node.needs(k) else None)
    written = [y for y in results if y is not None]
    tape.launch("batch_norm_backward", (grad, x), written, flops=5 * x.numel)
    return results
