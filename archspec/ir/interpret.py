"""The one recursion over a graph: values of any kind flow through it, as an op's rule says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from archspec.ir.graph import INPUT, Graph, Node, NodePath, StateId, state_of
from archspec.types import TensorType

V = TypeVar("V")
Run = Callable[[Sequence[V]], Sequence[V]]


class Site(NamedTuple):
    """A node at one of the places where it runs.

    path: from the network on. state: the path of the node whose weights it runs with. graph: what it stands in.
    """

    path: NodePath
    state: StateId
    node: Node
    graph: Graph

    @property
    def inputs(self) -> tuple[TensorType, ...]:
        """The types of what flows in."""
        return self.graph.arguments(self.node)

    @property
    def owns_weights(self) -> bool:
        """Whether its weights are its own, and not those of an earlier node."""
        return self.path == self.state


def interpret(
    graph: Graph, inputs: Sequence[V], on_op: Callable[[Site, tuple[V, ...]], Sequence[V]],
    on_call: Callable[[Site, tuple[V, ...], Run[V]], Sequence[V]] | None = None,
) -> tuple[V, ...]:
    """What a graph gives for these inputs, if each op gives what `on_op` says for what flows into it.

    V is whatever a pass follows: shapes, verdicts, nodes of another graph. Sub-graphs are run once a call, with the
    values that flow into the call. on_call: what a call gives instead; it may call `run(values)`, which runs the
    sub-graph on values of its choice, or not, if it knows the result.
    """
    return _run(graph, inputs, on_op, on_call, "", "")


def _run(
    graph: Graph, inputs: Sequence[V], on_op: Callable[[Site, tuple[V, ...]], Sequence[V]],
    on_call: Callable[[Site, tuple[V, ...], Run[V]], Sequence[V]] | None, prefix: NodePath, scope: StateId,
) -> tuple[V, ...]:
    made: list[Sequence[V]] = []
    for node in graph.nodes:
        path = f"{prefix}.{node.name}" if prefix else node.name
        own = node.state is None and prefix == scope
        site = Site(path, path if own else state_of(scope, node), node, graph)
        values = tuple([inputs[port] if k == INPUT else made[k][port] for k, port in node.inputs])
        target = node.target
        if not isinstance(target, Graph):
            given = on_op(site, values)
        elif on_call is None:
            given = _run(target, values, on_op, None, path, site.state)
        else:
            given = on_call(site, values, _runner(site, target, on_op, on_call))
        made.append(given)
    return tuple([inputs[port] if k == INPUT else made[k][port] for k, port in graph.results])


def _runner(
    site: Site, target: Graph, on_op: Callable[[Site, tuple[V, ...]], Sequence[V]],
    on_call: Callable[[Site, tuple[V, ...], Run[V]], Sequence[V]],
) -> Run[V]:
    return lambda values: _run(target, values, on_op, on_call, site.path, site.state)


def sites(graph: Graph) -> list[Site]:
    """Every node that runs an op, in order; in a sub-graph once a call."""
    found: list[Site] = []

    def note(site: Site, _: object) -> tuple[None, ...]:
        found.append(site)
        return (None,) * len(site.node.outputs)

    interpret(graph, [None] * len(graph.inputs), note)
    return found
