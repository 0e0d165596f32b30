"""Views, copies and concatenations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from math import prod
from typing import TYPE_CHECKING

from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Shape, Tensor, channels_last, contiguous

if TYPE_CHECKING:
    from archspec.execution.autograd import Backward, Gradients, Node


class Reshaping(Recorder):
    """Reshaping functions of a `Tape`."""

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """The same elements in another shape: a view where the strides allow it, otherwise a copy (torch.reshape)."""
        shape, before = tuple(shape), x.shape
        strides = view_strides(x.shape, x.strides, shape)
        if strides is None:
            x = self.contiguous(x)
        y = x.view(shape, strides)
        return self._linked("view", y, x, lambda tape, node, grads: (_reshaped(tape, grads[0], before),))

    def permute(self, x: Tensor, dims: Sequence[int]) -> Tensor:
        """The dimensions in another order: a view."""
        back = tuple(sorted(range(len(dims)), key=dims.__getitem__))
        return self._linked("permute", _permuted(x, dims), x,
                            lambda tape, node, grads: (None if grads[0] is None else _permuted(grads[0], back),))

    def transpose(self, x: Tensor, a: int, b: int) -> Tensor:
        """Two dimensions exchanged: a view."""
        dims = list(range(x.ndim))
        dims[a], dims[b] = dims[b], dims[a]
        return self.permute(x, dims)

    def part(self, x: Tensor, dim: int, size: int, step: int = 1) -> Tensor:
        """`size` places of a dimension, `step` apart: a view. The gradient is one of zeros with these places filled."""
        shape = (*x.shape[:dim], size, *x.shape[dim + 1 :])
        strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :])
        before = x.shape
        return self._linked("slice", x.view(shape, strides), x,
                            lambda tape, node, grads: (_filled(tape, grads[0], before),))

    def select(self, x: Tensor, dim: int) -> Tensor:
        """One place of a dimension, which is dropped: a view."""
        before = x.shape
        y = x.view((*x.shape[:dim], *x.shape[dim + 1 :]), (*x.strides[:dim], *x.strides[dim + 1 :]))
        return self._linked("select", y, x, lambda tape, node, grads: (_filled(tape, grads[0], before),))

    def split(self, x: Tensor, dim: int, sizes: Sequence[int]) -> list[Tensor]:
        """All parts of a dimension: views. Their gradients are joined; zeros stand for those that are missing."""
        parts = [x.view((*x.shape[:dim], size, *x.shape[dim + 1 :]), x.strides) for size in sizes]
        shapes, before = [y.shape for y in parts], x.shape
        self.record("split", parts, (x,), (), lambda tape, node, grads: (_joined(tape, grads, shapes, before),))
        return parts

    def expand(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """x, repeated along dimensions of size 1 and new ones in front, without a copy."""
        shape, missing = tuple(shape), len(shape) - x.ndim
        if shape == x.shape:
            return x
        pairs = zip(shape[missing:], x.shape, x.strides, strict=True)
        strides = (0,) * missing + tuple([0 if size != own else step for size, own, step in pairs])
        before = x.shape
        return self._linked("expand", x.view(shape, strides), x,
                            lambda tape, node, grads: (_summed(tape, grads[0], before),))

    def repeat(self, x: Tensor, times: int) -> Tensor:
        """A vector, so many times one after another: (C,) -> (times * C,)."""
        y, before = self.new((times * x.numel,), x.dtype), x.shape
        self.launch("repeat", (x,), (y,))
        self.record("repeat", (y,), (x,), (), lambda tape, node, grads: (_summed(tape, grads[0], before),))
        return y

    def _linked(self, name: str, y: Tensor, x: Tensor, backward: Backward) -> Tensor:
        self.record(name, (y,), (x,), (), backward)
        return y

    def cat(self, tensors: Sequence[Tensor], dim: int) -> Tensor:
        """All tensors, one after another along `dim`. The gradients are views of the output's."""
        tensors = self.promoted(*tensors)
        first = tensors[0]
        shape = list(first.shape)
        shape[dim] = sum([x.shape[dim] for x in tensors])
        y = _concatenated(self, tensors, shape)
        sizes = [x.shape for x in tensors]
        self.record("cat", (y,), tensors, (), lambda tape, node, grads: _narrowed(node, grads, sizes))
        return y

    def stack(self, tensors: Sequence[Tensor], dim: int) -> Tensor:
        """All tensors along a new dimension `dim`. torch joins them along `dim` where that exists, and views that."""
        tensors = self.promoted(*tensors)
        first = tensors[0]
        shape = (*first.shape[:dim], len(tensors), *first.shape[dim:])
        nhwc = dim < first.ndim and all(x.is_channels_last for x in tensors)
        y = self.new(shape, first.dtype)
        if nhwc:
            joined = (*first.shape[:dim], len(tensors) * first.shape[dim], *first.shape[dim + 1 :])
            y.strides = view_strides(joined, channels_last(joined), shape) or y.strides
        self.launch("stack", tensors, (y,))
        before = [x.shape for x in tensors]
        self.record("stack", (y,), tensors, (), lambda tape, node, grads: _unstacked(node, grads, before, dim))
        return y


