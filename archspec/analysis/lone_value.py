"""Where a norm over the batch would have one value to normalise: it has no variance, and torch refuses it."""

from __future__ import annotations

from math import prod

from archspec.graph import Graph, NodePath
from archspec.ops.batch_norm import BatchNorm


def lone_value(graph: Graph, images: int, *, training: bool) -> NodePath | None:
    """The first norm that would have one value a channel in a batch of so many images.

    In evaluation that only matters to norms without running statistics. Groups, layers and instances of one value are
    refused by the shape rules: no batch helps them.
    """
    if images > 1:
        return None
    for path, node, _ in graph.walk():
        if (
            isinstance(node.target, BatchNorm) and (training or not node.target.track_running_stats)
            and images * prod(node.output.shape[2:]) == 1
        ):
            return path
    return None


def smallest_batch(graph: Graph, *, training: bool) -> int:
    """How many images a batch of this network needs: 2 where a norm over the batch would have one value, else 1."""
    return 1 if lone_value(graph, 1, training=training) is None else 2
