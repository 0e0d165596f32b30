"""Finds norms over the batch that would get one value per channel. It has no variance, and torch raises an error."""

from __future__ import annotations

from math import prod

from archspec.analysis.weights import weights
from archspec.diagnostics import error
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


def why_no_step(graph: Graph, batch_size: int) -> str | None:
    """Why a training step with this batch size is impossible, as a text; None if it is possible."""
    if not any(spec.learned for _, spec in weights(graph)):
        return "the network has no parameters to train"
    path = lone_value(graph, batch_size, training=True)
    return f"{path} needs a batch of 2 or more to train: one value per channel has no variance" if path else None


def check_batch(graph: Graph, batch_size: int, remedy: str = "make the batch 2 or more") -> None:
    """Raise SpecError BUILD203 if a norm cannot run with this batch size at all, not even in evaluation."""
    if path := lone_value(graph, batch_size, training=False):
        raise error(
            "BUILD203", f"`{path}` has no running statistics and needs 2 {graph.samples} or more at a time, got one",
            span=graph.origin(path),
            hint=f"{remedy}, or let the norm keep running statistics (`track_running_stats: true`)",
        )
