"""Graphs that break what every pass relies on are refused."""

from __future__ import annotations

import dataclasses

import pytest

import archspec
from archspec.ir import Graph, Value
from archspec.types import BATCH, TensorType
from tests.ir.graphs import Hand, batch, siamese, tower


def shared(state: str, *, first: str = "a", out_features: int = 6) -> Graph:
    hand = Hand(x=batch(6))
    a = hand.add("a", "linear", hand.inputs[0], out_features=6, state="b" if first == "b" else None)
    b = hand.add("b", "linear", a, out_features=out_features, state=None if first == "b" else state)
    return hand.graph(verify=False, y=b)


def two_sizes() -> Graph:
    hand = Hand(large=batch(1, 12, 12), small=batch(1, 8, 8))
    a = hand.add("tower", tower(12, flat=True), hand.inputs[0])
    b = hand.add("again", tower(8, flat=True), hand.inputs[1], state="tower")
    return hand.graph(verify=False, a=a, b=b)


def batch_in_the_middle() -> Graph:
    hand = Hand(x=TensorType((4, BATCH)))
    return hand.graph(verify=False, y=hand.add("a", "relu", hand.inputs[0]))


def retyped(graph: Graph, x: TensorType) -> Graph:
    return dataclasses.replace(graph, inputs=(graph.inputs[0]._replace(type=x), graph.inputs[1]))


def renamed(graph: Graph, name: str) -> Graph:
    return dataclasses.replace(graph, nodes=tuple(node._replace(name=name) for node in graph.nodes))


def taking(graph: Graph, value: Value) -> Graph:
    nodes = list(graph.nodes)
    nodes[3] = nodes[3]._replace(inputs=(value,))
    return dataclasses.replace(graph, nodes=tuple(nodes))


def moved(graph: Graph) -> Graph:
    return dataclasses.replace(graph, nodes=(graph.nodes[2], *graph.nodes[:2], *graph.nodes[3:]))


BROKEN = {
    "no owner": lambda: shared("nothing"),
    "a later owner": lambda: shared("b", first="b"),
    "another op": lambda: shared("a", out_features=7),
    "other weights": two_sizes,
    "another type": lambda: retyped(siamese(), batch(1, 9, 9)),
    "an output of another type": lambda: dataclasses.replace(
        siamese(), outputs=tuple(port._replace(type=batch(9)) for port in siamese().outputs)),
    "one name twice": lambda: renamed(siamese(), "tower"),
    "unused": lambda: dataclasses.replace(siamese(), outputs=siamese().outputs[1:], results=siamese().results[1:]),
    "before it": lambda: moved(siamese()),
    "no such port": lambda: taking(siamese(), Value(0, 1)),
    "batch in the middle": batch_in_the_middle,
}


@pytest.mark.parametrize("broken", BROKEN)
def test_verify_refuses(broken: str) -> None:
    graph = BROKEN[broken]()
    with pytest.raises(AssertionError):
        graph.verify()


def test_every_shipped_graph_is_verified() -> None:
    for name in ("lenet", "googlenet", "resnet152", "zoo/densenet121", "zoo/shufflenet_v2_x1_0"):
        graph = archspec.load(name).graph
        graph.verify()
        assert graph.input.shape[0] is BATCH and graph.output.shape[0] is BATCH
