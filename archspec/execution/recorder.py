"""Records what torch runs: kernels with the bytes they move, the tensors that backward needs, the live memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from archspec.execution.autograd import FIRST, Backward, Gradients, Node, leaf
from archspec.execution.launcher import Launcher
from archspec.execution.recomputation import Recomputation
from archspec.execution.setting import Setting
from archspec.execution.tensor import Storage, Tensor, same_order
from archspec.types import FLOATS, TensorType


class Recorder(Launcher):
    """The state of a `Tape`, without torch's functions.

    recording: whether gradients are needed, as in training; torch has them in evaluation too where nobody switches
    them off. weights: the parameters and buffers of the op that runs, by name. outputs: the types of its outputs.
    parameters: those that are trained, by full name. gradients: theirs. saved_by: for each layer, the bytes that it
    is the first to keep for backward.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.training = setting.training
        self.weights: dict[str, Tensor] = {}
        self.outputs: tuple[TensorType, ...] = ()
        self.parameters: dict[str, Tensor] = {}
        self.gradients: dict[str, Tensor] = {}
        self.low = setting.low
        self._casts: dict[int, tuple[Tensor, Tensor]] | None = None
        self.recording = setting.training
        self._number = 0
        self._saved: set[Storage] = set()
        self._first_pass = True
        self.saved_by: dict[str, int] = {}
        self.recomputation = Recomputation()

    def contiguous(self, x: Tensor, *, nhwc: bool = False) -> Tensor:
        """x contiguous or NHWC: itself if it is, otherwise a copy (`Tensor.contiguous`)."""
        y = self.for_kernel(x, nhwc=nhwc, memory=self.memory)
        if y is not x:
            self.record("clone", (y,), (x,), (), lambda tape, node, grads: grads)
        return y

    # Autograd

    def needs(self, x: Tensor | None) -> bool:
        """Whether x needs a gradient."""
        return self.recording and x is not None and x.node is not None

    def record(
        self, name: str, outputs: Sequence[Tensor], inputs: Sequence[Tensor | None], saved: Sequence[Tensor],
        backward: Backward,
    ) -> None:
        """Make `outputs` differentiable functions of `inputs`, if one of these needs a gradient.

        saved: what backward needs. It finds them, in this order, in `node.saved`; it must hold no tensor itself.
        """
        if not self.recording:
            return
        edges = tuple([None if x is None or x.node is None else (x.node, x.port, x.shape, x.dtype) for x in inputs])
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
            # An output that is saved must not hold the node that saves it.
            kept = tuple([x.alias() if x in outputs else x for x in saved])
            node = Node(self._number, name, self.layer, edges, kept, backward)
        else:
            node = Node(self._number, name, self.layer, edges, (), backward)
            recomputation.adopt(node, saves=bool(saved))
        for port, y in enumerate(outputs):
            y.node, y.port = node, port

    def _count_saved(self, saved: Sequence[Tensor]) -> None:
        for x in saved if self._first_pass else ():
            if x.storage not in self._saved:
                self._saved.add(x.storage)
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
            self.parameters[name] = tensor
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
        held, layout = self.gradients.get(name), self.parameters[name].strides
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
        if not self.recording or x.node is None or x.node.number != FIRST:
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
        self.record("to", (y,), (x,), (), lambda tape, node, grads: grads)  # which the engine casts back
        self.recomputation.note(self)  # also where the cast is no node, as of an image
        return y

    # Recomputation

    def recomputed(
        self, inputs: Sequence[Tensor], buffers: Sequence[Tensor],
        run: Callable[[Sequence[Tensor]], Sequence[Tensor]],
    ) -> Sequence[Tensor]:
        """The outputs of `run`, without keeping what it saves: backward runs it again (`recomputation.Region`)."""
        recomputation = self.recomputation
        if not self.recording or recomputation.region is not None or recomputation.replayed is not None:
            return run(inputs)
        self._count_saved(inputs)
        return recomputation.first_run(self, inputs, buffers, run)


def _opaque_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    results = [tape.like(x) if node.needs(k) else None for k, x in enumerate(node.saved)]
    tape.launch(node.name + "_backward", (*grads, *node.saved), [x for x in results if x is not None])
    return results
