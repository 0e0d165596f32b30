"""Runs a network on a tape: a forward pass, or a training step with loss, backward pass and optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from archspec.execution.autograd import backward
from archspec.execution.ledger import Ledger
from archspec.execution.recorder import Kernel
from archspec.execution.setting import Setting
from archspec.execution.tape import Tape
from archspec.execution.tensor import Tensor, channels_last, same_order
from archspec.execution.workspace import layer_workspaces, workspace_bytes
from archspec.ir import INPUT, Graph, Node
from archspec.ir.edit import evaluation
from archspec.ir.graph import state_of
from archspec.ops import Operation
from archspec.ops.parameters import ParamSpec
from archspec.types import FLOATS, TensorType

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


@dataclass(frozen=True, slots=True)
class Execution:
    """What a forward pass or a training step does.

    kernels: in order. timeline: the live bytes when each has run. saved_bytes: what backward keeps, each storage once,
    weights, inputs and the loss's included; as `torch.autograd.graph.saved_tensors_hooks` sees it in one pass of a
    step. peak_bytes: the most that is ever live in tensors: weights, optimizer state, inputs, activations, gradients.
    workspace_bytes: by how much copies and scratch memory of libraries may raise it, at most; 0 where the setting
    counts them in the peak. weight_bytes, state_bytes, gradient_bytes, input_bytes: the parts of it that stay.
    layers: by path. estimated: the paths of ops without a kernel rule, whose figures are estimates.
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
    layers: dict[str, LayerUse]
    estimated: tuple[str, ...]


Facts = dict[Node, tuple[Mapping[str, ParamSpec], tuple[TensorType, ...]]]


def execute(graph: Graph, setting: Setting, facts: Facts | None = None, *, by_layer: bool = False) -> Execution:
    """Simulate a training step, or a forward pass in evaluation, of a network. Imports no torch.

    The loss is `archspec.backends.step.example_loss`: cross entropy of outputs (N, classes), the mean of others.
    facts: a cache for several executions of a network with one batch size: of each op its parameters and outputs.
    by_layer: whether the layers get their parts of the peak, which takes some more time.
    """
    running = _Running(graph, setting, {} if facts is None else facts, by_layer=by_layer)
    return running.step() if setting.training else running.forward()


