"""What all executions of one network have in common: the order in which values are dropped, and the weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from archspec.execution.autograd import leaf
from archspec.execution.launcher import granularity
from archspec.execution.setting import Setting
from archspec.execution.tensor import Memory, Storage, Tensor, channels_last, contiguous, same_order
from archspec.ir import INPUT, Graph, Node
from archspec.ir.edit import evaluation
from archspec.ir.graph import Value, state_of
from archspec.ops import Operation
from archspec.ops.parameters import ParamSpec
from archspec.types import DTYPE_BYTES, FLOATS, TensorType


class Step(NamedTuple):
    """A node of a graph, as each call of the graph runs it.

    made: its values. outputs: their types for the batch. unused: the values that no later node and no result needs.
    estimated: whether it runs an op without a rule for its kernels.
    """

    node: Node
    made: tuple[Value, ...]
    outputs: tuple[TensorType, ...]
    unused: tuple[Value, ...]
    estimated: bool


class _Form(NamedTuple):
    """What all tensors of one `ParamSpec` have in common in a setting."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    numel: int
    nbytes: int
    trainable: bool


class Weights:
    """Parameters and buffers as tensors, in a memory of their own, which an execution goes on from.

    tensors: by the path of the op that owns them, and their names. buffers: the names of those that are not learned.
    trained: those with a gradient, by full name.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.memory = Memory(granularity(setting))
        self.tensors: dict[str, dict[str, Tensor]] = {}
        self.buffers: dict[str, list[str]] = {}
        self.trained: dict[str, Tensor] = {}
        self._forms: dict[ParamSpec, _Form] = {}

    def add(self, path: str, specs: Mapping[str, ParamSpec]) -> None:
        """Make the tensors of an op."""
        self.tensors[path] = {name: self._tensor(f"{path}.{name}", spec) for name, spec in specs.items()}
        self.buffers[path] = [name for name, spec in specs.items() if not spec.learned]

    @property
    def learn(self) -> bool:
        """Whether there are parameters among them, frozen ones included."""
        return any(len(self.buffers[path]) < len(tensors) for path, tensors in self.tensors.items())

    def _tensor(self, name: str, spec: ParamSpec) -> Tensor:
        form = self._forms.get(spec)
        if form is None:
            form = self._forms[spec] = self._form(spec)
        shape, strides, dtype, numel, nbytes, trainable = form
        x = Tensor(Storage(self.memory, nbytes), shape, dtype, strides, numel)
        if trainable and name not in self.setting.frozen:
            x.node = leaf(name)
            self.trained[name] = x
        return x

    def _form(self, spec: ParamSpec) -> _Form:
        shape, setting = spec.shape, self.setting
        dtype = setting.dtype if spec.dtype in FLOATS else spec.dtype
        strides = contiguous(shape)
        if setting.channels_last and len(shape) == 4 and not same_order(shape, strides, channels_last(shape)):
            strides = channels_last(shape)  # `backends.device.place` leaves what fits both layouts as it is
        nbytes = spec.numel * DTYPE_BYTES[dtype]
        return _Form(shape, strides, dtype, spec.numel, nbytes, spec.learned and dtype in FLOATS)


class Network:
    """A graph that is executed in some settings."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._specs: dict[Node, Mapping[str, ParamSpec]] = {}
        self._steps: dict[tuple[Graph, int], list[Step]] = {}
        self._weights: dict[tuple[object, ...], Weights] = {}

    @cached_property
    def evaluation(self) -> Graph:
        """The graph without what only training runs."""
        return evaluation(self.graph)

    def weights(self, setting: Setting) -> Weights:
        """The weights, those of outputs for training only included, which evaluation does not run."""
        key = setting.dtype, setting.channels_last, granularity(setting), setting.frozen
        found = self._weights.get(key)
        if found is None:
            found = self._weights[key] = Weights(setting)
            self._add_weights(found, self.graph, "", "")
        return found

    def _add_weights(self, weights: Weights, graph: Graph, prefix: str, scope: str) -> None:
        for node in graph.nodes:
            path, state = paths(node, prefix, scope)
            if isinstance(node.target, Graph):
                self._add_weights(weights, node.target, path, state)
            elif state not in weights.tensors:
                specs = self._specs.get(node)  # copies of a repeat share one node
                if specs is None:
                    specs = self._specs[node] = node.target.parameters(*graph.arguments(node))
                if specs:
                    weights.add(state, specs)

    def steps(self, graph: Graph, batch_size: int) -> list[Step]:
        """The nodes of the graph, or of a part of it, for a batch."""
        found = self._steps.get((graph, batch_size))
        if found is None:
            unused = _unused(graph)
            found = self._steps[graph, batch_size] = [
                Step(
                    node, tuple([Value(k, port) for port in range(len(node.outputs))]),
                    tuple([y.at(batch_size) for y in node.outputs]), unused[k], _is_estimated(node),
                )
                for k, node in enumerate(graph.nodes)
            ]
        return found


def paths(node: Node, prefix: str, scope: str) -> tuple[str, str]:
    """The path of a node, and that of the node whose weights it uses."""
    path = f"{prefix}.{node.name}" if prefix else node.name
    return path, path if node.state is None and prefix == scope else state_of(scope, node)


def _is_estimated(node: Node) -> bool:
    return not isinstance(node.target, Graph) and type(node.target).kernels is Operation.kernels


def _unused(graph: Graph) -> list[tuple[Value, ...]]:
    """For each node, the values that no later node and no result needs."""
    found = list[tuple[Value, ...]]()
    seen = set(graph.results)
    for k in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[k]
        unused = [Value(k, port) for port in range(len(node.outputs)) if (k, port) not in seen]
        for value in node.inputs:
            if value.node != INPUT and value not in seen:
                seen.add(value)
                unused.append(value)
        found.append(tuple(unused))
    return found[::-1]
