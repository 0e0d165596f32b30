"""Runs a network on a tape: a forward pass, or a training step with loss, backward pass and optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Final, NamedTuple

from archspec.execution.autograd import backward
from archspec.execution.launcher import Kernel
from archspec.execution.ledger import Ledger
from archspec.execution.network import Network, Step, paths
from archspec.execution.setting import Setting
from archspec.execution.tape import Tape
from archspec.execution.tensor import Tensor, channels_last
from archspec.execution.workspace import layer_workspaces, workspace_bytes
from archspec.ir import INPUT, Graph, Node
from archspec.types import FLOATS

LOSS: Final = ""  # the layer of the loss and the optimizer


class LayerUse(NamedTuple):
    """What one op does in an execution.

    saved_bytes: what it is the first to keep for backward. read_bytes, written_bytes: of all its kernels. peak_bytes:
    its part of the peak, where that was asked for: the tensors that it made, with its weights and the optimizer's state
    of them. workspace_bytes: by how much libraries may raise the peak while its kernels run.
    """

    saved_bytes: int = 0
    forward_macs: int = 0
    backward_macs: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    peak_bytes: int = 0
    workspace_bytes: int = 0


@dataclass(frozen=True)
class Execution:
    """What a forward pass or a training step does.

    kernels: in order. timeline: the live bytes when each has run. saved_bytes: what backward keeps, each storage once,
    weights, inputs and the loss's included; as `torch.autograd.graph.saved_tensors_hooks` sees it in one pass of a
    step. peak_bytes: the most that is ever live in tensors: weights, optimizer state, inputs, activations, gradients.
    workspace_bytes: by how much copies and scratch memory of libraries may raise it, at most; 0 where the setting
    counts them in the peak. weight_bytes, state_bytes, gradient_bytes, input_bytes: the parts of it that stay.
    peak_gradient_bytes: the gradients of parameters that are there at the peak.
    estimated: the paths of ops without a kernel rule, whose figures are estimates. saved_by, peak_by, workspace_by:
    parts of the layers; see `LayerUse`.
    """

    setting: Setting
    kernels: tuple[Kernel, ...]
    timeline: tuple[int, ...]
    saved_bytes: int
    peak_bytes: int
    workspace_bytes: int
    weight_bytes: int
    gradient_bytes: int
    state_bytes: int
    input_bytes: int
    peak_gradient_bytes: int
    estimated: tuple[str, ...]
    saved_by: dict[str, int] = field(repr=False)
    peak_by: dict[str, int] = field(repr=False)
    workspace_by: dict[str, int] = field(repr=False)

    @cached_property
    def layers(self) -> dict[str, LayerUse]:
        """What each layer does, by path."""
        sums: dict[str, list[int]] = {}
        for kernel in self.kernels:
            row = sums.setdefault(kernel.layer, [0, 0, 0, 0])
            row[kernel.direction == "backward"] += kernel.macs
            row[2] += kernel.read_bytes
            row[3] += kernel.written_bytes
        saved, peak, libraries = self.saved_by, self.peak_by, self.workspace_by
        layers = {}
        for name in dict.fromkeys((*sums, *saved, *peak)):
            macs, back, read, written = sums.get(name, (0, 0, 0, 0))
            layers[name] = LayerUse(
                saved.get(name, 0), macs, back, read, written, peak.get(name, 0), libraries.get(name, 0))
        return layers


def execute(graph: Graph, setting: Setting, network: Network | None = None, *, by_layer: bool = False) -> Execution:
    """Simulate a training step, or a forward pass in evaluation, of a network. Imports no torch.

    The loss is `archspec.backends.step.example_loss`: cross entropy of outputs (N, classes), the mean of others.
    network: of the graph, where several executions share it. by_layer: whether the layers get their parts of the peak,
    which takes some more time.
    """
    running = _Running(Network(graph) if network is None else network, setting, by_layer=by_layer)
    return running.step() if setting.training else running.forward()


class _Running:
    def __init__(self, network: Network, setting: Setting, *, by_layer: bool) -> None:
        self.network, self.setting = network, setting
        self.tape, self.weights = Tape(setting), network.weights(setting)
        self.tape.memory.go_on_from(self.weights.memory)
        self.tape.parameters.update(self.weights.trained)
        self.ledger = Ledger(self.tape, self.weights) if by_layer else None
        self.estimated: list[str] = []
        self.kept = list(self._kept())
        self.tape.layer = LOSS
        self.state_bytes = self.tape.memory.live - self.weights.memory.live

    def _kept(self) -> Iterator[Tensor]:
        """The optimizer's state and the average of the weights, layer by layer."""
        states, average = self.setting.optimizer.states if self.setting.training else 0, int(self.setting.ema)
        if not states + average:
            return
        for path, tensors in self.weights.tensors.items():
            self.tape.layer = path
            for x in tensors.values():
                for _ in range((states if x.node is not None else 0) + average):
                    yield self.tape.like(x)

    # Passes

    def _inputs(self, graph: Graph) -> list[Tensor]:
        found = []
        for port in graph.inputs:
            x = port.type.at(self.setting.batch_size)
            dtype = self.setting.dtype if x.dtype in FLOATS else x.dtype
            nhwc = self.setting.channels_last and x.ndim == 4
            found.append(self.tape.new(x.shape, dtype, channels_last(x.shape) if nhwc else None))
        return found

    def forward(self) -> Execution:
        """A forward pass in evaluation, without gradients."""
        before = self.tape.memory.live
        graph = self.network.evaluation
        inputs = self._inputs(graph)
        input_bytes = self.tape.memory.live - before
        with self.tape.autocast():
            self.run(graph, inputs, "", "")
        return self._execution(input_bytes)

    def step(self) -> Execution:
        """A training step after the first one: the optimizer's state is there, the gradients are not."""
        tape, before = self.tape, self.tape.memory.live
        graph = self.network.graph
        batches = [self._inputs(graph) for _ in range(self.setting.accumulate)]
        labels = tape.new((self.setting.batch_size,), "int64")
        input_bytes = tape.memory.live - before
        for inputs in batches:
            tape.direction = "forward"
            with tape.autocast():
                outputs = self.run(graph, inputs, "", "")
                tape.layer = LOSS
                loss = self._loss(outputs, labels)
            del outputs
            if loss.node is not None:
                tape.direction = "backward"
                gradient = tape.like(loss)  # torch's caller holds it until the end
                backward(tape, loss, gradient)
                del gradient
            del loss
            tape.end_of_pass()
        tape.direction, tape.layer = "optimizer", LOSS
        self._update()
        return self._execution(input_bytes)

    def _loss(self, outputs: Sequence[Tensor], labels: Tensor) -> Tensor:
        several = len(outputs) > 1  # the labels are then taken modulo the classes of each output
        losses = [
            self.tape.cross_entropy(y, self.tape.like(labels) if several else labels) if y.ndim == 2
            else self.tape.mean_of(y) for y in outputs if y.dtype in FLOATS
        ]
        total = losses[0]
        for loss in losses[1:]:
            total = self.tape.add(total, loss)
        return total

    def _update(self) -> None:
        """One fused kernel reads parameter, gradient and state, and writes parameter and state."""
        tape, optimizer = self.tape, self.setting.optimizer
        updated = [tape.parameters[name] for name in tape.gradients]
        size, numel = sum([x.nbytes for x in updated]), sum([x.numel for x in updated])
        states = optimizer.states
        tape.kernels.append(Kernel(
            LOSS, optimizer.kind, "optimizer", self.setting.dtype, (2 + states) * size, (1 + states) * size,
            flops=(2 + 4 * states) * numel, geometry=(len(tape.gradients),),
        ))
        tape.timeline.append(tape.memory.live)

    # The recursion. It drops a value after its last use, as the built modules do, so memory is freed when theirs is.

    def run(self, graph: Graph, inputs: Sequence[Tensor], prefix: str, scope: str) -> tuple[Tensor, ...]:
        """The outputs of a graph."""
        held: dict[tuple[int, int], Tensor] = {(INPUT, port): x for port, x in enumerate(inputs)}
        for step in self.network.steps(graph, self.setting.batch_size):
            node = step.node
            path, state = paths(node, prefix, scope)
            values = [held[value] for value in node.inputs]
            if self.setting.recompute and self._is_recomputed(node, path, scope):
                call = partial(self._call, step, path, state)
                outputs = self.tape.recomputed(values, [*self._buffers(node, path, state).values()], call)
            else:
                outputs = self._call(step, path, state, values)
            held.update(zip(step.made, outputs, strict=True))
            del values, outputs
            for value in step.unused:
                del held[value]
        return tuple([held[value] for value in graph.results])

    def _is_recomputed(self, node: Node, path: str, scope: str) -> bool:
        own = f"{scope}.{node.name}" if scope else node.name  # where the graph's module is used again
        return path in self.setting.recompute or own in self.setting.recompute

    def _call(self, step: Step, path: str, state: str, values: Sequence[Tensor]) -> Sequence[Tensor]:
        target, tape = step.node.target, self.tape
        if isinstance(target, Graph):
            return self.run(target, values, path, state)
        tape.layer, tape.outputs = path, step.outputs
        tape.weights = self.weights.tensors.get(state, {})
        outputs = target.kernels(tape, *values)
        if step.estimated:
            self.estimated.append(path)
        return (outputs,) if isinstance(outputs, Tensor) else outputs

    def _buffers(self, node: Node, path: str, state: str) -> dict[tuple[str, str], Tensor]:
        """The buffers of the layers within a node, each once."""
        if isinstance(node.target, Graph):
            inner = [self._buffers(x, *paths(x, path, state)) for x in node.target.nodes]
            return {key: buffer for found in inner for key, buffer in found.items()}
        tensors = self.weights.tensors.get(state, {})
        return {(state, name): tensors[name] for name in self.weights.buffers.get(state, ())}

    # Results

    def _execution(self, input_bytes: int) -> Execution:
        tape = self.tape
        beside = workspace_bytes(tape)
        inside = beside if self.setting.libraries and not tape.cuda else 0
        gradients = [x.storage for x in tape.gradients.values()]
        return Execution(
            self.setting, tuple(tape.kernels), tuple(tape.timeline), tape.saved_bytes,
            tape.memory.peak + inside, beside - inside, self.weights.memory.live,
            sum([x.size for x in gradients]), self.state_bytes, input_bytes,
            sum([x.size for x in gradients if x.number <= tape.memory.peak_at]),
            tuple(self.estimated), tape.saved_by, {} if self.ledger is None else self.ledger.at_peak(),
            {} if self.ledger is None else layer_workspaces(tape),
        )