class _Running:
    def __init__(self, graph: Graph, setting: Setting, facts: Facts, *, by_layer: bool) -> None:
        self.graph, self.setting, self.facts = graph, setting, facts
        self.tape = Tape(setting)
        self.ledger = Ledger(self.tape) if by_layer else None
        self.states: dict[str, dict[str, Tensor]] = {}
        self.untrained: dict[str, list[str]] = {}  # the names of buffers among them
        self.last_uses: dict[int, list[list[tuple[int, int]]]] = {}
        self.estimated: list[str] = []
        self._make_weights(graph, "", "")  # those of outputs for training only too, which evaluation does not run
        weights = [x for state in self.states.values() for x in state.values()]
        self.weight_bytes = self.tape.memory.live
        trained = [x for x in weights if x.node is not None]
        self.kept = list(self._kept())
        self.tape.layer = LOSS
        self.state_bytes = self.tape.memory.live - self.weight_bytes
        self.trained = {x.node.name: x for x in trained if x.node is not None}

    # Weights

    def _make_weights(self, graph: Graph, prefix: str, scope: str) -> None:
        for node in graph.nodes:
            path, state = self._paths(node, prefix, scope)
            if isinstance(node.target, Graph):
                self._make_weights(node.target, path, state)
            elif state not in self.states:
                self.tape.layer = state
                specs, _ = self._facts(graph, node)
                if specs:
                    self.states[state] = {
                        name: self._weight(f"{state}.{name}", spec.shape, spec.dtype, learned=spec.learned)
                        for name, spec in specs.items()
                    }
                    self.untrained[state] = [name for name, spec in specs.items() if not spec.learned]

    def _facts(self, graph: Graph, node: Node) -> tuple[Mapping[str, ParamSpec], tuple[TensorType, ...]]:
        """The parameters of an op, and its outputs for this batch. Copies of a repeat share one node."""
        found = self.facts.get(node)
        if found is None:
            op, outputs = node.target, tuple([y.at(self.setting.batch_size) for y in node.outputs])
            assert isinstance(op, Operation)
            found = self.facts[node] = op.parameters(*graph.arguments(node)), outputs
        return found

    def _weight(self, name: str, shape: tuple[int, ...], dtype: str, *, learned: bool) -> Tensor:
        dtype = self.setting.dtype if dtype in FLOATS else dtype
        x = self.tape.new(shape, dtype)
        if self.setting.channels_last and len(shape) == 4 and not same_order(shape, x.strides, channels_last(shape)):
            x.strides = channels_last(shape)  # `backends.device.place` leaves what fits both layouts as it is
        return self.tape.parameter(name, x) if learned else x

    def _kept(self) -> Iterator[Tensor]:
        """The optimizer's state and the average of the weights, layer by layer."""
        states = self.setting.optimizer.states if self.setting.training else 0
        for path, tensors in self.states.items():
            self.tape.layer = path
            for x in tensors.values():
                for _ in range((states if x.node is not None else 0) + self.setting.ema):
                    yield self.tape.like(x)

    @staticmethod
    def _paths(node: Node, prefix: str, scope: str) -> tuple[str, str]:
        """The path of a node, and that of the node whose weights it uses."""
        path = f"{prefix}.{node.name}" if prefix else node.name
        return path, path if node.state is None and prefix == scope else state_of(scope, node)

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
        graph = evaluation(self.graph)
        inputs = self._inputs(graph)
        input_bytes = self.tape.memory.live - before
        with self.tape.autocast():
            self.run(graph, inputs, "", "")
        return self._execution(input_bytes)

    def step(self) -> Execution:
        """A training step after the first one: the optimizer's state is there, the gradients are not."""
        tape, before = self.tape, self.tape.memory.live
        batches = [self._inputs(self.graph) for _ in range(self.setting.accumulate)]
        labels = tape.new((self.setting.batch_size,), "int64")
        input_bytes = tape.memory.live - before
        for inputs in batches:
            tape.direction = "forward"
            with tape.autocast():
                outputs = self.run(self.graph, inputs, "", "")
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
        size = sum([x.nbytes for name, x in self.trained.items() if name in tape.gradients])
        numel = sum([x.numel for name, x in self.trained.items() if name in tape.gradients])
        states = optimizer.states
        tape.kernels.append(Kernel(
            LOSS, optimizer.kind, "optimizer", self.setting.dtype, (2 + states) * size, (1 + states) * size,
            flops=(2 + 4 * states) * numel, geometry=(len(tape.gradients),),
        ))
        tape.timeline.append(tape.memory.live)

    # The recursion. It drops a value after its last use, as the built modules do, so memory is freed when theirs is.

    def run(self, graph: Graph, inputs: Sequence[Tensor], prefix: str, scope: str) -> tuple[Tensor, ...]:
        """The outputs of a graph."""
        last, made = self._last_uses(graph), list[list[Tensor | None]]()
        for k, node in enumerate(graph.nodes):
            values = [inputs[port] if j == INPUT else _held(made[j][port]) for j, port in node.inputs]
            path, state = self._paths(node, prefix, scope)
            call = partial(self._call, graph, node, path, state)
            own = f"{scope}.{node.name}" if scope else node.name  # where the graph's module is used again
            if path in self.setting.recompute or own in self.setting.recompute:
                outputs = self.tape.recomputed(values, [*self._buffers(node, path, state).values()], call)
            else:
                outputs = call(values)
            made.append(list(outputs))
            del values, outputs
            for j, port in last[k]:
                made[j][port] = None
        return tuple([inputs[port] if k == INPUT else _held(made[k][port]) for k, port in graph.results])

    def _call(self, graph: Graph, node: Node, path: str, state: str, values: Sequence[Tensor]) -> tuple[Tensor, ...]:
        if isinstance(node.target, Graph):
            return self.run(node.target, values, path, state)
        self.tape.layer = path
        self.tape.weights = self.states.get(state, {})
        _, self.tape.outputs = self._facts(graph, node)
        outputs = node.target.kernels(self.tape, *values)
        outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
        if type(node.target).kernels is Operation.kernels:
            self.estimated.append(path)
        return outputs

    def _buffers(self, node: Node, path: str, state: str) -> dict[tuple[str, str], Tensor]:
        """The buffers of the layers within a node, each once."""
        if isinstance(node.target, Graph):
            inner = [self._buffers(x, *self._paths(x, path, state)) for x in node.target.nodes]
            return {key: buffer for found in inner for key, buffer in found.items()}
        return {(state, name): x for name, x in self.states.get(state, {}).items() if name in self.untrained[state]}

    def _last_uses(self, graph: Graph) -> list[list[tuple[int, int]]]:
        """For each node, the values that no later node and no output needs."""
        known = self.last_uses.get(id(graph))
        if known is None:
            known = self.last_uses[id(graph)] = [[] for _ in graph.nodes]
            seen = set[tuple[int, int]](graph.results)
            for k in range(len(graph.nodes) - 1, -1, -1):
                node = graph.nodes[k]
                unused = [(k, port) for port in range(len(node.outputs)) if (k, port) not in seen]
                known[k] += unused
                for value in node.inputs:
                    if value.node != INPUT and value not in seen:
                        seen.add(value)
                        known[k].append(value)
        return known

    # Results

    def _execution(self, input_bytes: int) -> Execution:
        tape = self.tape
        sums: dict[str, list[int]] = {}
        for kernel in tape.kernels:
            row = sums.setdefault(kernel.layer, [0, 0, 0, 0])
            row[kernel.direction == "backward"] += kernel.macs
            row[2] += kernel.read_bytes
            row[3] += kernel.written_bytes
        saved = tape.saved_by
        beside = workspace_bytes(tape)
        inside = beside if self.setting.libraries and not tape.cuda else 0
        peak = {} if self.ledger is None else self.ledger.at_peak()
        libraries = {} if self.ledger is None else layer_workspaces(tape)
        layers = {}
        for name in dict.fromkeys((*sums, *saved, *peak)):
            macs, back, read, written = sums.get(name, (0, 0, 0, 0))
            layers[name] = LayerUse(
                saved.get(name, 0), macs, back, read, written, peak.get(name, 0), libraries.get(name, 0))
        return Execution(
            self.setting, tuple(tape.kernels), tuple(tape.timeline), tape.saved_bytes,
            tape.memory.peak + inside, beside - inside,
            self.weight_bytes, sum([x.storage.size for x in tape.gradients.values()]), self.state_bytes, input_bytes,
            layers, tuple(self.estimated),
        )


def _held(x: Tensor | None) -> Tensor:
    """A value that a later node uses, which therefore has not been dropped."""
    assert x is not None
    return x
