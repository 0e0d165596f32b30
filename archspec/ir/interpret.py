"""The one recursion over a graph. A pass decides what the values are and what an op does with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from archspec.ir.graph import INPUT, Graph, Node, NodePath, StateId, state_of
from archspec.types import TensorType

V = TypeVar("V")
Run = Callable[[Sequence[V]], Sequence[V]]


class Site(NamedTuple):
    """A node at one place where it runs.

    path: its full path. state: the path of the node whose weights it uses. graph: its graph.
    """

    path: NodePath
    state: StateId
    node: Node
    graph: Graph

    @property
    def inputs(self) -> tuple[TensorType, ...]:
        """The types of its inputs."""
        return self.graph.arguments(self.node)

    @property
    def owns_weights(self) -> bool:
        """Whether it uses its own weights, and not those of an earlier node."""
        return self.path == self.state


def interpret(
    graph: Graph, inputs: Sequence[V], on_op: Callable[[Site, tuple[V, ...]], Sequence[V]],
    on_call: Callable[[Site, tuple[V, ...], Run[V]], Sequence[V]] | None = None,
) -> tuple[V, ...]:
    """Compute the outputs of a graph for these inputs, with `on_op` as the rule of every op.

    V is the type of a pass's values: shapes, verdicts, nodes of another graph. A sub-graph runs once per call, with
    the inputs of the call. on_call: computes the outputs of a call instead. It may call `run(values)`, which runs the
    sub-graph on other values, or skip that if it knows the result.
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
    """Every node that runs an op, in order; a node of a sub-graph once per call."""
    found: list[Site] = []

    def note(site: Site, _: object) -> tuple[None, ...]:
        found.append(site)
        return (None,) * len(site.node.outputs)

    interpret(graph, [None] * len(graph.inputs), note)
    return found
