"""Functions of each element on its own, and sums and products of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Shape, Tensor, channels_last, contiguous, iterated, written
from archspec.types import DTYPE_BYTES

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node

CLAMPS: Final = ("relu6",)  # torch starts it from an empty tensor like the input
SAVED_FIRST: Final = ("relu", "leaky_relu")  # whose backward kernels take the saved tensor before the gradient


class Pointwise(Recorder):
    """Element-wise functions of a `Tape`."""

    def activation(self, name: str, x: Tensor, *, saves: Literal["input", "output"], flops: int = 1) -> Tensor:
        """A function of each element. saves: what its gradient is computed from."""
        y = self.like(x) if name in CLAMPS else _output(self, x)
        self.launch(name, (x,), (y,), flops=flops * x.numel)
        self.record(name, (y,), (x,), (x if saves == "input" else y,), _pointwise_backward)
        return y

    def scaled(self, name: str, x: Tensor) -> Tensor:
        """A linear function of each element: its gradient needs nothing saved."""
        y = self.new(x.shape, x.dtype, iterated(x.shape, (x.strides,)))  # torch broadcasts the number
        self.launch(name, (x,), (y,), flops=x.numel)
        self.record(name, (y,), (x,), (), _scaled_backward)
        return y

    def absolute(self, x: Tensor) -> Tensor:
        """|x|. The gradient is a product with the sign of x, which is computed in backward."""
        y = _output(self, x)
        self.launch("abs", (x,), (y,), flops=x.numel)
        self.record("abs", (y,), (x,), (x,), _abs_backward)
        return y

    def power(self, x: Tensor) -> Tensor:
        """x to the power of a number."""
        if self.cuda:
            (x,) = self.raise_(x)
        y = _output(self, x)
        self.launch("pow", (x,), (y,), flops=x.numel)
        self.record("pow", (y,), (x,), (x,), _power_backward)
        return y

    def prelu(self, x: Tensor, weight: Tensor) -> Tensor:
        """x where positive, else a learned slope times x: one slope, or one for each channel (dim 1)."""
        x, weight = self.lower(x, weight)
        y = self.like(x)
        self.launch("prelu", (x, weight), (y,), flops=x.numel)
        self.record("prelu", (y,), (x, weight), (x, weight), _prelu_backward)
        return y

    def add(self, a: Tensor, b: Tensor, name: str = "add", *, in_place: bool = False) -> Tensor:
        """a + b, broadcast. name: `sub` for a - b. in_place: whether it overwrites a."""
        if in_place:
            y = a.alias()
            self.launch(name, (a, b), (y,), flops=y.numel)
        else:
            y = self._broadcast(name, a, b)
        self.record(name, (y,), (a, b), (), _add_backward)
        return y

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        """a * b, broadcast."""
        y = self._broadcast("mul", a, b)
        keeps_a, keeps_b = self.needs(b), self.needs(a)
        saved = ([a] if keeps_a else []) + ([b] if keeps_b else [])
        self.record("mul", (y,), (a, b), saved, _mul_backward)
        return y

    def div(self, a: Tensor, b: Tensor) -> Tensor:
        """a / b, broadcast."""
        y = self._broadcast("div", a, b)
        saved = (b, a) if self.needs(b) else (b,)
        self.record("div", (y,), (a, b), saved, _div_backward)
        return y

    def _broadcast(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        """The output of a binary kernel."""
        dtype = a.dtype if a.dtype == b.dtype else max(a.dtype, b.dtype, "float32", key=DTYPE_BYTES.__getitem__)
        y = _output(self, a, b, dtype=dtype)
        self.elementwise(name, (a, b), y)
        return y


def _output(tape: Recorder, *operands: Tensor, dtype: str | None = None) -> Tensor:
    """A new tensor as an element-wise kernel writes it: in the shape and the layout of its operands, broadcast."""
    first = operands[0]
    dtype = dtype or first.dtype
    if all(x.shape == first.shape for x in operands):
        return tape.new(first.shape, dtype, written(first.shape, tuple([_read(tape, x, dtype) for x in operands])))
    n = max(x.ndim for x in operands)
    sizes = zip(*[(1,) * (n - x.ndim) + x.shape for x in operands], strict=True)
    shape = tuple([next((size for size in each if size != 1), 1) for each in sizes])
    strides = []
    for x in operands:
        missing = n - x.ndim
        pairs = zip(shape[missing:], x.shape, _read(tape, x, dtype), strict=True)
        strides.append((0,) * missing + tuple([0 if own == 1 != size else step for size, own, step in pairs]))
    return tape.new(shape, dtype, iterated(shape, tuple(strides)))


def _read(tape: Recorder, x: Tensor, dtype: str) -> Shape:
    """The strides of an operand as the kernel reads it: a CPU first casts those of another dtype, and closes gaps."""
    if x.dtype == dtype or tape.cuda or tape.meta or x.is_dense:
        return x.strides
    return channels_last(x.shape) if x.is_channels_last else contiguous(x.shape)


def computed(tape: Recorder, name: str, *operands: Tensor | None, dtype: str | None = None) -> Tensor:
    """The output of an element-wise kernel in backward."""
    y = _output(tape, *[x for x in operands if x is not None], dtype=dtype)
    tape.elementwise(name, operands, y)
    return y


def _pointwise_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), (saved,) = grads, node.saved
    assert grad is not None
    operands = (saved, grad) if node.name in SAVED_FIRST else (grad, saved)
    result = _output(tape, *operands, dtype=grad.dtype)
    tape.launch(node.name + "_backward", (grad, saved), (result,), flops=2 * grad.numel)
    return (result,)


def _scaled_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,) = grads
    assert grad is not None
    result = tape.like(grad)
    tape.launch(node.name + "_backward", (grad,), (result,), flops=grad.numel)
    return (result,)


def _abs_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    return (computed(tape, "mul", grads[0], computed(tape, "sgn", node.saved[0])),)


def _power_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    lower = computed(tape, "pow", node.saved[0])  # x to the exponent - 1
    return (computed(tape, "mul", computed(tape, "mul", grads[0]), lower),)


def _prelu_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), (x, weight) = grads, node.saved
    assert grad is not None
    strides = iterated(x.shape, (x.strides, grad.strides))
    of_x, of_weight = (tape.new(x.shape, x.dtype, strides) for _ in range(2))
    tape.launch("prelu_backward", (grad, x, weight), (of_x, of_weight), flops=3 * x.numel)
    return of_x, of_weight


def _add_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,) = grads
    assert grad is not None
    results: list[Tensor | None] = [grad.alias() if node.needs(0) else None, None]
    if node.needs(1):
        results[1] = computed(tape, "neg", grad) if node.name == "sub" else grad.alias()
    return results


def _mul_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), saved = grads, list(node.saved)
    a = saved.pop(0) if node.needs(1) else None
    b = saved.pop(0) if node.needs(0) else None
    return [None if other is None else computed(tape, "mul", grad, other) for other in (b, a)]


def _div_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), (b, *a) = grads, node.saved
    assert grad is not None
    results: list[Tensor | None] = [None, None]
    if a:  # -grad * ((a / b) / b), whose parts C++ frees at the end of the expression
        quotient = computed(tape, "div", *a, b, dtype=grad.dtype)
        squared = computed(tape, "div", quotient, b)
        results[1] = computed(tape, "mul", computed(tape, "neg", grad), squared)
        del quotient, squared
    if node.needs(0):
        results[0] = computed(tape, "div", grad, b)
    return results
