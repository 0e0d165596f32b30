"""Functions of each element on its own, and sums and products of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Shape, Tensor

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class Pointwise(Recorder):
    """Element-wise functions of a `Tape`."""

    def activation(self, name: str, x: Tensor, *, saves: Literal["input", "output"], flops: int = 1) -> Tensor:
        """A function of each element. saves: what its gradient is computed from."""
        y = self.like(x)
        self.launch(name, (x,), (y,), flops=flops * x.numel)
        self.record(name, (y,), (x,), (x if saves == "input" else y,), _pointwise_backward)
        return y

    def scaled(self, name: str, x: Tensor) -> Tensor:
        """A linear function of each element: its gradient needs nothing saved."""
        y = self.like(x)
        self.launch(name, (x,), (y,), flops=x.numel)
        self.record(name, (y,), (x,), (), _scaled_backward)
        return y

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """a + b, broadcast."""
        y = self._broadcast("add", a, b)
        shapes = a.shape, b.shape
        self.record("add", (y,), (a, b), (), lambda tape, node, grads: _add_backward(tape, node, grads, shapes))
        return y

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        """a * b, broadcast."""
        y = self._broadcast("mul", a, b)
        keeps_a, keeps_b = self.needs(b), self.needs(a)
        shapes = a.shape, b.shape
        saved = ([a] if keeps_a else []) + ([b] if keeps_b else [])
        self.record("mul", (y,), (a, b), saved, lambda tape, node, grads: _mul_backward(tape, node, grads, shapes))
        return y

    def _broadcast(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        """The output of a binary kernel. torch takes the layout of the first input of full size."""
        dtype = a.dtype if a.dtype == b.dtype else "float32"
        if a.shape == b.shape:
            y = self.like(a, dtype)
        else:
            n = max(a.ndim, b.ndim)
            left, right = (1,) * (n - a.ndim) + a.shape, (1,) * (n - b.ndim) + b.shape
            shape = tuple([max(p, q) for p, q in zip(left, right, strict=True)])
            full = next((x for x in (a, b) if x.shape == shape), None)
            y = self.new(shape, dtype) if full is None else self.like(full, dtype)
        self.launch(name, (a, b), (y,), flops=y.numel)
        return y


def sum_to(tape: Recorder, x: Tensor, shape: Shape) -> Tensor:
    """The gradient of a tensor that was broadcast from this shape."""
    if x.shape == shape:
        return x
    y = tape.new(shape, x.dtype)
    tape.launch("sum", (x,), (y,), flops=x.numel)
    return y


def _pointwise_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), (saved,) = grads, node.saved
    assert grad is not None
    result = tape.like(saved, grad.dtype)
    tape.launch(node.name + "_backward", (grad, saved), (result,), flops=2 * grad.numel)
    return (result,)


def _scaled_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,) = grads
    assert grad is not None
    result = tape.like(grad)
    tape.launch(node.name + "_backward", (grad,), (result,), flops=grad.numel)
    return (result,)


def _add_backward(tape: Recorder, node: Node, grads: Gradients, shapes: tuple[Shape, Shape]) -> Gradients:
    (grad,) = grads
    assert grad is not None
    return [sum_to(tape, grad.alias(), shape) if node.needs(k) else None for k, shape in enumerate(shapes)]


def _mul_backward(tape: Recorder, node: Node, grads: Gradients, shapes: tuple[Shape, Shape]) -> Gradients:
    (grad,), saved = grads, list(node.saved)
    assert grad is not None
    a = saved.pop(0) if node.needs(1) else None
    b = saved.pop(0) if node.needs(0) else None
    results: list[Tensor | None] = []
    for k, other in enumerate((b, a)):
        if not node.needs(k):
            results.append(None)
            continue
        assert other is not None
        product = tape.like(grad)
        tape.launch("mul", (grad, other), (product,), flops=grad.numel)
        results.append(sum_to(tape, product, shapes[k]))
    return results
