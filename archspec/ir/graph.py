"""The intermediate representation: a graph of nodes. A node runs an op or calls a sub-graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Protocol

from archspec.diagnostics import SourceSpan
from archspec.ops import Operation
from archspec.types import TensorType

NodePath = str  # names of nodes from the stage inwards, joined by dots; also the module's name
StateId = str  # the path of the node that owns some weights
INPUT: Final = -1  # the node number of a graph's inputs
CLIMB: Final = "^"  # in Node.state: one graph further out


class Value(NamedTuple):
    """A value in a graph: output `port` of node number `node`, or input `port` of the graph if `node` is INPUT."""

    node: int
    port: int = 0


class Port(NamedTuple):
    """An input or output of a graph. training: whether only training computes this output of a network."""

    name: str
    type: TensorType
    training: bool = False


class Place(Protocol):
    """Where something is written."""

    def span(self) -> SourceSpan | None:
        """The place in the text, or None if there is no text."""


class Node(NamedTuple):
    """One step of a graph: `target` applied to values. Compared by identity.

    outputs: the type of each output port.
    state: the node whose weights it uses; None: its own. A name refers to a node of the same graph, each CLIMB before
    it means one graph further out, and dots lead inwards: `tower`, `^stem.conv`. The owner comes first. Its weights
    are counted, built and saved once, however many nodes use them.
    at: where it was written. Comparisons and digests ignore it.
    """

    name: str
    target: Operation | Graph
    inputs: tuple[Value, ...]
    outputs: tuple[TensorType, ...]
    state: str | None = None
    at: Place | None = None

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def op(self) -> Operation | None:
        """The op, or None for a call of a sub-graph."""
        return None if isinstance(self.target, Graph) else self.target

    @property
    def origin(self) -> SourceSpan | None:
        """The file and line where it was written, or None if there is no text."""
        return None if self.at is None else self.at.span()


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order, and how their values are connected.

    One Graph object may be the target of several nodes: equal blocks on equal inputs share one, so a cache with the
    object as key analyses it once. Compared by identity.

    kind: network, sequence (a list of layers), block, merge (branches and the op that joins them), or
    repeat (the copies of a layer).
    label: its name in the spec: the block's name, the merge's op, `sequential`.
    inputs: its inputs, for a network in the order of the spec, otherwise in the order of use.
    outputs: its outputs. results: the value of each output.
    """

    kind: str
    label: str
    inputs: tuple[Port, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Port, ...]
    results: tuple[Value, ...]

    @property
    def input(self) -> TensorType:
        """The type of the only input. ValueError if there are several."""
        return _only(self.inputs, "inputs")

    @property
    def output(self) -> TensorType:
        """The type of the only output. ValueError if there are several."""
        return _only(self.outputs, "outputs")

    @property
    def first_output(self) -> TensorType:
        """The type of the first output that evaluation computes."""
        return next(port.type for port in self.outputs if not port.training)

    @property
    def samples(self) -> str:
        """What a batch of a network consists of, in messages: images if that is its only input, otherwise samples."""
        types = [port.type for port in self.inputs]
        return "images" if len(types) == 1 and types[0].ndim == 4 and types[0].below is None else "samples"

    @cached_property
    def training_only(self) -> frozenset[str]:
        """The names of the nodes of a network that evaluation does not run: only outputs for training need them."""
        if not any(port.training for port in self.outputs):
            return frozenset()
        needed = set[int]()
        waiting = [value for port, value in zip(self.outputs, self.results, strict=True) if not port.training]
        while waiting:
            k = waiting.pop().node
            if k != INPUT and k not in needed:
                needed.add(k)
                waiting += self.nodes[k].inputs
        return frozenset(node.name for k, node in enumerate(self.nodes) if k not in needed)

    def type_of(self, value: Value) -> TensorType:
        """The type of a value of this graph."""
        node, port = value
        return self.inputs[port].type if node == INPUT else self.nodes[node].outputs[port]

    def arguments(self, node: Node) -> tuple[TensorType, ...]:
        """The types of a node's inputs."""
        return tuple(map(self.type_of, node.inputs))

    @cached_property
    def is_chain(self) -> bool:
        """Whether each node takes only its predecessor's only output, as in an `nn.Sequential`."""
        nodes = self.nodes
        return (
            len(self.inputs) == 1
            and self.results == (Value(len(nodes) - 1),)
            and all(node.inputs == ((k - 1, 0),) and len(node.outputs) == 1 for k, node in enumerate(nodes))
        )

    @cached_property
    def op_count(self) -> int:
        """The number of ops that run. Sub-graphs count at each call."""
        return sum(n.target.op_count if isinstance(n.target, Graph) else 1 for n in self.nodes)

    @cached_property
    def shares_weights(self) -> bool:
        """Whether a node in it, or in a sub-graph, uses the weights of another."""
        return any(
            n.state is not None or (isinstance(n.target, Graph) and n.target.shares_weights) for n in self.nodes
        )

    def equals(self, other: Graph, *, ports: bool = True) -> bool:
        """Whether the other graph computes the same in the same way, names included.

        ports: whether the names of inputs and outputs count, which say where the values come from.
        """
        if self is other:
            return True
        if ports and (self.inputs, self.outputs) != (other.inputs, other.outputs):
            return False
        mine = (self.kind, self.label, _types(self.inputs), _types(self.outputs), self.results, len(self.nodes))
        theirs = (other.kind, other.label, _types(other.inputs), _types(other.outputs), other.results, len(other.nodes))
        return mine == theirs and all(_same(a, b, ports=ports) for a, b in zip(self.nodes, other.nodes, strict=True))

    def walk(self) -> Iterator[tuple[NodePath, Node, Graph]]:
        """Every node that runs an op, in order: its path, the node, and its graph."""
        from archspec.ir.interpret import sites

        return ((site.path, site.node, site.graph) for site in sites(self))

    def origin(self, path: NodePath) -> SourceSpan | None:
        """Where the node at a path was written, or None if there is no text or no such node."""
        name, _, rest = path.partition(".")
        node = next((node for node in self.nodes if node.name == name), None)
        if node is None or not rest:
            return None if node is None else node.origin
        return node.target.origin(rest) if isinstance(node.target, Graph) else None

    def verify(self) -> None:
        """Raise AssertionError if an invariant does not hold: see `archspec.ir.verify`."""
        from archspec.ir.verify import verify

        verify(self)


def state_of(scope: StateId, node: Node) -> StateId:
    """The node whose weights a node uses. scope: the state of the call of its graph; empty for the network."""
    name = node.name if node.state is None else node.state
    up = len(name) - len(name.lstrip(CLIMB))
    outer = scope.split(".") if scope else []
    return ".".join([*outer[: len(outer) - up], name[up:]])


def _only(ports: tuple[Port, ...], what: str) -> TensorType:
    if len(ports) != 1:
        names = ", ".join(port.name for port in ports) or "none"
        raise ValueError(f"this needs a network of one {what.rstrip('s')}; its {what} are: {names}")
    return ports[0].type


def _types(ports: tuple[Port, ...]) -> list[TensorType]:
    return [port.type for port in ports]


def _same(a: Node, b: Node, *, ports: bool) -> bool:
    if (a.name, a.inputs, a.outputs, a.state) != (b.name, b.inputs, b.outputs, b.state):
        return False
    if isinstance(a.target, Graph) or isinstance(b.target, Graph):
        return isinstance(a.target, Graph) and isinstance(b.target, Graph) and a.target.equals(b.target, ports=ports)
    return a.target == b.target
