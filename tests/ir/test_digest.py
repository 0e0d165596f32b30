"""Digests: those of old runs stay, and what counts changes them."""

from __future__ import annotations

import dataclasses

import pytest

import archspec
from archspec.ir import Graph
from archspec.ir.digest import graph_digest, node_digest
from tests.ir.graphs import Hand, batch, siamese

# As they were when a batch of 1 was written into shapes: runs are resumed by them.
GOLDEN = {
    "alexnet": "740d23794e805cb9f5474117ca834cd984e6f52ef568ecc5c3c3ac1cf35b20e1",
    "googlenet": "8f97dadfe89231f5e304243c00c4c22dcb79056a59d8355c8877a0003610926d",
    "lenet": "384e0fffa0be08a3c1603385c076fbfc8eb1761a9217470b48e231fbd0e74fdf",
    "nin": "3a53d382005bbf91befc9a1c791c01c54d31d93b1cbb6be841fea0bfb192a9bc",
    "resnet152": "7134a35177704de68ad5f0783bdeaefb0697caf8999877d488223222100e3ff3",
    "resnet18": "7b85a5bef706ec848b1fddd5a739d1dae6c585ef8f2645ca8e1c397e2d52281a",
    "vgg11": "33e1d566b8d4b08fcedb1222c4502695a2c6facab0a099684e8764012fa42c53",
    "zoo/convnext_tiny": "63857c66cd11019061277778977fb697678853d0a96965664bc249c51a03fb73",
    "zoo/densenet121": "72be28e6bde7fb2209f52aee59c8d7f099c89b5d990f5827bf693e543350cc26",
    "zoo/inception_v3": "9e5eb14b336c0dc561fb25052316a65a13e7f10378addc4c07c61d11b5f65d33",
    "zoo/nasbench201": "338434c93db7bd58e9a41145b7b83744487fac7fe07e565a7af368636823d16a",
    "zoo/resnet50": "4bbe131f00c5e4cfa93f0eedffb0419d74fb5b6c5ecc9321f5e9832543e6342a",
    "zoo/shufflenet_v2_x1_0": "66c7c690b38aebc0052bd0541f63bc1238ef31b66275022f87011f8c3ebd2f11",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_digests_stay(name: str) -> None:
    assert graph_digest(archspec.load(name).graph) == GOLDEN[name]


def changed(graph: Graph, k: int, **fields: object) -> Graph:
    nodes = [node._replace(**fields) if i == k else node for i, node in enumerate(graph.nodes)]
    return dataclasses.replace(graph, nodes=tuple(nodes))


def test_what_counts() -> None:
    graph = siamese()
    others = [
        changed(graph, 1, state=None), changed(graph, 1, name="other"),
        changed(graph, 2, inputs=graph.nodes[2].inputs[::-1]),
        dataclasses.replace(graph, results=graph.results[::-1], outputs=graph.outputs[::-1]),
        dataclasses.replace(graph, outputs=tuple(port._replace(name=port.name + "_") for port in graph.outputs)),
    ]
    digests = {graph_digest(other) for other in [graph, *others]}
    assert len(digests) == 6
    assert graph_digest(siamese()) == graph_digest(graph)


def test_an_integer_input_counts() -> None:
    graphs = []
    for dtype in ("float32", "int64"):
        hand = Hand(x=batch(4, dtype=dtype))
        graphs.append(hand.graph(y=hand.add("a", "identity", hand.inputs[0])))
    assert len({graph_digest(graph) for graph in graphs}) == 2


def test_node_digest() -> None:
    graph = siamese()
    assert len({node_digest(graph, node) for node in graph.nodes}) == len(graph.nodes)
    assert node_digest(graph, graph.nodes[0]) == node_digest(siamese(), siamese().nodes[0])
