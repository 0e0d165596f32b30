"""Counts a network as another tool does."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.analysis.conventions.model import PLUGIN, Convention, Count, Difference, Figure, Omission
from archspec.analysis.conventions.modules import Module, Operand, module_of
from archspec.analysis.conventions.strides import contiguous, strides_of
from archspec.analysis.lone_value import lone_value
from archspec.ir import Graph, Site, interpret
from archspec.ops import cost_of
from archspec.types import FLOATS


def counted(graph: Graph, convention: Convention, batch_size: int = 1) -> Figure:
    """What a tool prints for a network in evaluation, and where it differs from archspec's MACs."""
    size = 1 if convention.one_sample else batch_size
    modules, unknown = modules_of(graph, size)
    counts = [*unknown, *(count for module in modules for part in module.walk() for count in convention.count(part))]
    differences, left_out = _grouped(counts, convention.per_mac)
    total, macs = int(sum(count.amount for count in counts)), sum(count.macs for count in counts)
    fails = lone_value(graph, size, training=False)
    return Figure(convention, size, total, macs, differences, left_out, not unknown, fails)


def modules_of(graph: Graph, batch_size: int) -> tuple[list[Module], list[Count]]:
    """The modules that run in evaluation, and the ops of plugins, whose modules are not known."""
    watching = _Watching(graph, batch_size)
    types = [port.type.at(batch_size) for port in graph.inputs]
    interpret(graph, [Operand(x, contiguous(x.shape), learns=False) for x in types], watching.on_op)
    return watching.modules, watching.unknown


class _Watching:
    """Collects the modules of a network. Values are operands."""

    def __init__(self, graph: Graph, batch_size: int) -> None:
        self.idle = graph.training_only
        self.batch_size = batch_size
        self.modules: list[Module] = []
        self.unknown: list[Count] = []

    def on_op(self, site: Site, operands: tuple[Operand, ...]) -> Sequence[Operand]:
        op = site.node.op
        assert op is not None
        outputs = [x.at(self.batch_size) for x in site.node.outputs]
        module = module_of(op, operands, outputs[0])
        if site.path.partition(".")[0] in self.idle:
            pass  # an evaluation does not run it
        elif module is None:
            cost = cost_of(op, tuple([x.type for x in operands]), tuple(outputs))
            self.unknown.append(Count(op.op, 0, cost.macs, cost.elementwise_flops, PLUGIN))
        else:
            self.modules.append(module)
        learns = any(x.learns for x in operands) or any(p.learned for p in op.parameters(*site.inputs).values())
        fused = module is not None and not module.children and any(call.kernel == "fused" for call in module.calls)
        shapes = [(x.shape, x.strides) for x in operands]
        return [
            Operand(y, strides_of(op, shapes, y.shape, fused=fused), learns and y.dtype in FLOATS) for y in outputs
        ]


def _grouped(counts: list[Count], per_mac: int) -> tuple[tuple[Difference, ...], tuple[Omission, ...]]:
    """The counts that are not archspec's, those of one kind and reason together, the largest first."""
    differences: dict[tuple[str, str], list[float]] = {}
    omissions: dict[tuple[str, str], list[int]] = {}
    for count in counts:
        key = (count.what, count.reason)
        if count.amount:
            if count.amount != per_mac * count.macs:
                layers = differences.setdefault(key, [0, 0])
                layers[0] += 1
                layers[1] += count.amount - per_mac * count.macs
        elif count.macs:
            _add(omissions, key, count.macs, 0)
        if count.elementwise_flops and (count.macs or not count.amount):
            _add(omissions, key if not count.amount else (count.what, "element-wise work counts 0"),
                 0, count.elementwise_flops, again=bool(count.macs and not count.amount))
    found = [Difference(what, int(n), int(amount), reason) for (what, reason), (n, amount) in differences.items()]
    missing = [Omission(what, n, macs, flops, reason) for (what, reason), (n, macs, flops) in omissions.items()]
    return (
        tuple(sorted(found, key=lambda each: -abs(each.amount))),
        tuple(sorted(missing, key=lambda each: (-each.macs, -each.elementwise_flops))),
    )


def _add(
    omissions: dict[tuple[str, str], list[int]], key: tuple[str, str], macs: int, flops: int, *, again: bool = False
) -> None:
    entry = omissions.setdefault(key, [0, 0, 0])
    entry[0] += not again  # the same layer has both
    entry[1] += macs
    entry[2] += flops
