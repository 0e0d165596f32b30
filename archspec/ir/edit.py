"""Edits graphs. A graph never changes; each edit returns a new, verified one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from archspec.ir.graph import INPUT, Graph, Node, Value
from archspec.ir.interpret import Site, interpret


class Use(NamedTuple):
    """A use of a value: as input `position` of node number `node`, or as that output of the graph if `node` is None."""

    node: int | None
    position: int


def uses(graph: Graph) -> dict[Value, list[Use]]:
    """The uses of each value, in order. Unused values are left out."""
    found: dict[Value, list[Use]] = {}
    takers: list[tuple[int | None, Sequence[Value]]] = [(k, node.inputs) for k, node in enumerate(graph.nodes)]
    for k, values in [*takers, (None, graph.results)]:
        for position, value in enumerate(values):
            found.setdefault(value, []).append(Use(k, position))
    return found


def replace(graph: Graph, old: Value, new: Value) -> Graph:
    """The graph with every use of `old` replaced with `new`, without the nodes that are then unused."""
    editor = Editor(graph)
    editor.replace(old, new)
    return editor.finish()


def erase(graph: Graph, name: str) -> Graph:
    """The graph without the node of this name. Raises ValueError if its output is used."""
    editor = Editor(graph)
    (k,) = (k for k, node in enumerate(graph.nodes) if node.name == name)
    editor.erase(k)
    return editor.finish()


def keep_outputs(graph: Graph, names: Iterable[str]) -> Graph:
    """The network with only these outputs, and only the nodes and inputs that they need."""
    chosen = [k for k, port in enumerate(graph.outputs) if port.name in set(names)]
    outputs, results = tuple(graph.outputs[k] for k in chosen), tuple(graph.results[k] for k in chosen)
    return Editor(Graph(graph.kind, graph.label, graph.inputs, graph.nodes, outputs, results)).finish()


def evaluation(graph: Graph) -> Graph:
    """The network as it runs in evaluation: without what only training needs. The graph itself if that is nothing."""
    if not any(port.training for port in graph.outputs):
        return graph
    return keep_outputs(graph, [port.name for port in graph.outputs if not port.training])


def inline(graph: Graph) -> Graph:
    """The network as one graph of ops, named by their paths, so that edits can combine ops of different blocks."""
    nodes: list[Node] = []

    def on_op(site: Site, values: tuple[Value, ...]) -> list[Value]:
        state = None if site.owns_weights else site.state
        nodes.append(site.node._replace(name=site.path, inputs=values, state=state))
        return [Value(len(nodes) - 1, port) for port in range(len(site.node.outputs))]

    results = interpret(graph, [Value(INPUT, port) for port in range(len(graph.inputs))], on_op)
    return Graph(graph.kind, graph.label, graph.inputs, tuple(nodes), graph.outputs, results)


class Editor:
    """Several edits of one graph. Until `finish`, nodes keep their numbers, and new ones get further numbers."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: dict[int, Node] = dict(enumerate(graph.nodes))
        self._next = len(graph.nodes)
        self._before: dict[int, list[int]] = {}  # old node → the new nodes before it
        self._results = list(graph.results)
        self._uses = {value: set(found) for value, found in uses(graph).items()}

    def uses(self, value: Value) -> set[Use]:
        """The present uses of a value."""
        return self._uses.get(value, set())

    def change(self, k: int, node: Node) -> None:
        """Replace node number `k`."""
        self._disconnect(k)
        self.nodes[k] = node
        self._connect(k)

    def insert(self, node: Node, *, before: int) -> int:
        """Insert a node before old node number `before`, after earlier insertions there. Returns its number."""
        k = self._next
        self._next += 1
        self._before.setdefault(before, []).append(k)
        self.nodes[k] = node
        self._connect(k)
        return k

    def replace(self, old: Value, new: Value) -> None:
        """Replace every use of `old` with `new`."""
        for use in self._uses.pop(old, set()):
            self._uses.setdefault(new, set()).add(use)
            if use.node is None:
                self._results[use.position] = new
            else:
                node = self.nodes[use.node]
                inputs = (*node.inputs[: use.position], new, *node.inputs[use.position + 1 :])
                self.nodes[use.node] = node._replace(inputs=inputs)

    def erase(self, k: int) -> None:
        """Remove node number `k`. Raises ValueError if its output is used."""
        node = self.nodes[k]
        if any(self.uses(Value(k, port)) for port in range(len(node.outputs))):
            raise ValueError(f"the output of `{node.name}` is used")
        self._disconnect(k)
        del self.nodes[k]

    def finish(self) -> Graph:
        """The new graph, verified, without unused nodes. Raises AssertionError if weights lost their owner."""
        places = range(len(self.graph.nodes))
        order = [k for old in places for k in (*self._before.get(old, ()), old) if k in self.nodes]
        for k in reversed(order):
            if not any(self.uses(Value(k, port)) for port in range(len(self.nodes[k].outputs))):
                self.erase(k)
        order = [k for k in order if k in self.nodes]
        inputs = [k for k in range(len(self.graph.inputs)) if self.uses(Value(INPUT, k))]
        node_number, port_number = ({old: new for new, old in enumerate(kept)} for kept in (order, inputs))

        def moved(value: Value) -> Value:
            node, port = value
            return Value(INPUT, port_number[port]) if node == INPUT else Value(node_number[node], port)

        nodes = [self.nodes[k]._replace(inputs=tuple(map(moved, self.nodes[k].inputs))) for k in order]
        new = self.graph
        ports = tuple(new.inputs[k] for k in inputs)
        new = Graph(new.kind, new.label, ports, tuple(nodes), new.outputs, tuple(map(moved, self._results)))
        new.verify()
        return new

    def _connect(self, k: int) -> None:
        for position, value in enumerate(self.nodes[k].inputs):
            self._uses.setdefault(value, set()).add(Use(k, position))

    def _disconnect(self, k: int) -> None:
        for position, value in enumerate(self.nodes[k].inputs):
            self._uses[value].discard(Use(k, position))
