"""The rewrites that make a network faster in evaluation."""

from __future__ import annotations

from archspec.ir.edit import inline
from archspec.ir.graph import Graph
from archspec.ir.rewrites.fold_batch_norm import fold_batch_norm
from archspec.ir.rewrites.fuse_convolutions import fuse_convolutions
from archspec.ir.rewrites.result import Derivation, Rewritten


def for_inference(graph: Graph) -> Rewritten:
    """A graph that computes the same as a network in evaluation mode, with fewer ops. It has no sub-graphs."""
    graph, weights = inline(graph), list[Derivation]()
    for rewrite in (fold_batch_norm, fuse_convolutions):
        graph, new = rewrite(graph)
        weights += new
    return Rewritten(graph, tuple(weights))
