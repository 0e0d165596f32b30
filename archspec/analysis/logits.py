"""Does a network end in what a cross entropy should not be given?"""

from __future__ import annotations

from typing import Final

from archspec.graph import Graph

_SQUASHING: Final = ("softmax", "sigmoid")  # log_softmax is harmless: its own log_softmax is itself


def squashing_end(graph: Graph) -> str | None:
    """The name of the op that gives a network's output, if it makes probabilities of logits."""
    while graph.output >= len(graph.inputs):
        target = graph.nodes[graph.output - len(graph.inputs)].target
        if not isinstance(target, Graph):
            return target.op if target.op in _SQUASHING else None
        graph = target
    return None
