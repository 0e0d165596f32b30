"""Does a network end in what a cross entropy should not be given?"""

from __future__ import annotations

from archspec.graph import Graph
from archspec.ops.traits import SquashesLogits


def squashing_end(graph: Graph) -> str | None:
    """The name of the op that gives a network's output, if it makes probabilities of logits."""
    while graph.output >= len(graph.inputs):
        target = graph.nodes[graph.output - len(graph.inputs)].target
        if not isinstance(target, Graph):
            return None if target.trait(SquashesLogits) is None else target.op
        graph = target
    return None
