"""The figures of a whole network without a row for each layer: for many networks that share sub-graphs."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass

from archspec.graph import Graph
from archspec.types import Cost


@dataclass(frozen=True, slots=True)
class Totals:
    """What one forward pass of one image costs. activations: elements of all op outputs together."""

    cost: Cost
    activations: int

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.cost + other.cost, self.activations + other.activations)

    @property
    def params(self) -> int:
        """Learned parameters."""
        return self.cost.params

    @property
    def macs(self) -> int:
        """Multiply-adds, as `Report.macs`."""
        return self.cost.macs

    def step_bytes(self, batch_size: int, *, states: int, width: int = 4) -> int:
        """The most that a training step may need: weights, gradients, optimizer state, buffers, every activation.

        states: tensors of a parameter's size that the optimizer keeps for it. width: bytes of an element.
        """
        weights = self.cost.params * (2 + states) + self.cost.buffers
        return (weights + self.activations * batch_size) * width


def totals(graph: Graph, known: MutableMapping[Graph, Totals]) -> Totals:
    """The sums over all ops of a graph. known: those of sub-graphs that were asked for before; it is added to."""
    found = known.get(graph)
    if found is None:
        found = Totals(Cost(), 0)
        for node in graph.nodes:
            if isinstance(node.target, Graph):
                found += totals(node.target, known)
            else:
                found += Totals(node.target.cost(*graph.arguments(node), node.output), node.output.numel)
        known[graph] = found
    return found
