"""Matrix products."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from archspec.execution.pointwise import Pointwise
from archspec.execution.recorder import Recorder
from archspec.execution.reshaping import Reshaping
from archspec.execution.tensor import Tensor

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class Products(Pointwise, Reshaping):
    """Products of a `Tape`."""

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """x Wᵀ + b over the last dimension: (…, features) -> (…, K). torch multiplies one matrix (addmm).

        Of inputs whose elements do not lie in order it first copies them, and it adds the bias afterwards. Where the
        weight is not trained, it multiplies a batch of matrices without a copy.
        """
        x, weight, *rest = self.lower(x, weight, *([] if bias is None else [bias]))
        bias = rest[0] if rest else None
        if x.ndim == 2:
            return self._linear(x, weight, bias)
        rows, shape = x.shape[:-1], (*x.shape[:-1], weight.shape[0])
        if bias is not None and x.is_contiguous:
            return self.reshape(self._linear(self.reshape(x, (prod(rows), x.shape[-1])), weight, bias), shape)
        if weight.node is None and any(
            x.strides[d] != x.strides[d + 1] * x.shape[d + 1] for d in range(x.ndim - 2)
        ):
            transposed = self.expand(self.transpose(weight, 0, 1), (*rows[:-1], *weight.shape[::-1]))
            y = self._batched(x, transposed)
        else:
            y = self.reshape(self._linear(self.reshape(x, (prod(rows), x.shape[-1])), weight, None), shape)
        return y if bias is None else self.add(y, bias, in_place=not self.meta)

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rows, features, outputs = prod(x.shape[:-1]), x.shape[-1], weight.shape[0]
        y = self.new((*x.shape[:-1], outputs), x.dtype)
        self.launch("mm" if bias is None else "addmm", (x, weight, bias), (y,), macs=rows * features * outputs,
                    geometry=(1, rows, outputs, features))
        saved = ([x] if self.needs(weight) else []) + ([weight] if self.needs(x) else [])
        columns = x.ndim == 2 and x.strides == (1, rows)
        self.record("mm" if bias is None else "addmm", (y,), (bias, x, weight), saved,
                    lambda tape, node, grads: _linear_backward(tape, node, grads, columns=columns))
        return y

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        """The matrix products (…, L, K) x (…, K, M) -> (…, L, M) of two batches of one rank, broadcast (torch.bmm).

        Inputs that have to be repeated, or whose elements do not lie in order, are copied.
        """
        return self._batched(*self.lower(a, b))

    def _batched(self, a: Tensor, b: Tensor) -> Tensor:
        lead = tuple([q if p == 1 else p for p, q in zip(a.shape[:-2], b.shape[:-2], strict=True)])
        count, (rows, inner), columns = prod(lead), a.shape[-2:], b.shape[-1]
        a = self.reshape(self.expand(a, (*lead, rows, inner)), (count, rows, inner))
        b = self.reshape(self.expand(b, (*lead, inner, columns)), (count, inner, columns))
        y = self.new((count, rows, columns), a.dtype)
        self.launch("bmm", (a, b), (y,), macs=count * rows * inner * columns, geometry=(count, rows, columns, inner))
        saved = ([a] if self.needs(b) else []) + ([b] if self.needs(a) else [])
        self.record("bmm", (y,), (a, b), saved, _bmm_backward)
        return self.reshape(y, (*lead, rows, columns))


def _linear_backward(tape: Recorder, node: Node, grads: Gradients, *, columns: bool) -> Gradients:
    """columns: whether the input lies in memory column by column; its gradient then does too."""
    (grad,), saved = grads, list(node.saved)
    assert grad is not None
    x = saved.pop(0) if node.needs(2) else None
    weight = saved.pop(0) if node.needs(1) else None
    rows, outputs = prod(grad.shape[:-1]), grad.shape[-1]
    results: list[Tensor | None] = [None, None, None]
    for k in (2, 1) if node.name == "mm" else (1, 2):  # the order in which torch computes them
        other = weight if k == 1 else x
        if other is not None:
            features = other.shape[-1]
            geometry = (1, rows, features, outputs) if k == 1 else (1, outputs, features, rows)
            shape = (*grad.shape[:-1], features) if k == 1 else (outputs, features)
            results[k] = y = tape.new(shape, grad.dtype, (1, rows) if k == 1 and columns else None)
            y.is_view = k == 2 or grad.ndim > 2 or columns  # of its transpose; of one matrix
            tape.launch("mm", (grad, other), (y,), macs=rows * outputs * features, geometry=geometry)
    if node.needs(0):
        results[0] = grad.alias()  # which is summed over the rows
    return results


def _bmm_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), saved = grads, list(node.saved)
    assert grad is not None
    a = saved.pop(0) if node.needs(1) else None
    b = saved.pop(0) if node.needs(0) else None
    count, rows, columns = grad.shape
    results: list[Tensor | None] = [None, None]
    if a is not None:
        inner = a.shape[-1]
        results[1] = y = tape.new((count, inner, columns), grad.dtype)
        tape.launch("bmm", (a, grad), (y,), macs=grad.numel * inner, geometry=(count, inner, columns, rows))
    if b is not None:
        inner = b.shape[-2]
        results[0] = y = tape.new((count, rows, inner), grad.dtype)
        tape.launch("bmm", (grad, b), (y,), macs=grad.numel * inner, geometry=(count, rows, inner, columns))
    return results
