"""Finds norms over the batch that would get one value per channel. It has no variance, and torch raises an error."""

from __future__ import annotations

from math import prod

from archspec.ir import Graph, NodePath
from archspec.ir.edit import evaluation
from archspec.ops.traits import Normalises


def lone_value(graph: Graph, images: int, *, training: bool) -> NodePath | None:
    """The first norm that would have one value per channel in a batch of `images` images.

    In evaluation mode only norms without running statistics count. Groups, layers and instances of one value are
    refused by the shape rules, since no batch size helps them.
    """
    if images > 1:
        return None
    for path, node, owner in (graph if training else evaluation(graph)).walk():
        norm = None if node.op is None else node.op.trait(Normalises)
        if node.op is None or norm is None or not norm.batch or images * prod(node.outputs[0].shape[2:]) != 1:
            continue
        if training or all(spec.learned for spec in node.op.parameters(*owner.arguments(node)).values()):
            return path
    return None


def smallest_batch(graph: Graph, *, training: bool) -> int:
    """The smallest batch of this network: 2 images if a norm over the batch would have one value, otherwise 1."""
    return 1 if lone_value(graph, 1, training=training) is None else 2
