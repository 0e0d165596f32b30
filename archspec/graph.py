"""The intermediate representation: a graph of nodes; a node runs an op or calls a sub-graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from archspec.ops import Operation, infer_outputs
from archspec.types import TensorType

NodePath = str  # node names from the network's stages inwards, joined by dots: also the module's name


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One step of a graph: `target` applied to values.

    inputs: indices of values. A graph of k inputs has the values 0..k-1; its n-th node is value k+n.
    """

    name: str
    target: Operation | Graph
    inputs: tuple[int, ...]
    output: TensorType

    @property
    def op(self) -> Operation | None:
        """The op, or None for a call of a sub-graph."""
        return None if isinstance(self.target, Graph) else self.target


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order, and which value is the output.

    One Graph object may be the target of several nodes: equal blocks on equal inputs are analysed once,
    and whoever keys a cache by the object sees each of them once. Compared by identity.

    kind: network, sequence (a list of layers), block, merge (branches and the op that joins them), or
    repeat (the copies of a layer).
    label: what the spec calls it: the block's name, the merge's op, `sequential`.
    inputs: a (name, TensorType) for each value that flows in. The first that the body uses comes first.
    """

    kind: str
    label: str
    inputs: tuple[tuple[str, TensorType], ...]
    nodes: tuple[Node, ...]
    output: int = field(kw_only=True)

    @property
    def result(self) -> TensorType:
        """Shape and dtype of the output."""
        return self.value(self.output)

    def value(self, index: int) -> TensorType:
        """Shape and dtype of a value, by its index."""
        k = len(self.inputs)
        return self.inputs[index][1] if index < k else self.nodes[index - k].output

    def arguments(self, node: Node) -> tuple[TensorType, ...]:
        """What flows into a node."""
        return tuple(self.value(i) for i in node.inputs)

    @cached_property
    def is_chain(self) -> bool:
        """Whether each node takes just its predecessor's output: an `nn.Sequential`."""
        return (
            len(self.inputs) == 1
            and self.output == len(self.nodes)
            and all(node.inputs == (k,) for k, node in enumerate(self.nodes))
        )

    @cached_property
    def op_count(self) -> int:
        """How many ops run, sub-graphs counted at each call."""
        return sum(n.target.op_count if isinstance(n.target, Graph) else 1 for n in self.nodes)

    def equals(self, other: Graph) -> bool:
        """Whether the other graph computes the same in the same way, names included."""
        if self is other:
            return True
        mine = (self.kind, self.label, self.inputs, self.output, len(self.nodes))
        return mine == (other.kind, other.label, other.inputs, other.output, len(other.nodes)) and all(
            a.name == b.name and a.inputs == b.inputs and a.output == b.output and _same(a.target, b.target)
            for a, b in zip(self.nodes, other.nodes, strict=True)
        )

    def walk(self, prefix: NodePath = "") -> Iterator[tuple[NodePath, Node, Graph]]:
        """Every node that runs an op, in order: its path, itself, and the graph that it stands in."""
        for node in self.nodes:
            path = f"{prefix}.{node.name}" if prefix else node.name
            if isinstance(node.target, Graph):
                yield from node.target.walk(path)
            else:
                yield path, node, self

    def verify(self) -> None:
        """Assert what every pass may rely on: order, names, shapes, and that nothing is unused."""
        seen: set[int] = set()
        _verify(self, seen)


def _same(a: Operation | Graph, b: Operation | Graph) -> bool:
    if isinstance(a, Graph) or isinstance(b, Graph):
        return isinstance(a, Graph) and isinstance(b, Graph) and a.equals(b)
    return a == b


def _verify(graph: Graph, seen: set[int]) -> None:
    if id(graph) in seen:
        return
    seen.add(id(graph))
    k = len(graph.inputs)
    used = {graph.output}
    names = [node.name for node in graph.nodes]
    assert len(set(names)) == len(names), f"two nodes of one name in {names}"
    for n, node in enumerate(graph.nodes):
        assert node.inputs and all(0 <= i < k + n for i in node.inputs), f"{node.name}: inputs must come before it"
        used.update(node.inputs)
        arguments = graph.arguments(node)
        if isinstance(node.target, Graph):
            assert arguments == tuple(t for _, t in node.target.inputs), f"{node.name}: called with other shapes"
            assert node.output == node.target.result, node.name
            _verify(node.target, seen)
        else:
            inferred = infer_outputs(node.target, arguments)
            assert (node.output,) == inferred, f"{node.name}: its shape rule says otherwise"
        assert node.output.known, node.name
    assert used == set(range(k + len(graph.nodes))), f"unused: {set(range(k + len(graph.nodes))) - used}"
