"""What a rewrite gives: a graph, and how its weights follow from those of the graph before."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, Protocol

from archspec.ir.graph import Graph

if TYPE_CHECKING:
    from torch import Tensor

State = dict[str, "Tensor"]  # a state_dict


class Derivation(Protocol):
    """How a rewrite changes weights. It imports no torch before it is asked to."""

    def apply(self, state: State) -> None:
        """Put the new graph's tensors into a state_dict of the old one. KeyError where one of the old is missing."""


class Rewritten(NamedTuple):
    """A graph, and the derivations that make its weights, in order."""

    graph: Graph
    weights: tuple[Derivation, ...] = ()


def runs_by_state(graph: Graph) -> dict[str, list[int]]:
    """Of a graph without sub-graphs: the numbers of the nodes that run with the weights of each owner."""
    runs: dict[str, list[int]] = defaultdict(list)
    for k, node in enumerate(graph.nodes):
        runs[node.state or node.name].append(k)
    return runs
