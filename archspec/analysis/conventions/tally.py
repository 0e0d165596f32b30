"""Counts a network as another tool does."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.analysis.conventions.model import PLUGIN, Convention, Count, Difference, Figure, Omission
from archspec.analysis.conventions.modules import Module, module_of
from archspec.analysis.lone_value import lone_value
from archspec.execution import Setting, Tape
from archspec.execution.tensor import Tensor
from archspec.ir import Graph, Site, interpret
from archspec.ir.edit import evaluation
from archspec.ops import cost_of
from archspec.ops.parameters import ParamSpec


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
    running = _Running(batch_size)
    graph = evaluation(graph)
    inputs = [running.tape.new(x.shape, x.dtype) for x in (port.type.at(batch_size) for port in graph.inputs)]
    interpret(graph, inputs, running.on_op)
    return running.modules, running.unknown


class _Running:
    """Runs a network in evaluation on a tape, and collects its modules.

    The layout of its tensors decides which products torch runs. They have gradients: tools do not switch those off.
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.tape = Tape(Setting(batch_size, training=False))
        self.tape.recording = True
        self.modules: list[Module] = []
        self.unknown: list[Count] = []

    def on_op(self, site: Site, inputs: tuple[Tensor, ...]) -> Sequence[Tensor]:
        op, tape = site.node.op, self.tape
        assert op is not None
        types = tuple([x.at(self.batch_size) for x in site.inputs])
        tape.outputs = tuple([y.at(self.batch_size) for y in site.node.outputs])
        tape.weights = {name: self._weight(name, spec) for name, spec in op.parameters(*types).items()}
        tape.kernels.clear()
        outputs = op.kernels(tape, *inputs)
        products = [kernel.name for kernel in tape.kernels if kernel.macs]
        module = module_of(op, types, tape.outputs[0], products)
        if module is None:
            cost = cost_of(op, types, tape.outputs)
            self.unknown.append(Count(op.op, 0, cost.macs, cost.elementwise_flops, PLUGIN))
        else:
            self.modules.append(module)
        return (outputs,) if isinstance(outputs, Tensor) else outputs

    def _weight(self, name: str, spec: ParamSpec) -> Tensor:
        weight = self.tape.new(spec.shape, spec.dtype)
        return self.tape.parameter(name, weight) if spec.learned else weight


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
