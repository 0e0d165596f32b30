"""Parameters, buffers, MACs and activation memory of every layer, and their sums for each sub-graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from archspec.analysis.report import Report, ReportNode
from archspec.ir import Graph, Site, interpret
from archspec.ir.interpret import Run
from archspec.ops import Operation
from archspec.ops.base import Wanted, gradient_macs, with_tensors
from archspec.ops.parameters import ParamSpec
from archspec.types import DTYPE_BYTES, FLOATS, Cost, TensorType


class Flow(NamedTuple):
    """A value of a network: its type, and whether a training step computes its gradient."""

    type: TensorType
    learns: bool


def cost_report(
    graph: Graph, *, batch_size: int = 1, dtype: str = "float32", frozen: Collection[str] = ()
) -> Report:
    """Compute the cost of every op of a network for a batch, from shapes alone.

    Equal copies of a repeat are computed once. Shared weights count at their owner. frozen: the names, in the
    `state_dict`, of parameters without a gradient. Raises ValueError for a batch below 1, or a dtype that is not in
    `DTYPE_BYTES`.
    """
    if batch_size < 1:
        raise ValueError(f"a batch has at least 1 sample, not {batch_size}")
    if dtype not in DTYPE_BYTES:
        raise ValueError(f"no figures in {dtype}; dtypes: {', '.join(DTYPE_BYTES)}")
    pricing = _Pricing(batch_size, DTYPE_BYTES[dtype], frozenset(frozen))
    inputs = [Flow(port.type.at(batch_size), learns=False) for port in graph.inputs]
    outputs = interpret(graph, inputs, pricing.on_op, pricing.on_call)
    row = pricing.close(graph.label, "", graph, outputs)
    return Report(graph.label, graph.inputs, graph.outputs, batch_size, dtype, row, graph=graph)


class _Run:
    """Equal consecutive copies of a repeat, or a single row of anything else."""

    __slots__ = ("count", "inputs", "outputs", "row", "site")

    def __init__(
        self, site: Site, inputs: tuple[Flow, ...], outputs: Sequence[Flow], row: ReportNode
    ) -> None:
        self.site, self.inputs, self.outputs, self.row, self.count = site, inputs, outputs, row, 1

    def takes(self, site: Site, inputs: tuple[Flow, ...]) -> bool:
        """Whether this node is one more copy."""
        mine = self.site
        return (
            site.node.target is mine.node.target and inputs == self.inputs and site.owns_weights == mine.owns_weights
        )


class _Pricing:
    """Computes the rows of a report with `interpret`. Types are for a batch of the given size."""

    def __init__(self, batch_size: int, width: int, frozen: frozenset[str]) -> None:
        self.batch_size = batch_size
        self.width = width
        self.frozen = frozen
        self.open: list[list[_Run]] = [[]]  # runs of the open graphs, innermost last

    def on_op(self, site: Site, inputs: tuple[Flow, ...]) -> Sequence[Flow]:
        again = self._again(site, inputs) if site.graph.kind == "repeat" else None
        if again is not None:
            return again
        node, op = site.node, site.node.op
        assert op is not None
        types, outputs = tuple([x.type for x in inputs]), tuple([x.at(self.batch_size) for x in node.outputs])
        specs, owner = op.parameters(*types), None
        cost = with_tensors(op.cost(*types, *outputs), specs)
        learns, backward = True in [x.learns for x in inputs], 0
        if specs or cost.macs:
            wanted = self._wanted(site, specs, inputs)
            learns = learns or bool(wanted.weights)
            usual = type(op).backward_macs is Operation.backward_macs  # which would compute all of this again
            backward = (
                gradient_macs(cost.macs, wanted, specs) if usual else op.backward_macs(wanted, *types, *outputs)
            ) if cost.macs else 0
        if not site.owns_weights:
            owner = site.state if cost.params + cost.buffers else None
            cost = cost.without_weights
        row = ReportNode(
            node.name, site.path, "op", op.op, _shapes(outputs), cost, sum(map(self._size, outputs)), 1, (), node.at,
            shared_with=owner, backward_macs=backward,
        )
        flows = [Flow(x, learns and x.dtype in FLOATS) for x in outputs]
        self.open[-1].append(_Run(site, inputs, flows, row))
        return flows

    def _wanted(self, site: Site, specs: Mapping[str, ParamSpec], inputs: tuple[Flow, ...]) -> Wanted:
        """The gradients that a step computes at this op."""
        names = [name for name, spec in specs.items() if spec.learned]
        if self.frozen:
            names = [name for name in names if f"{site.state}.{name}" not in self.frozen]
        return Wanted(tuple([x.learns for x in inputs]), frozenset(names))

    def _size(self, x: TensorType) -> int:
        return x.numel * self.width if x.dtype in FLOATS else x.nbytes

    def on_call(self, site: Site, inputs: tuple[Flow, ...], run: Run[Flow]) -> Sequence[Flow]:
        again = self._again(site, inputs) if site.graph.kind == "repeat" else None
        if again is not None:
            return again
        graph = site.node.target
        assert isinstance(graph, Graph)
        self.open.append([])
        outputs = run(inputs)
        row = self.close(site.node.name, site.path, graph, outputs)
        if site.node.state is not None:
            row = replace(row, shared_with=site.state)
        self.open[-1].append(_Run(site, inputs, outputs, row))
        return outputs

    def _again(self, site: Site, inputs: tuple[Flow, ...]) -> Sequence[Flow] | None:
        """The outputs of a node of a repeat that is a copy of the one before it, or None."""
        runs = self.open[-1]
        if not runs or not runs[-1].takes(site, inputs):
            return None
        runs[-1].count += 1
        return runs[-1].outputs

    def close(self, name: str, path: str, graph: Graph, outputs: Sequence[Flow]) -> ReportNode:
        """The row of the innermost open graph."""
        macs = params = buffers = flops = memory = backward = 0
        children = []
        idle = graph.training_only if graph.kind == "network" else frozenset()
        for run in self.open.pop():
            n, cost = run.count, run.row.cost
            params += n * cost.params
            buffers += n * cost.buffers
            backward += n * run.row.backward_macs
            if run.site.node.name in idle:
                children.append(replace(run.row, training_only=True))
                continue
            macs += n * cost.macs
            flops += n * cost.elementwise_flops
            memory += n * run.row.activation_bytes
            children.append(run.row if n == 1 else replace(run.row, count=n))
        total = Cost(macs, params, buffers, flops)
        shapes = _shapes([x.type for x in outputs])
        return ReportNode(
            name, path, graph.kind, graph.label, shapes, total, memory, 1, tuple(children), backward_macs=backward
        )


def _shapes(types: Sequence[TensorType]) -> tuple[tuple[int, ...], ...]:
    return tuple([x.shape[1:] for x in types])
