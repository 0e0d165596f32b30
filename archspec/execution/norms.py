"""Normalisations and softmax."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from archspec.execution.moving import Moving
from archspec.execution.pooling import Pooling
from archspec.execution.products import Products
from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Tensor, channels_last, contiguous, same_order

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class Norms(Products, Moving, Pooling):
    """Normalisations of a `Tape`."""

    def batch_norm(
        self, x: Tensor, weight: Tensor | None, bias: Tensor | None, running: tuple[Tensor, Tensor] | None, *,
        batch: bool,
    ) -> Tensor:
        """Each channel of (N, C, …) with its mean and deviation. batch: those of this batch, else the running ones."""
        channels = x.shape[1]
        y = _normed(self, x)
        known = [t for t in (weight, *(running or ())) if t is not None]
        dtype = self._statistics_dtype(x, known)
        statistics = [self.new((channels,), dtype) for _ in range(2)] if batch else []
        written = [y, *statistics, *(running or () if batch else ())]
        self.launch("batch_norm", (x, weight, bias, *(running or ())), written, flops=(4 if batch else 2) * x.numel,
                    geometry=(x.shape[0], channels, prod(x.shape[2:])), nhwc=x.is_channels_last)
        learned = self.setting.dtype
        self.record("batch_norm", (y,), (x, weight, bias), (x, *known, *statistics),
                    lambda tape, node, grads: _batch_norm_backward(tape, node, grads, learned))
        return y

    def instance_norm(
        self, x: Tensor, weight: Tensor | None, bias: Tensor | None, running: tuple[Tensor, Tensor] | None, *,
        batch: bool,
    ) -> Tensor:
        """Each channel of each sample of (N, C, …): a batch norm of (1, N*C, …), with N copies of each vector."""
        n, channels, *rest = x.shape
        weight, bias = (None if t is None else self.repeat(t, n) for t in (weight, bias))
        copies = None if running is None else (self.repeat(running[0], n), self.repeat(running[1], n))
        flat = self.reshape(self.contiguous(x), (1, n * channels, *rest))
        y = self.batch_norm(flat, weight, bias, copies, batch=batch)
        if running is not None and copies is not None and batch:
            for kept, new in zip(running, copies, strict=True):
                self.launch("mean", (new,), (kept,), flops=new.numel)
        return self.reshape(y, x.shape)

    def layer_norm(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, over: int) -> Tensor:
        """Each sample over its last `over` dimensions. torch keeps the offset, too."""
        if self.cuda:
            x, weight, bias = self._raised(x, weight, bias)
        rows = prod(x.shape[:-over])
        y = self.new(x.shape, x.dtype)
        return self._normalised("layer_norm", x, y, weight, bias, (rows,), keeps_bias=True)

    def group_norm(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, groups: int) -> Tensor:
        """Each sample of (N, C, …) over groups of its channels. A GPU gives NCHW."""
        if self.cuda:
            x, weight, bias = self._raised(x, weight, bias)
        y = self.new(x.shape, x.dtype) if self.cuda else self.empty(x.shape, x.dtype, x)
        return self._normalised("group_norm", x, y, weight, bias, (x.shape[0], groups), keeps_bias=False)

    def _raised(self, x: Tensor, *weights: Tensor | None) -> tuple[Tensor, Tensor | None, Tensor | None]:
        first, second = (None if t is None else self.raise_(t)[0] for t in weights)
        return self.raise_(x)[0], first, second

    def _statistics_dtype(self, x: Tensor, weights: Sequence[Tensor]) -> str:
        """A CPU has statistics in the dtype of the weights, a GPU in float32 at least."""
        if self.cuda:
            return "float64" if x.dtype == "float64" else "float32"
        return weights[0].dtype if weights else x.dtype

    def _normalised(
        self, name: str, x: Tensor, y: Tensor, weight: Tensor | None, bias: Tensor | None, groups: tuple[int, ...], *,
        keeps_bias: bool,
    ) -> Tensor:
        dtype = self._statistics_dtype(x, () if weight is None else (weight,))
        statistics = [self.new(groups, dtype) for _ in range(2)]
        self.launch(name, (x, weight, bias), (y, *statistics), flops=(5 + (weight is not None) + (bias is not None))
                    * x.numel)
        vectors = [t for t in (weight, bias if keeps_bias else None) if t is not None]
        shape, learned = None if weight is None else weight.shape, self.setting.dtype
        self.record(name, (y,), (x, weight, bias), (x, *vectors, *statistics),
                    lambda tape, node, grads: _normalised_backward(tape, node, grads, shape, learned))
        return y

    def softmax(self, name: str, x: Tensor) -> Tensor:
        """A softmax, or its logarithm, along a dimension. Keeps the output."""
        if self.cuda:
            (x,) = self.raise_(x)
        y = self.new(x.shape, x.dtype)
        self.launch(name, (x,), (y,), flops=3 * x.numel)
        self.record(name, (y,), (x,), (y,), _softmax_backward)
        return y

    def local_response_norm(self, x: Tensor, size: int) -> Tensor:
        """x / (k + alpha * mean of `size` neighbouring channels' squares) ** beta, as torch computes it: in steps."""
        if x.ndim == 5:
            x = self.contiguous(x)  # as `archspec.nn.VolumeResponseNorm` does
        squares = self.mul(x, x)
        n, channels, *rest = x.shape
        # A window over channels is one over depth, or over height, of an image with one channel.
        squares = self.reshape(squares, (n, 1, channels, *rest) if x.ndim < 5 else (
            n, 1, channels, rest[0], prod(rest[1:])))
        after = squares.shape
        squares = self.zero_padded(squares, (*after[:2], channels + size - 1, *after[3:]))
        name = "avg_pool2d" if x.ndim == 3 else "avg_pool3d"
        squares = self.avg_pool(name, squares, after[2:], flops=size * x.numel)
        squares = self.reshape(squares, x.shape)
        divisor = self.power(self.scaled("add", self.scaled("mul", squares)))  # torch holds the squares meanwhile
        del squares
        return self.div(x, divisor)


def _normed(tape: Recorder, x: Tensor) -> Tensor:
    """An empty output of a batch norm of x. A CPU's kernels for NCHW and NHWC, preferred in this order, run on what is
    that but for the strides of dimensions of one element.
    """
    layouts = [contiguous(x.shape), *([channels_last(x.shape)] if x.ndim in (4, 5) else [])]
    fitting = [strides for strides in layouts if same_order(x.shape, x.strides, strides)]
    return tape.new(x.shape, x.dtype, fitting[0]) if fitting and not tape.cuda else tape.empty(x.shape, x.dtype, x)


def _batch_norm_backward(tape: Recorder, node: Node, grads: Gradients, dtype: str) -> Gradients:
    (grad,), (x, *_) = grads, node.saved
    assert grad is not None
    own = node.needs(0) or tape.cuda or tape.meta  # cuDNN computes the input's gradient even if nothing needs it
    alike = grad.is_channels_last == x.is_channels_last
    results: list[Tensor | None] = [None if not own else _normed(tape, x) if alike else tape.empty(x.shape, x.dtype, x)]
    for k in (1, 2):
        results.append(tape.new((x.shape[1],), dtype) if node.needs(k) else None)
    written = [y for y in results if y is not None]
    tape.launch("batch_norm_backward", (grad, x), written, flops=5 * x.numel,
                geometry=(x.shape[0], x.shape[1], prod(x.shape[2:])), nhwc=x.is_channels_last)
    return results


def _normalised_backward(
    tape: Recorder, node: Node, grads: Gradients, shape: tuple[int, ...] | None, dtype: str
) -> Gradients:
    (grad,), (x, *_) = grads, node.saved
    assert grad is not None
    nchw = node.name == "layer_norm" or tape.cuda
    results: list[Tensor | None] = [None]
    if node.needs(0):
        kept = x.is_contiguous and not nchw
        results[0] = tape.like(x) if kept else tape.new(x.shape, x.dtype) if nchw else tape.empty(x.shape, x.dtype, x)
    results += [tape.new(shape, dtype) if shape is not None and node.needs(k) else None for k in (1, 2)]
    tape.launch(node.name + "_backward", (grad, *node.saved), [y for y in results if y is not None], flops=8 * x.numel)
    return results


def _softmax_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    (grad,), (y,) = grads, node.saved
    result = tape.new(y.shape, y.dtype)
    tape.launch(node.name + "_backward", (grad, y), (result,), flops=3 * y.numel)
    return (result,)
