"""Views, copies and concatenations."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Shape, Tensor

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node


class Reshaping(Recorder):
    """Reshaping functions of a `Tape`."""

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """The same elements in another shape: a view where the strides allow it, otherwise a copy (torch.reshape)."""
        shape, before = tuple(shape), x.shape
        if shape == before:
            return x.alias() if x.node is None else self._linked("alias", x.alias(), x, lambda tape, node, grads: grads)
        strides = view_strides(x.shape, x.strides, shape)
        if strides is None:
            x = self.contiguous(x)
        y = x.view(shape, strides)
        return self._linked("view", y, x, lambda tape, node, grads: (_reshaped(tape, grads[0], before),))

    def _linked(self, name: str, y: Tensor, x: Tensor, backward: object) -> Tensor:
        self.record(name, (y,), (x,), (), backward)  # type: ignore[arg-type]
        return y

    def cat(self, tensors: Sequence[Tensor], dim: int) -> Tensor:
        """All tensors, one after another along `dim`. The gradients are views of the output's."""
        first = tensors[0]
        shape = list(first.shape)
        shape[dim] = sum([x.shape[dim] for x in tensors])
        y = self.empty(shape, first.dtype, first)
        self.launch("cat", tensors, (y,))
        sizes = [x.shape for x in tensors]
        self.record("cat", (y,), tensors, (), lambda tape, node, grads: _narrowed(node, grads, sizes))
        return y


def _reshaped(tape: Recorder, grad: Tensor | None, shape: Shape) -> Tensor:
    assert grad is not None
    strides = view_strides(grad.shape, grad.strides, shape)
    if strides is None:
        grad = tape.contiguous(grad)
    return grad.view(shape, strides)


def _narrowed(node: Node, grads: Gradients, shapes: list[Shape]) -> Gradients:
    (grad,) = grads
    assert grad is not None
    return [grad.view(shape, grad.strides) if node.needs(k) else None for k, shape in enumerate(shapes)]


def view_strides(shape: Shape, strides: Shape, target: Shape) -> Shape | None:
    """The strides of a view with the shape `target`, or None if the elements need copying (torch's computeStride)."""
    if not prod(shape):
        return None
    groups = _merged(shape, strides)
    left, step = groups.pop()
    found = []
    for size in reversed(target):
        if left == 1 and size != 1:
            left, step = groups.pop()
        if left % size:
            return None
        found.append(step)
        step *= size
        left //= size
    return tuple(reversed(found))


def _merged(shape: Shape, strides: Shape) -> list[tuple[int, int]]:
    """Dimensions that lie one after another in memory as one, each with the stride of its last element."""
    groups: list[tuple[int, int]] = []
    for size, stride in zip(shape, strides, strict=True):
        if size == 1:
            continue
        if groups and groups[-1][1] == size * stride:
            groups[-1] = (groups[-1][0] * size, stride)
        else:
            groups.append((size, stride))
    return groups or [(1, 1)]
