"""The result of a rewrite: a graph, and how to derive its weights from those of the original."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, Protocol

from archspec.ir.graph import Graph

if TYPE_CHECKING:
    from torch import Tensor

State = dict[str, "Tensor"]  # a state_dict


class Derivation(Protocol):
    """How a rewrite changes weights. It imports torch only in `apply`."""

    def apply(self, state: State) -> None:
        """Put the new graph's tensors into a state_dict of the old one. Raises KeyError if an old tensor is missing."""


class Rewritten(NamedTuple):
    """A graph, and the derivations of its weights, in order."""

    graph: Graph
    weights: tuple[Derivation, ...] = ()


def runs_by_state(graph: Graph) -> dict[str, list[int]]:
    """The numbers of the nodes that use the weights of each owner, in a graph without sub-graphs."""
    runs: dict[str, list[int]] = defaultdict(list)
    for k, node in enumerate(graph.nodes):
        runs[node.state or node.name].append(k)
    return runs
