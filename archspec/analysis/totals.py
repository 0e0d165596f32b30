"""The figures of a whole network without a row for each layer: for many networks that share sub-graphs."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass

from archspec.graph import Graph
from archspec.types import Cost


@dataclass(frozen=True, slots=True)
class Totals:
    """What one forward pass of one image costs.

    activations: elements of all op outputs together. largest: of the largest of them. inputs: of what flows in.
    """

    cost: Cost
    activations: int
    largest: int
    inputs: int

    @property
    def params(self) -> int:
        """Learned parameters."""
        return self.cost.params

    @property
    def macs(self) -> int:
        """Multiply-adds, as `Report.macs`."""
        return self.cost.macs

    def step_bytes(self, batch_size: int, *, states: int, width: int = 4) -> int:
        """About the most that a training step may need.

        Weights, gradients, optimizer state, buffers, the images, every op's output, and two gradients of the largest.
        states: tensors of a parameter's size that the optimizer keeps for it. width: bytes of an element.
        """
        weights = self.cost.params * (2 + states) + self.cost.buffers
        return (weights + (self.inputs + self.activations + 2 * self.largest) * batch_size) * width


def totals(graph: Graph, known: MutableMapping[Graph, Totals]) -> Totals:
    """The sums over all ops of a graph. known: those of sub-graphs that were asked for before; it is added to."""
    found = known.get(graph)
    if found is None:
        cost, activations, largest = Cost(), 0, 0
        for node in graph.nodes:
            if isinstance(node.target, Graph):
                below = totals(node.target, known)
                priced, size, most = below.cost, below.activations, below.largest
            else:
                priced = node.target.cost(*graph.arguments(node), node.output)
                size = most = node.output.numel
            cost, activations, largest = cost + priced, activations + size, max(largest, most)
        found = known[graph] = Totals(cost, activations, largest, sum(tensor.numel for _, tensor in graph.inputs))
    return found
