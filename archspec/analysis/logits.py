"""Does a network end in what a cross entropy should not be given?"""

from __future__ import annotations

from archspec.ir import Graph, Site, interpret
from archspec.ops.traits import SquashesLogits


def squashing_end(graph: Graph) -> str | None:
    """The name of the op that gives an output of a network, if it makes probabilities of logits."""
    return next((op for op in interpret(graph, [None] * len(graph.inputs), _after) if op), None)


def _after(site: Site, _: object) -> list[str | None]:
    op = site.node.op
    return [None if op is None or op.trait(SquashesLogits) is None else op.op] * len(site.node.outputs)
