"""The intermediate representation: a graph of nodes; a node runs an op or calls a sub-graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Protocol

from archspec.diagnostics import SourceSpan
from archspec.ops import Operation
from archspec.types import TensorType

NodePath = str  # node names from the network's stages inwards, joined by dots: also the module's name
StateId = str  # the path of the node that owns some weights
INPUT: Final = -1  # stands for a node in the values that flow into a graph
CLIMB: Final = "^"  # in Node.state: one graph further out


class Value(NamedTuple):
    """A value in a graph: output `port` of node number `node`, or input `port` of the graph where `node` is INPUT."""

    node: int
    port: int = 0


class Port(NamedTuple):
    """A value that enters or leaves a graph."""

    name: str
    type: TensorType


class Place(Protocol):
    """Where something is written."""

    def span(self) -> SourceSpan | None:
        """The place in the text, None where there is no text."""


class Node(NamedTuple):
    """One step of a graph: `target` applied to values. Compared by identity.

    outputs: the types of what it gives, one a port.
    state: the node whose weights it uses; None: its own. A name refers to a node of the same graph, each CLIMB before
    it goes one graph further out, and dots go inwards: `tower`, `^stem.conv`. The owner comes first. Its weights are
    counted, built and saved once, however many nodes use them.
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
        """The file and line where it was written, None where there is no text."""
        return None if self.at is None else self.at.span()


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order, and which values they take and give.

    One Graph object may be the target of several nodes: equal blocks on equal inputs are analysed once,
    and whoever keys a cache by the object sees each of them once. Compared by identity.

    kind: network, sequence (a list of layers), block, merge (branches and the op that joins them), or
    repeat (the copies of a layer).
    label: what the spec calls it: the block's name, the merge's op, `sequential`.
    inputs: the values that flow in; of a network as the spec has them, else the first that the body uses comes first.
    outputs: what it gives; results: the value that each of them is.
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

    def type_of(self, value: Value) -> TensorType:
        """The type of a value of this graph."""
        node, port = value
        return self.inputs[port].type if node == INPUT else self.nodes[node].outputs[port]

    def arguments(self, node: Node) -> tuple[TensorType, ...]:
        """The types of what flows into a node."""
        return tuple(map(self.type_of, node.inputs))

    @cached_property
    def is_chain(self) -> bool:
        """Whether each node takes just its predecessor's only output: an `nn.Sequential`."""
        nodes = self.nodes
        return (
            len(self.inputs) == 1
            and self.results == (Value(len(nodes) - 1),)
            and all(node.inputs == ((k - 1, 0),) and len(node.outputs) == 1 for k, node in enumerate(nodes))
        )

    @cached_property
    def op_count(self) -> int:
        """How many ops run, sub-graphs counted at each call."""
        return sum(n.target.op_count if isinstance(n.target, Graph) else 1 for n in self.nodes)

    @cached_property
    def shares_weights(self) -> bool:
        """Whether a node in it, or in a sub-graph, runs with the weights of another."""
        return any(
            n.state is not None or (isinstance(n.target, Graph) and n.target.shares_weights) for n in self.nodes
        )

    def equals(self, other: Graph) -> bool:
        """Whether the other graph computes the same in the same way, names included."""
        if self is other:
            return True
        mine = (self.kind, self.label, self.inputs, self.outputs, self.results, len(self.nodes))
        theirs = (other.kind, other.label, other.inputs, other.outputs, other.results, len(other.nodes))
        return mine == theirs and all(map(_same, self.nodes, other.nodes))

    def walk(self) -> Iterator[tuple[NodePath, Node, Graph]]:
        """Every node that runs an op, in order: its path, itself, and the graph that it stands in."""
        from archspec.ir.interpret import sites

        return ((site.path, site.node, site.graph) for site in sites(self))

    def origin(self, path: NodePath) -> SourceSpan | None:
        """Where the node at a path was written; None where there is no text or no such node."""
        name, _, rest = path.partition(".")
        node = next((node for node in self.nodes if node.name == name), None)
        if node is None or not rest:
            return None if node is None else node.origin
        return node.target.origin(rest) if isinstance(node.target, Graph) else None

    def verify(self) -> None:
        """Raise AssertionError unless what every pass relies on holds: see `archspec.ir.verify`."""
        from archspec.ir.verify import verify

        verify(self)


def state_of(scope: StateId, node: Node) -> StateId:
    """Whose weights a node runs with. scope: the state of the call of the graph that it stands in; empty outermost."""
    name = node.name if node.state is None else node.state
    up = len(name) - len(name.lstrip(CLIMB))
    outer = scope.split(".") if scope else []
    return ".".join([*outer[: len(outer) - up], name[up:]])


def _only(ports: tuple[Port, ...], what: str) -> TensorType:
    if len(ports) != 1:
        names = ", ".join(port.name for port in ports) or "none"
        raise ValueError(f"this needs a network of one {what.rstrip('s')}; its {what} are: {names}")
    return ports[0].type


def _same(a: Node, b: Node) -> bool:
    if (a.name, a.inputs, a.outputs, a.state) != (b.name, b.inputs, b.outputs, b.state):
        return False
    if isinstance(a.target, Graph) or isinstance(b.target, Graph):
        return isinstance(a.target, Graph) and isinstance(b.target, Graph) and a.target.equals(b.target)
    return a.target == b.target
