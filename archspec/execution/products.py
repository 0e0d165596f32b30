"""Matrix products."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Tensor

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class Products(Recorder):
    """Products of a `Tape`."""

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """x Wᵀ + b over the last dimension: (…, features) -> (…, K). torch multiplies one matrix (addmm)."""
        x, weight, *rest = self.lower(x, weight, *([] if bias is None else [bias]))
        bias = rest[0] if rest else None
        rows, features, outputs = prod(x.shape[:-1]), x.shape[-1], weight.shape[0]
        y = self.new((*x.shape[:-1], outputs), x.dtype)
        self.launch("addmm" if rest else "mm", (x, weight, bias), (y,), macs=rows * features * outputs,
                    geometry=(1, rows, outputs, features))
        saved = ([x] if self.needs(weight) else []) + ([weight] if self.needs(x) else [])
        self.record("linear", (y,), (x, weight, bias), saved, _linear_backward)
        return y


def _linear_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), saved = grads, list(node.saved)
    assert grad is not None
    x = saved.pop(0) if node.needs(1) else None
    weight = saved.pop(0) if node.needs(0) else None
    rows, outputs = prod(grad.shape[:-1]), grad.shape[-1]
    results: list[Tensor | None] = [None, None, None]
    if weight is not None:
        features = weight.shape[1]
        results[0] = y = tape.new((*grad.shape[:-1], features), grad.dtype)
        tape.launch("mm", (grad, weight), (y,), macs=rows * outputs * features,
                    geometry=(1, rows, features, outputs))
    if x is not None:
        features = x.shape[-1]
        results[1] = y = tape.new((outputs, features), grad.dtype)
        tape.launch("mm", (grad, x), (y,), macs=rows * outputs * features,
                    geometry=(1, outputs, features, rows))
    if node.needs(2):
        results[2] = y = tape.new((outputs,), grad.dtype)
        tape.launch("sum", (grad,), (y,), flops=grad.numel)
    return results