def _permuted(x: Tensor, dims: Sequence[int]) -> Tensor:
    return x.view(tuple([x.shape[d] for d in dims]), tuple([x.strides[d] for d in dims]))


def _filled(tape: Recorder, grad: Tensor | None, shape: Shape) -> Tensor:
    """Zeros with a gradient in some places."""
    assert grad is not None
    y = tape.new(shape, grad.dtype)
    tape.launch("fill", (grad,), (y,))
    return y


def _summed(tape: Recorder, grad: Tensor | None, shape: Shape) -> Tensor:
    """The gradient of a tensor that was repeated: a sum, or a view of it where there is nothing to sum."""
    assert grad is not None
    if grad.numel == prod(shape):
        return grad.view(shape, grad.strides[-len(shape) :] if shape else ())
    return tape.sum_to(grad, shape)


def _joined(tape: Recorder, grads: Gradients, shapes: list[Shape], shape: Shape) -> Tensor:
    dtype = next(grad.dtype for grad in grads if grad is not None)
    given = zip_longest(grads, shapes)  # the last gradients may be missing
    parts = [tape.new(part, dtype) if grad is None else grad for grad, part in given]
    return _concatenated(tape, parts, shape)


def _concatenated(tape: Recorder, parts: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """The parts joined: NHWC where all of them are."""
    first = parts[0]
    nhwc = all(x.is_channels_last for x in parts)
    y = tape.empty(shape, first.dtype, first) if nhwc else tape.new(shape, first.dtype)
    tape.launch("cat", parts, (y,))
    return y


def _reshaped(tape: Recorder, grad: Tensor | None, shape: Shape) -> Tensor:
    assert grad is not None
    strides = view_strides(grad.shape, grad.strides, shape)
    if strides is not None:
        return grad.view(shape, strides)
    copy = tape.contiguous(grad).view(shape)
    copy.is_view = False  # torch forgets the copy's own shape (_unsafe_view)
    return copy


def _narrowed(node: Node, grads: Gradients, shapes: list[Shape]) -> Gradients:
    (grad,) = grads
    assert grad is not None
    return [grad.view(shape, grad.strides) if node.needs(k) else None for k, shape in enumerate(shapes)]


def _unstacked(node: Node, grads: Gradients, shapes: list[Shape], dim: int) -> Gradients:
    (grad,) = grads
    assert grad is not None
    strides = (*grad.strides[:dim], *grad.strides[dim + 1 :])
    return [grad.view(shape, strides) if node.needs(k) else None for k, shape in enumerate(shapes)]


def view_strides(shape: Shape, strides: Shape, target: Shape) -> Shape | None:
    """The strides of a view with the shape `target`, or None if the elements need copying (torch's computeStride).

    Dimensions that lie one after another in memory are a chunk, which those of the target have to fill.
    """
    if not prod(shape) or not shape:
        return None if shape else contiguous(target)
    found: list[int] = []
    left, step, size = len(target), strides[-1], 1
    for d in range(len(shape) - 1, -1, -1):
        size *= shape[d]
        if d and (shape[d - 1] == 1 or strides[d - 1] == size * step):
            continue
        filled = 1
        while left and (filled < size or target[left - 1] == 1):
            left -= 1
            found.append(filled * step)
            filled *= target[left]
        if filled != size:
            return None
        step, size = strides[d - 1], 1
    return None if left else tuple(found[::-1])
