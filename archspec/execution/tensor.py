"""Tensors without data: a storage of some bytes, and views of it. Storages are freed as torch frees them.

Like torch, this relies on reference counts: a storage is freed when the last tensor on it is deleted. So a rule that
keeps its tensors as long as torch's module does gets the same live bytes at every moment.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING

from archspec.types import DTYPE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from archspec.execution.autograd import Node

Shape = tuple[int, ...]


class Memory:
    """The bytes that are allocated now, and the most that ever were.

    granularity: an allocator's smallest unit, in bytes. count: of allocations. peak_at: the one that reached the peak.
    note: called with each new storage.
    """

    __slots__ = ("count", "granularity", "live", "note", "peak", "peak_at")

    def __init__(self, granularity: int = 1) -> None:
        self.count = self.live = self.peak = self.peak_at = 0
        self.granularity = granularity
        self.note: Callable[[Storage], None] | None = None

    def go_on_from(self, other: Memory) -> None:
        """Start where another one is now."""
        self.count, self.live, self.peak, self.peak_at = other.count, other.live, other.peak, other.peak_at


class Storage:
    """Memory that tensors share.

    nbytes: of its data. size: with the allocator's rounding. number: its allocation's. freed: the last allocation
    before it was freed, once that has happened.
    """

    __slots__ = ("freed", "memory", "nbytes", "number", "refs", "size")
    freed: int

    def __init__(self, memory: Memory, nbytes: int) -> None:
        unit = memory.granularity
        size = nbytes if unit == 1 else -(-nbytes // unit) * unit
        self.memory, self.nbytes, self.size, self.refs = memory, nbytes, size, 0
        memory.count = self.number = number = memory.count + 1
        memory.live = live = memory.live + size
        if live > memory.peak:
            memory.peak, memory.peak_at = live, number
        if memory.note is not None:
            memory.note(self)


class Tensor:
    """A tensor on a storage. node, port: the output of the autograd node that made it; None if it needs no gradient.

    is_view: whether it is a view of another tensor, which torch then holds too. nbytes: of its elements; an expanded
    tensor counts those that it has in memory.
    """

    __slots__ = ("dtype", "is_view", "nbytes", "node", "numel", "port", "shape", "storage", "strides")

    def __init__(self, storage: Storage, shape: Shape, dtype: str, strides: Shape, numel: int | None = None) -> None:
        self.storage, self.shape, self.dtype, self.strides = storage, shape, dtype, strides
        self.numel = numel = prod(shape) if numel is None else numel
        own, whole = numel * DTYPE_BYTES[dtype], storage.nbytes
        self.nbytes = own if own < whole else whole
        self.node: Node | None = None
        self.port = 0
        self.is_view = False
        storage.refs += 1

    def __del__(self) -> None:
        storage = self.storage
        storage.refs -= 1
        if not storage.refs:
            memory = storage.memory
            memory.live -= storage.size
            storage.freed = memory.count

    @property
    def ndim(self) -> int:
        """Number of dimensions, including the batch."""
        return len(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie in the order of its dimensions."""
        return same_order(self.shape, self.strides, contiguous(self.shape))

    @property
    def is_channels_last(self) -> bool:
        """Whether its strides are those of NHWC, as torch's `suggest_memory_format` decides for sizes of 1."""
        return _is_channels_last(self.shape, self.strides)

    @property
    def is_dense(self) -> bool:
        """Whether its elements lie side by side, in any order of the dimensions, each once."""
        return self.strides == contiguous(self.shape) or _is_dense(self.shape, self.strides)

    def view(self, shape: Shape, strides: Shape | None = None) -> Tensor:
        """Another view of the storage, without a gradient. strides: contiguous ones by default."""
        y = Tensor(self.storage, shape, self.dtype, contiguous(shape) if strides is None else strides)
        y.is_view = True
        return y

    def alias(self) -> Tensor:
        """The same tensor, without a gradient: what autograd saves."""
        y = Tensor(self.storage, self.shape, self.dtype, self.strides, self.numel)
        y.is_view = self.is_view
        return y


def as_image(x: Tensor) -> Tensor:
    """A sequence (N, C, L) as an image of height 1; images and volumes as they are."""
    if x.ndim > 3:
        return x
    n, channels, length = x.shape
    return x.view((n, channels, 1, length), (*x.strides[:2], length * x.strides[2], x.strides[2]))


@lru_cache(4096)
def contiguous(shape: Shape) -> Shape:
    """The strides of a contiguous tensor, in elements."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(strides[::-1])


@lru_cache(4096)
def channels_last(shape: Shape) -> Shape:
    """The strides of (N, C, …) with the channels innermost."""
    order = (0, *range(2, len(shape)), 1)
    inner = contiguous(tuple([shape[d] for d in order]))
    strides = [0] * len(shape)
    for d, stride in zip(order, inner, strict=True):
        strides[d] = stride
    return tuple(strides)


@lru_cache(4096)
def _is_channels_last(shape: Shape, strides: Shape) -> bool:
    if len(shape) not in (4, 5) or 0 in shape:
        return False
    if not strides[1]:
        return False
    least = 0
    for d in (1, *range(len(shape) - 1, 1, -1), 0):
        if strides[d] < least or (d == 0 and least == strides[1]):
            return False
        least = strides[d] * shape[d]
    return True


@lru_cache(4096)
def _is_dense(shape: Shape, strides: Shape) -> bool:
    expected = 1
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


@lru_cache(4096)
def written(shape: Shape, operands: tuple[Shape, ...]) -> Shape:
    """The strides of an element-wise kernel's output from those of its operands, which have this shape.

    Where all are contiguous so is the output, even if the strides of sizes of 1 are those of NHWC; then NHWC, then
    equal strides (`compute_fast_setup_type` of torch's TensorIterator).
    """
    for wanted in (contiguous(shape), *([channels_last(shape)] if len(shape) == 4 else [])):
        if all(same_order(shape, strides, wanted) for strides in operands):
            return wanted
    first = operands[0]
    if _is_dense(shape, first) and all(strides == first for strides in operands):
        return first
    return iterated(shape, operands)


@lru_cache(4096)
def iterated(shape: Shape, operands: tuple[Shape, ...]) -> Shape:
    """The strides of an element-wise kernel's output, in the order of its operands' elements (torch's TensorIterator).

    operands: the strides of each, broadcast to `shape`; 0 where it is.
    """
    def inner(a: int, b: int) -> int:
        """Positive if dimension a lies outside b."""
        for strides in operands:
            first, second = strides[a], strides[b]
            if first and second:
                if first != second:
                    return first - second
                if shape[a] > shape[b]:
                    return 1
        return 0

    order = list(range(len(shape) - 1, -1, -1))
    for k in range(1, len(order)):
        d = k
        for j in range(k - 1, -1, -1):
            compared = inner(order[j], order[d])
            if compared > 0:
                order[j], order[d] = order[d], order[j]
                d = j
            elif compared < 0:
                break
    strides, step = [0] * len(shape), 1
    for d in order:
        strides[d] = step
        step *= max(shape[d], 1)
    return tuple(strides)


def same_order(shape: Shape, strides: Shape, wanted: Shape) -> bool:
    """Whether strides are the wanted ones in every dimension of more than one element."""
    return strides == wanted or all(size == 1 or a == b for size, a, b in zip(shape, strides, wanted, strict=True))
