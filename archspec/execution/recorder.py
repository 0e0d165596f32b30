"""Records what torch runs: kernels with the bytes they move, the tensors that backward needs, the live memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Final, Literal, NamedTuple

from archspec.execution.autograd import FIRST, Backward, Gradients, Node, leaf
from archspec.execution.recomputation import Recomputation
from archspec.execution.setting import Setting
from archspec.execution.tensor import Memory, Shape, Storage, Tensor, channels_last, contiguous, iterated, same_order
from archspec.types import DTYPE_BYTES, FLOATS, TensorType

Direction = Literal["forward", "backward", "optimizer"]
CUDA_GRANULARITY: Final = 512  # bytes; torch's caching allocator rounds every request up to a multiple


class Kernel(NamedTuple):
    """One kernel that a device runs.

    layer: the path of the op that it belongs to; empty for the loss and the optimizer. name: as torch's op. macs:
    multiply-adds of products. flops: of other arithmetic. geometry: what decides its speed besides: of a convolution
    (N, C, K, groups, *output size, *kernel size, *strides), of a product (batch, M, N, K), of a batch norm (N, C,
    pixels). dtype: of what it computes. nhwc: whether a convolution or a batch norm runs on NHWC.
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


class Recorder:
    """The state of a `Tape`, without torch's functions.

    weights: the parameters and buffers of the op that runs, by name. outputs: the types of its outputs. kernels: all
    that ran, in order. timeline: the live bytes after each of them. saved_by: for each layer, the bytes that it is the
    first to keep for backward. reach: on a CPU, the most that is live with what kernels take beside their tensors;
    reaches: the same of each layer whose kernels take anything.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.cuda, self.meta = setting.target == "cuda", setting.target == "meta"
        self.training = setting.training
        self.memory = Memory(CUDA_GRANULARITY if self.cuda else 1)
        self.copies = self.memory if self.cuda else Memory()  # that a kernel makes of its inputs, and frees
        self.reach = 0
        self.layer = ""
        self.reaches: dict[str, int] = {}
        self.direction: Direction = "forward"
        self.weights: dict[str, Tensor] = {}
        self.outputs: tuple[TensorType, ...] = ()
        self.kernels: list[Kernel] = []
        self.timeline: list[int] = []
        self.gradients: dict[str, Tensor] = {}
        self._layouts: dict[str, Shape] = {}  # the strides of the parameters that learn
        self.low = setting.low
        self._casts: dict[int, tuple[Tensor, Tensor]] | None = None
        self._recording = setting.training
        self._number = 0
        self._saved: dict[int, Storage] = {}
        self._first_pass = True
        self.saved_by: dict[str, int] = {}
        self.recomputation = Recomputation()

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
        if not x.is_dense:
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
        self, name: str, reads: Iterable[Tensor | None], writes: Iterable[Tensor], *, macs: int = 0, flops: int = 0,
        geometry: tuple[int, ...] = (), nhwc: bool = False, beside: int = 0,
    ) -> None:
        """Note a kernel that reads and writes these tensors. Views launch none.

        beside: the bytes that a library takes from a CPU's allocator meanwhile.
        """
        writes = tuple(writes)
        self.kernels.append(Kernel(
            self.layer, name, self.direction, writes[0].dtype if writes else "float32",
            sum([x.nbytes for x in reads if x is not None]), sum([x.nbytes for x in writes]), macs, flops, geometry,
            nhwc,
        ))
        live = self.memory.live
        if not self.cuda:
            reach = live + self.copies.live + beside
            self.reach = max(self.reach, reach)
            if reach > live:
                self.reaches[self.layer] = max(reach, self.reaches.get(self.layer, 0))
            live = reach if self.setting.libraries else live
        self.timeline.append(live)

    def for_kernel(self, x: Tensor, *, nhwc: bool = False, memory: Memory | None = None) -> Tensor:
        """x contiguous or NHWC, as a kernel needs it: itself, or a copy that the kernel makes and frees.

        memory: where the copy is; by default apart from the tensors on a CPU, as a memory tracker sees it.
        """
        wanted = channels_last(x.shape) if nhwc and x.ndim in (4, 5) else contiguous(x.shape)
        if same_order(x.shape, x.strides, wanted):
            return x
        y = Tensor(Storage(memory or self.copies, x.numel * DTYPE_BYTES[x.dtype]), x.shape, x.dtype, wanted)
        self.launch("reordering_copy", (x,), (y,))
        return y

    def contiguous(self, x: Tensor, *, nhwc: bool = False) -> Tensor:
        """x contiguous or NHWC: itself if it is, otherwise a copy (`Tensor.contiguous`)."""
        y = self.for_kernel(x, nhwc=nhwc, memory=self.memory)
        if y is not x:
            self.record("clone", (y,), (x,), (), lambda tape, node, grads: grads)
        return y

    # Autograd

    def needs(self, x: Tensor | None) -> bool:
        """Whether x needs a gradient."""
        return self._recording and x is not None and x.node is not None

    def record(
        self, name: str, outputs: Sequence[Tensor], inputs: Sequence[Tensor | None], saved: Sequence[Tensor],
        backward: Backward,
    ) -> None:
        """Make `outputs` differentiable functions of `inputs`, if one of these needs a gradient.

        saved: what backward needs. It finds them, in this order, in `node.saved`; it must hold no tensor itself.
        """
        if not self._recording:
            return
        edges = tuple([None if x is None or x.node is None else (x.node, x.port) for x in inputs])
        if not any(edges):
            self.recomputation.note(self)
            return
        recomputation = self.recomputation
        if recomputation.replayed is not None:
            recomputation.restore(self, outputs, saved)
            return
        self._number += 1
        if recomputation.region is None:
            self._count_saved(saved)
            node = Node(self._number, name, self.layer, edges, tuple([x.alias() for x in saved]), backward)
        else:
            node = Node(self._number, name, self.layer, edges, (), backward)
            recomputation.adopt(node, saves=bool(saved))
        for port, y in enumerate(outputs):
            y.node, y.port = node, port

    def _count_saved(self, saved: Sequence[Tensor]) -> None:
        for x in saved if self._first_pass else ():
            if id(x.storage) not in self._saved:
                self._saved[id(x.storage)] = x.storage  # so that no other storage gets its id
                self.saved_by[self.layer] = self.saved_by.get(self.layer, 0) + x.storage.nbytes

    def end_of_pass(self) -> None:
        """Later passes of the same step keep as much as the first one, which has freed it."""
        self._first_pass = False

    @property
    def saved_bytes(self) -> int:
        """The bytes that backward keeps, each storage once."""
        return sum(self.saved_by.values())

    def parameter(self, name: str, tensor: Tensor) -> Tensor:
        """Make a tensor a parameter that is trained, unless it is frozen."""
        if name not in self.setting.frozen and tensor.dtype in FLOATS:
            tensor.node = leaf(name)
            self._layouts[name] = tensor.strides
        return tensor

    def opaque(self, name: str, inputs: Sequence[Tensor], flops: int) -> list[Tensor]:
        """One kernel of an op without a rule: it reads inputs and weights, and keeps them all for backward."""
        read = [*inputs, *self.weights.values()]
        outputs = [self.new(y.shape, y.dtype) for y in self.outputs]
        self.launch(name, read, outputs, flops=flops)
        self.record(name, outputs, read, read, _opaque_backward)
        return outputs

    def accumulate(self, name: str, gradient: Tensor) -> None:
        """Add to the gradient of a parameter, as AccumulateGrad does.

        It keeps the first if nothing else has it and it has the layout of the parameter; else a copy.
        """
        held, layout = self.gradients.get(name), self._layouts[name]
        if held is not None:
            self.launch("add_", (held, gradient), (held,), flops=held.numel)
        elif gradient.storage.refs == 1 and same_order(gradient.shape, gradient.strides, layout):
            self.gradients[name] = gradient.alias()
        else:
            copy = self.new(gradient.shape, gradient.dtype, layout)
            self.launch("copy", (gradient,), (copy,))
            self.gradients[name] = copy

    # Autocast

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Compute in the setting's low precision within the block, if it has one.

        Casts of weights that learn are made once and kept until its end, but not in torch's inference mode.
        """
        self._casts = {} if self.low else None
        try:
            yield
        finally:
            self._casts = None

    def lower(self, *tensors: Tensor) -> list[Tensor]:
        """The tensors as a product takes them under autocast: in the low precision."""
        if self._casts is None or self.low is None:
            return list(tensors)
        return [self._cast_once(x, self.low) for x in tensors[::-1]][::-1]  # the last first, as C++ compilers do

    def raise_(self, *tensors: Tensor) -> list[Tensor]:
        """The tensors as a sensitive function takes them under autocast: in float32."""
        if self._casts is None:
            return list(tensors)
        return [self.cast(x, "float32") for x in tensors[::-1]][::-1]

    def promoted(self, *tensors: Tensor) -> list[Tensor]:
        """The tensors as a concatenation takes them under autocast: in the widest of their dtypes."""
        if self._casts is None or len({x.dtype for x in tensors}) == 1:
            return list(tensors)
        return self.raise_(*tensors)

    def _cast_once(self, x: Tensor, dtype: str) -> Tensor:
        if x.dtype == dtype or x.dtype not in FLOATS:
            return x
        if not self._recording or x.node is None or x.node.number != FIRST:
            return self.cast(x, dtype)
        assert self._casts is not None
        if id(x) not in self._casts:
            self._casts[id(x)] = (x, self._cast_weight(x, dtype))
        return self._casts[id(x)][1]

    def _cast_weight(self, x: Tensor, dtype: str) -> Tensor:
        """The cast of a weight, which belongs to no region: layers outside it may use the same one."""
        recomputation = self.recomputation
        if recomputation.replayed is not None:
            y = self.like(x, dtype)
            self.launch("copy", (x,), (y,))
            y.node = x.node
            recomputation.note(self)
            return y
        region, recomputation.region = recomputation.region, None
        try:
            return self.cast(x, dtype)
        finally:
            recomputation.region = region

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        """x in another dtype (`Tensor.to`); x itself where it has that one already."""
        if x.dtype == dtype or x.dtype not in FLOATS:
            return x
        y = self.like(x, dtype)
        self.launch("copy", (x,), (y,))
        before = x.dtype
        self.record("to", (y,), (x,), (), lambda tape, node, grads: (_cast_back(tape, grads[0], before),))
        self.recomputation.note(self)  # also where the cast is no node, as of an image
        return y

    # Recomputation

    def recomputed(
        self, inputs: Sequence[Tensor], buffers: Sequence[Tensor],
        run: Callable[[Sequence[Tensor]], tuple[Tensor, ...]],
    ) -> tuple[Tensor, ...]:
        """The outputs of `run`, without keeping what it saves: backward runs it again (`recomputation.Region`)."""
        recomputation = self.recomputation
        if not self._recording or recomputation.region is not None or recomputation.replayed is not None:
            return run(inputs)
        self._count_saved(inputs)
        return recomputation.first_run(self, inputs, buffers, run)


def _cast_back(tape: Recorder, gradient: Tensor | None, dtype: str) -> Tensor | None:
    if gradient is None or gradient.dtype == dtype:
        return gradient
    y = tape.like(gradient, dtype)
    tape.launch("copy", (gradient,), (y,))
    return y


def _opaque_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    results = [tape.like(x) if node.needs(k) else None for k, x in enumerate(node.saved)]
    tape.launch(node.name + "_backward", (*grads, *node.saved), [x for x in results if x is not None])
    return results
