"""Pooling and reductions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from archspec.execution.losses import Losses
from archspec.execution.pointwise import computed
from archspec.execution.recorder import Recorder
from archspec.execution.reshaping import view_strides
from archspec.execution.tensor import Shape, Tensor, as_image

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


IN_ORDER: Final = (  # these give NCHW of NHWC, back too
    "avg_pool3d", "adaptive_avg_pool3d", "adaptive_max_pool3d", "global_max_pool3d",
)


class Pooling(Losses):
    """Pools of a `Tape`."""

    def max_pool(self, name: str, x: Tensor, size: Sequence[int], *, flops: int, keeps_places: bool = True) -> Tensor:
        """The largest value of each window: (N, C, …) -> (N, C, *size). Keeps the input and the places (int64).

        keeps_places: whether it writes the places even if x needs no gradient.
        """
        x = self._pooled(x)
        if not (keeps_places or self.needs(x)):  # torch's own kernel, which wants the elements in order
            y = self.new((*x.shape[:2], *size), x.dtype)
            self.launch(name, (self.contiguous(x),), (y,), flops=flops)
            return y
        y, places = (_windows(self, x, size, dtype, in_order=name in IN_ORDER) for dtype in (x.dtype, "int64"))
        self.launch(name, (x,), (y, places), flops=flops)
        self.record(name, (y,), (x,), (x, places), _pool_backward)
        return y

    def avg_pool(self, name: str, x: Tensor, size: Sequence[int], *, flops: int) -> Tensor:
        """The mean of each window: (N, C, …) -> (N, C, *size). Keeps the input."""
        x = self._pooled(x)
        y = _windows(self, x, size, x.dtype, in_order=name in IN_ORDER)
        self.launch(name, (x,), (y,), flops=flops)
        self.record(name, (y,), (x,), (x,), _pool_backward)
        return y

    def _pooled(self, x: Tensor) -> Tensor:
        """Under autocast a CPU pools volumes in float32."""
        return x if self.cuda or x.ndim < 5 else self.raise_(x)[0]

    def mean(self, x: Tensor) -> Tensor:
        """The mean of each channel: (N, C, …) -> (N, C, 1, …). The gradient needs nothing saved.

        torch gives the mean of a channels-last x its strides afterwards (`as_strided_`), whose gradient is a copy.
        """
        x = self._pooled(x)
        y = _windows(self, x, [1] * (x.ndim - 2), x.dtype, in_order=False)
        self.mean_to(x, y)
        if as_image(x).is_channels_last:
            self.record("as_strided", (y,), (y,), (), _placed_back)
        return y

    def reduced(self, name: str, x: Tensor, dims: Sequence[int], shape: Sequence[int]) -> Tensor:
        """The mean or the largest value (`amax`) over dims; shape: of the output. The latter keeps input and output."""
        y = self.new(shape, x.dtype)
        if name == "mean":
            return self.mean_to(x, y)
        self.launch(name, (x,), (y,), flops=x.numel)
        over = tuple([1 if d in dims else size for d, size in enumerate(x.shape)])
        self.record(name, (y,), (x,), (x, y), lambda tape, node, grads: _amax_backward(tape, node, grads, over))
        return y


def _windows(tape: Recorder, x: Tensor, size: Sequence[int], dtype: str, *, in_order: bool) -> Tensor:
    """A new tensor (N, C, *size) in the layout of x. torch pools a sequence as an image of height 1."""
    if in_order:
        return tape.new((*x.shape[:2], *size), dtype)
    if x.ndim > 3:
        return tape.empty((*x.shape[:2], *size), dtype, x)
    y = tape.empty((*x.shape[:2], 1, *size), dtype, as_image(x))
    return y.view((*x.shape[:2], *size), (*y.strides[:2], y.strides[3]))


def _placed_back(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    """torch places a gradient in zeros, also where it fills them all."""
    (grad,) = grads
    assert grad is not None
    result = tape.new(grad.shape, grad.dtype)
    tape.launch("fill", (grad,), (result,))
    return (result,)


def _pool_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), (x, *places) = grads, node.saved
    assert grad is not None
    result = _windows(tape, x, x.shape[2:], grad.dtype, in_order=node.name in IN_ORDER)
    tape.launch(node.name + "_backward", (grad, *places), (result,), flops=x.numel)
    return (result,)


def _amax_backward(tape: Recorder, node: Node, grads: Gradients, over: Shape) -> Gradients:
    """Equal largest values share the gradient. over: the shape of the output with the dimensions that were dropped."""
    (grad,), (x, y) = grads, node.saved
    assert grad is not None
    grad, y = _with_dims(grad, over), _with_dims(y, over)
    mask = computed(tape, "eq", y, x, dtype="bool")
    counts = tape.sum_to(mask, over, "int64")
    return (computed(tape, "mul", computed(tape, "div", grad, counts), mask, dtype=grad.dtype),)


def _with_dims(x: Tensor, shape: Shape) -> Tensor:
    """A view with dimensions of size 1 again."""
    return x.view(shape, view_strides(x.shape, x.strides, shape))
