"""The memory and the kernels of a simulation: what torch allocates and frees, and the bytes that its kernels move."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import prod
from typing import Final, Literal, NamedTuple

from archspec.execution.setting import Setting
from archspec.execution.tensor import Memory, Shape, Storage, Tensor, channels_last, contiguous, iterated, same_order
from archspec.types import DTYPE_BYTES

Direction = Literal["forward", "backward", "optimizer"]
CUDA_GRANULARITY: Final = 512  # bytes; torch's caching allocator rounds every request up to a multiple


def granularity(setting: Setting) -> int:
    """The smallest unit of the allocator, in bytes."""
    return CUDA_GRANULARITY if setting.target == "cuda" else 1


class Kernel(NamedTuple):
    """One kernel that a device runs.

    layer: the path of the op that it belongs to; empty for the loss and the optimizer. name: as torch's op. macs:
    multiply-adds of products. flops: of other arithmetic. geometry: what decides its speed besides: of a convolution
    (N, C, K, groups, *output size, *kernel size, *strides, *dilations), of a product (batch, M, N, K), of a batch norm
    (N, C, pixels). dtype: of what it computes. nhwc: whether a convolution or a batch norm runs on NHWC, or a sum keeps
    what lies side by side, as of the channels of NHWC.
    """

    layer: str
    name: str
    direction: Direction
    dtype: str
    read_bytes: int
    written_bytes: int
    macs: int = 0
    flops: int = 0
    geometry: tuple[int, ...] = ()
    nhwc: bool = False


class Launcher:
    """The part of a `Recorder` that knows no autograd.

    layer, direction: of the kernels to come. kernels: all that ran, in order. timeline: the live bytes after each of
    them. reach: on a CPU, the most that is live with what kernels take beside their tensors; reaches: the same of each
    layer whose kernels take anything.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.cuda, self.meta = setting.target == "cuda", setting.target == "meta"
        self.memory = Memory(granularity(setting))
        self.copies = self.memory if self.cuda else Memory()  # that a kernel makes of its inputs, and frees
        self.reach = 0
        self.layer = ""
        self.reaches: dict[str, int] = {}
        self.direction: Direction = "forward"
        self.kernels: list[Kernel] = []
        self.timeline: list[int] = []

    # Tensors

    def new(self, shape: Sequence[int], dtype: str, strides: Shape | None = None) -> Tensor:
        """A new tensor. strides: contiguous ones by default."""
        shape = tuple(shape)
        numel = prod(shape)
        storage = Storage(self.memory, numel * DTYPE_BYTES[dtype])
        return Tensor(storage, shape, dtype, contiguous(shape) if strides is None else strides, numel)

    def like(self, x: Tensor, dtype: str | None = None) -> Tensor:
        """A new tensor of the same shape, its elements in the same order (torch.empty_like)."""
        strides = x.strides
        if strides != contiguous(x.shape) and not x.is_dense:
            strides = iterated(x.shape, (strides,))
        dtype = dtype or x.dtype
        return Tensor(Storage(self.memory, x.numel * DTYPE_BYTES[dtype]), x.shape, dtype, strides, x.numel)

    def empty(self, shape: Sequence[int], dtype: str, of: Tensor) -> Tensor:
        """A new tensor whose layout is that of `of`: NHWC if `of` is channels-last and the shape has 4 or 5 dims."""
        shape = tuple(shape)
        nhwc = len(shape) in (4, 5) and of.is_channels_last
        return self.new(shape, dtype, channels_last(shape) if nhwc else None)

    def scratch(self, nbytes: int) -> None:
        """Memory that a kernel takes from torch's allocator and frees before it ends."""
        self.new((nbytes,), "uint8")

    # Kernels

    def launch(
        self, name: str, reads: Iterable[Tensor | None], writes: Sequence[Tensor], *, macs: int = 0, flops: int = 0,
        geometry: tuple[int, ...] = (), nhwc: bool = False, beside: int = 0,
    ) -> None:
        """Note a kernel that reads and writes these tensors. Views launch none.

        beside: the bytes that a library takes from a CPU's allocator meanwhile.
        """
        read = written = 0
        for x in reads:
            if x is not None:
                read += x.nbytes
        for y in writes:
            written += y.nbytes
        dtype = writes[0].dtype if writes else "float32"
        self.kernels.append(
            Kernel(self.layer, name, self.direction, dtype, read, written, macs, flops, geometry, nhwc))
        live = self.memory.live
        if not self.cuda:
            reach = live + self.copies.live + beside
            self.reach = max(self.reach, reach)
            if reach > live:
                self.reaches[self.layer] = max(reach, self.reaches.get(self.layer, 0))
            live = reach if self.setting.libraries else live
        self.timeline.append(live)

    def sum_to(self, x: Tensor, shape: Shape, dtype: str | None = None) -> Tensor:
        """The sum of x over the dimensions that `shape` lacks, or has in size 1; dtype: of the sum.

        Torch first casts x to that dtype. A CPU casts low precision to float32 where the elements to add up do not lie
        one after another in memory (ReduceOps.cpp of ATen).
        """
        y, missing = self.new(shape, dtype or x.dtype), x.ndim - len(shape)
        over = [d for d, size in enumerate(x.shape) if d < missing or size != shape[d - missing]]
        steps = sorted([(x.strides[d], x.shape[d]) for d in over if x.shape[d] > 1])
        joined = all(outer == step * size for (step, size), (outer, _) in pairwise(steps))
        neighbours = any(step == 1 < x.shape[d] and d not in over for d, step in enumerate(x.strides))
        self.reduce("sum", x, y, y.dtype if joined else self.wide(y), keeps_neighbours=neighbours)
        return y

    def wide(self, x: Tensor) -> str:
        """The dtype to which a CPU casts a tensor to add up its elements: float32 for low precision."""
        return "float32" if x.dtype in ("bfloat16", "float16") and not self.cuda else x.dtype

    def reduce(self, name: str, x: Tensor, y: Tensor, dtype: str, *, keeps_neighbours: bool = False) -> None:
        """A reduction of x to y that is computed in a dtype, on copies of those that have another one.

        keeps_neighbours: whether elements that lie side by side are added to different sums, as over the rows of a
        matrix or the pixels of NHWC.
        """
        copies = [self._cast_in_kernel(z, dtype) for z in (x, y) if z.dtype != dtype]
        self.launch(name, (x,), (y,), flops=x.numel, nhwc=keeps_neighbours)
        del copies

    def elementwise(self, name: str, operands: Sequence[Tensor | None], y: Tensor) -> None:
        """A function of the elements of several tensors. A CPU first casts those that have not the output's dtype."""
        read = list(operands)
        if not self.cuda and y.dtype != "bool":
            for k, x in enumerate(operands):
                if x is not None and x.dtype != y.dtype:
                    cast = read[k] = self._cast_in_kernel(x, y.dtype)
                    self.launch("copy", (x,), (cast,))
        self.launch(name, read, (y,), flops=y.numel)

    def _cast_in_kernel(self, x: Tensor, dtype: str) -> Tensor:
        """A copy of x in another dtype, which a kernel makes and frees."""
        return Tensor(Storage(self.copies, x.numel * DTYPE_BYTES[dtype]), x.shape, dtype, contiguous(x.shape))

    def for_kernel(self, x: Tensor, *, nhwc: bool = False, memory: Memory | None = None) -> Tensor:
        """x contiguous or NHWC, as a kernel needs it: itself, or a copy that the kernel makes and frees.

        memory: where the copy is; by default apart from the tensors on a CPU, as a memory tracker sees it.
        """
        wanted = channels_last(x.shape) if nhwc and len(x.shape) in (4, 5) else contiguous(x.shape)
        if x.strides == wanted or same_order(x.shape, x.strides, wanted):
            return x
        y = Tensor(Storage(memory or self.copies, x.numel * DTYPE_BYTES[x.dtype]), x.shape, x.dtype, wanted)
        self.launch("reordering_copy", (x,), (y,))
        return y
