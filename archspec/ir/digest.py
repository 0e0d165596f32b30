"""Digests of networks. Equal for networks that compute the same in the same way, however they are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from archspec.ir.graph import INPUT, Graph, Node, Port, Value
from archspec.ir.interpret import Run, Site, interpret
from archspec.ops import Operation
from archspec.types import TensorType

Fields = Callable[[Operation], dict[str, Any]]


def chosen_fields(op: Operation) -> dict[str, Any]:
    """The fields of an op that differ from their defaults, so that a later release can add fields."""
    return op.model_dump(mode="json", exclude_defaults=True)


def graph_digest(graph: Graph, fields: Fields = chosen_fields) -> str:
    """SHA-256 of a network: its names, ops, connections and owners of weights, but not where it was written.

    fields: the fields of an op that count. Resuming compares digests, so a network's digest must never change.
    """
    digests: dict[int, str] = {}  # by the id of a sub-graph
    lists: list[list[object]] = [[]]  # the nodes of the open graphs, innermost last

    def on_op(site: Site, _: object) -> list[None]:
        assert site.node.op is not None
        lists[-1].append(_node(site.graph, site.node, [site.node.op.op, fields(site.node.op)]))
        return [None] * len(site.node.outputs)

    def on_call(site: Site, values: tuple[None, ...], run: Run[None]) -> Sequence[None]:
        target = site.node.target
        assert isinstance(target, Graph)
        if id(target) not in digests:
            lists.append([])
            run(values)
            digests[id(target)] = _whole(target, lists.pop())
        lists[-1].append(_node(site.graph, site.node, digests[id(target)]))
        return [None] * len(site.node.outputs)

    interpret(graph, [None] * len(graph.inputs), on_op, on_call)
    return _whole(graph, lists[0])


def node_digest(graph: Graph, node: Node) -> str:
    """SHA-256 of a node of a graph: its name, its inputs, and its target."""
    target = node.target
    does = graph_digest(target) if isinstance(target, Graph) else [target.op, chosen_fields(target)]
    return _hash(_node(graph, node, does))


def _whole(graph: Graph, nodes: list[object]) -> str:
    results = [_value(graph, value) for value in graph.results]
    names = [] if len(results) == 1 else [[_port(port) for port in ports] for ports in (graph.inputs, graph.outputs)]
    inputs = [_type(port.type) for port in graph.inputs]
    return _hash(inputs, nodes, results[0] if len(results) == 1 else results, *names)


def _port(port: Port) -> object:
    return [port.name, "training"] if port.training else port.name


def _node(graph: Graph, node: Node, does: object) -> list[object]:
    shared = [] if node.state is None else [node.state]
    return [node.name, [_value(graph, value) for value in node.inputs], does, *shared]


def _value(graph: Graph, value: Value) -> object:
    """A value numbered as in all earlier digests: inputs first, then nodes, with the port if a node has several."""
    node, port = value
    if node == INPUT:
        return port
    number = len(graph.inputs) + node
    return number if port == 0 else [number, port]


def _type(x: TensorType) -> list[object]:
    """The batch counts as 1, as in earlier releases, whose shapes had a batch size."""
    return [x.at(1).shape, x.dtype, *([] if x.below is None else [x.below])]


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
