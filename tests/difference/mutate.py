"""Random mutations of networks: a stage renamed, an op inserted or left out."""

from __future__ import annotations

import dataclasses
import random

from archspec.ir import INPUT, Graph, Node, Value
from archspec.ops import make_op
from archspec.types import FLOATS


def renamed(graph: Graph, old: str, new: str) -> Graph:
    """The network with another name of one stage, also where others use its weights."""
    def state(of: str | None) -> str | None:
        if of is None:
            return None
        first, dot, rest = of.partition(".")
        return (new if first == old else first) + dot + rest

    nodes = tuple(n._replace(name=new if n.name == old else n.name, state=state(n.state)) for n in graph.nodes)
    return dataclasses.replace(graph, nodes=nodes)


def inserted(graph: Graph, rng: random.Random, name: str = "fresh") -> Graph | None:
    """The network with a relu behind a random stage, for all its users; None if no stage has floats."""
    places = [k for k, node in enumerate(graph.nodes) if node.outputs[0].dtype in FLOATS]
    if not places:
        return None
    k = rng.choice(places)
    type_ = graph.nodes[k].outputs[0]
    fresh = Node(name, make_op("relu", {}), (Value(k, 0),), (type_,))

    def moved(value: Value) -> Value:
        if value == (k, 0):
            return Value(k + 1, 0)
        return value if value.node == INPUT or value.node <= k else Value(value.node + 1, value.port)

    rest = [node._replace(inputs=tuple(map(moved, node.inputs))) for node in graph.nodes[k + 1:]]
    nodes = (*graph.nodes[: k + 1], fresh, *rest)
    return dataclasses.replace(graph, nodes=nodes, results=tuple(map(moved, graph.results)))
