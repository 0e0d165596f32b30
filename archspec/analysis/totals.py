"""The figures of a whole network without a row for each layer. Fast for many networks that share sub-graphs."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

from archspec.ir import Graph, Site, interpret
from archspec.ir.interpret import Run
from archspec.ops import Operation, cost_of
from archspec.types import DTYPE_BYTES, FLOATS, Cost, TensorType

_Part = tuple[Cost, int, int]  # the cost of an op or sub-graph, its activations, and the largest of them


@dataclass(frozen=True, slots=True)
class Totals:
    """The cost of one forward pass of one image.

    activations: elements of all op outputs. largest: elements of the largest one. inputs: elements of the inputs.
    """

    cost: Cost
    activations: int
    largest: int
    inputs: int

    @property
    def params(self) -> int:
        """Number of learned parameters."""
        return self.cost.params

    @property
    def macs(self) -> int:
        """Multiply-adds, as in `Report.macs`."""
        return self.cost.macs

    def step_bytes(self, batch_size: int, *, states: int, width: int = 4) -> int:
        """About the most bytes that a training step needs: a bound from sums, for populations of networks.

        `archspec.execution` gives the peak itself, which takes some ten times as long. Weights, gradients, optimizer
        state, buffers, the images, all op outputs, and two gradients of the largest one.
        states: tensors of a parameter's size that the optimizer keeps for it. width: bytes of an element.
        """
        weights = self.cost.params * (2 + states) + self.cost.buffers
        return (weights + (self.inputs + self.activations + 2 * self.largest) * batch_size) * width


def totals(graph: Graph, known: MutableMapping[Graph, Totals]) -> Totals:
    """The sums over all ops of a graph. known: a cache with the totals of sub-graphs, to which new ones are added."""
    found = known.get(graph)
    if found is None:
        inputs = tuple([port.type.at(1) for port in graph.inputs])
        summing = _Summing(known)
        interpret(graph, inputs, summing.on_op, summing.on_call)
        parts, idle = summing.open[0], graph.training_only
        if idle:
            parts = [(_kept(part[0]), *part[1:]) if node.name in idle else part
                     for node, part in zip(graph.nodes, parts, strict=True)]
        known[graph] = found = _sum(parts, inputs)
    return found


def _kept(cost: Cost) -> Cost:
    """What evaluation has of a layer that it does not run: its weights."""
    return Cost(params=cost.params, buffers=cost.buffers)


def _words(x: TensorType) -> int:
    """Elements of a tensor, each as large as a float32."""
    return x.numel if x.dtype in FLOATS else x.nbytes // DTYPE_BYTES["float32"]


class _Summing:
    """Sums with `interpret`. Values are types for a batch of one."""

    def __init__(self, known: MutableMapping[Graph, Totals]) -> None:
        self.known = known
        self.open: list[list[_Part]] = [[]]  # parts of the open graphs, innermost last

    def on_op(self, site: Site, inputs: tuple[TensorType, ...]) -> Sequence[TensorType]:
        op = site.node.target
        assert isinstance(op, Operation)
        outputs = tuple([x.at(1) for x in site.node.outputs])
        cost, sizes = cost_of(op, inputs, outputs), [_words(x) for x in outputs]
        self.open[-1].append((cost if site.owns_weights else cost.without_weights, sum(sizes), max(sizes)))
        return outputs

    def on_call(self, site: Site, inputs: tuple[TensorType, ...], run: Run[TensorType]) -> Sequence[TensorType]:
        target = site.node.target
        assert isinstance(target, Graph)
        alone = site.owns_weights and not target.shares_weights  # its sums are the same at every call
        found = self.known.get(target) if alone else None
        if found is not None:
            self.open[-1].append((found.cost, found.activations, found.largest))
            return [x.at(1) for x in site.node.outputs]
        self.open.append([])
        outputs = run(inputs)
        found = _sum(self.open.pop(), inputs)
        if alone:
            self.known[target] = found
        self.open[-1].append((found.cost, found.activations, found.largest))
        return outputs


def _sum(parts: list[_Part], inputs: tuple[TensorType, ...]) -> Totals:
    costs = [cost for cost, _, _ in parts]
    cost = Cost(
        sum([c.macs for c in costs]), sum([c.params for c in costs]), sum([c.buffers for c in costs]),
        sum([c.elementwise_flops for c in costs]),
    )
    activations, largest = sum([part[1] for part in parts]), max([part[2] for part in parts], default=0)
    return Totals(cost, activations, largest, sum([_words(x) for x in inputs]))
