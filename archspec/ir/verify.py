"""The invariants on which every pass relies: order, names, types, weights, and that nothing is unused."""

from __future__ import annotations

from archspec.ir.graph import INPUT, Graph, Node, Value
from archspec.ir.interpret import Site, sites
from archspec.ops import infer_outputs
from archspec.ops.parameters import ParamSpec
from archspec.types import TensorType


def verify(graph: Graph) -> None:
    """Raise AssertionError, with the node's name, if an invariant does not hold."""
    _verify(graph, set())
    if graph.shares_weights:
        _verify_weights(graph)


def _verify(graph: Graph, seen: set[int]) -> None:
    if id(graph) in seen:
        return
    seen.add(id(graph))
    names = [node.name for node in graph.nodes]
    assert len(set(names)) == len(names), f"two nodes have the same name in {names}"
    used = set(graph.results)
    for k, node in enumerate(graph.nodes):
        for value in node.inputs:
            assert value.node < k and _exists(graph, value), f"{node.name}: its input {value} does not come before it"
        used.update(node.inputs)
        _verify_node(graph, node, seen)
    assert len(graph.results) == len(graph.outputs) and all(_exists(graph, value) for value in graph.results), "results"
    for port, value in zip(graph.outputs, graph.results, strict=True):
        assert graph.type_of(value) == port.type, f"the type of output {port.name} differs from its value's"
    for what in (graph.inputs, graph.outputs):
        assert len({port.name for port in what}) == len(what) or graph.kind != "network", "two ports have the same name"
    assert not graph.outputs or not all(port.training for port in graph.outputs), "evaluation has no output"
    unused = [n.name for k, n in enumerate(graph.nodes) if not any(Value(k, p) in used for p in range(len(n.outputs)))]
    unused += [port.name for k, port in enumerate(graph.inputs) if Value(INPUT, k) not in used]
    assert not unused, f"unused: {unused}"


def _exists(graph: Graph, value: Value) -> bool:
    node, port = value
    if node == INPUT:
        return 0 <= port < len(graph.inputs)
    return 0 <= node < len(graph.nodes) and 0 <= port < len(graph.nodes[node].outputs)


def _verify_node(graph: Graph, node: Node, seen: set[int]) -> None:
    arguments = graph.arguments(node)
    if isinstance(node.target, Graph):
        assert arguments == tuple(port.type for port in node.target.inputs), f"{node.name}: arguments differ in type"
        assert node.outputs == tuple(port.type for port in node.target.outputs), f"{node.name}: outputs differ in type"
        _verify(node.target, seen)
    else:
        assert node.outputs == infer_outputs(node.target, arguments), f"{node.name}: its shape rule disagrees"
    assert all(map(_is_whole, node.outputs)), f"{node.name}: {node.outputs}"


def _is_whole(x: TensorType) -> bool:
    """Whether every dimension is known, and none but the first depends on the batch."""
    return x.known and all(isinstance(d, int) for d in x.shape[1:])


def _verify_weights(graph: Graph) -> None:
    owners: dict[str, Site] = {}
    for site in sites(graph):
        if site.owns_weights:
            owners[site.path] = site
            continue
        mine = _parameters(site)
        if not mine:
            continue  # it may differ, as a layer of a shared stage that runs on another size
        owner = owners.get(site.state)
        assert owner is not None, f"{site.path}: no earlier node owns the weights of {site.state}"
        assert owner.node.target == site.node.target, f"{site.path}: differs from {site.state}, whose weights it uses"
        assert mine == _parameters(owner), f"{site.path}: its weights have other shapes than those of {site.state}"


def _parameters(site: Site) -> dict[str, ParamSpec]:
    return {} if site.node.op is None else site.node.op.parameters(*site.inputs)
