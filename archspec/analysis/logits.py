"""Finds networks that end in a softmax or sigmoid, which a cross-entropy loss must not get."""

from __future__ import annotations

from archspec.ir import Graph, Site, interpret
from archspec.ops.traits import SquashesLogits


def squashing_end(graph: Graph) -> str | None:
    """The name of the last op of an output of a network if it turns logits into probabilities, or None."""
    return next((op for op in interpret(graph, [None] * len(graph.inputs), _after) if op), None)


def _after(site: Site, _: object) -> list[str | None]:
    op = site.node.op
    return [None if op is None or op.trait(SquashesLogits) is None else op.op] * len(site.node.outputs)
