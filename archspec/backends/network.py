"""A network whose stages do not all run alike: some only in training, some twice in a step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import override

from archspec.backends.recompute import recomputed
from archspec.ir import INPUT, Graph, Value
from archspec.ops import Merge


class _Step(NamedTuple):
    """A call of a stage: its input values, and its number of outputs.

    merges: its module takes a list. frees: the stages whose outputs nothing uses after this one, in training;
    frees_evaluated: in evaluation, where the stages and outputs for training only use nothing.
    """

    stage: str
    takes: tuple[Value, ...]
    gives: int
    merges: bool
    training_only: bool
    recomputed: bool
    frees: tuple[int, ...]
    frees_evaluated: tuple[int, ...]


class Network(nn.Module):
    """Calls the stages of a network in order. In evaluation it skips the stages that only training needs.

    recompute: the stages that run a second time in the backward pass instead of keeping their activations. by_name:
    whether several outputs are a dict; a part of a network returns a tuple.

    It returns its outputs as a dict by name, or a single output without a dict: {"head": …, "aux1": …} in training, and
    the output of `head` in evaluation. Inputs are arguments, in order or by name; inputs that only training needs may
    be omitted in evaluation.
    """

    def __init__(
        self, graph: Graph, stages: Mapping[str, nn.Module], arguments: tuple[str, ...],
        recompute: Collection[str] = (), *, by_name: bool = True,
    ) -> None:
        super().__init__()
        for name, module in stages.items():
            self.add_module(name, module)
        self._label = graph.label
        self._arguments, self._by_name = arguments, by_name
        frees, evaluated = _last_uses(graph, training=True), _last_uses(graph, training=False)
        self._steps = tuple(
            _Step(node.name, node.inputs, len(node.outputs), isinstance(node.target, Merge),
                  node.name in graph.training_only, node.name in recompute, frees[number], evaluated[number])
            for number, node in enumerate(graph.nodes)
        )
        ports = {value.port for step in self._steps for value in step.takes
                 if value.node == INPUT and not step.training_only}
        self._evaluated = tuple(name for port, name in enumerate(arguments) if port in ports)
        self._outputs = tuple((p.name, v, p.training) for p, v in zip(graph.outputs, graph.results, strict=True))

    @override
    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        values = self._in_order(inputs, named)
        made: list[Any] = []
        learning = self.training and torch.is_grad_enabled()
        for step in self._steps:
            if step.training_only and not self.training:
                made.append(None)
            else:
                taken = [values[port] if node == INPUT else made[node][port] for node, port in step.takes]
                stage, arguments = getattr(self, step.stage), [taken] if step.merges else taken
                given = recomputed(stage, *arguments) if learning and step.recomputed else stage(*arguments)
                made.append((given,) if step.gives == 1 else given)
            for node in step.frees if self.training else step.frees_evaluated:
                made[node] = None
        outputs = {
            name: values[port] if node == INPUT else made[node][port]
            for name, (node, port), training_only in self._outputs if self.training or not training_only
        }
        if len(outputs) == 1:
            return next(iter(outputs.values()))
        return outputs if self._by_name else tuple(outputs.values())

    def _in_order(self, inputs: tuple[Tensor, ...], named: dict[str, Tensor]) -> tuple[Tensor | None, ...]:
        """All inputs, in order; None for an omitted input that only training needs."""
        given = dict(zip(self._arguments, inputs, strict=False)) | named
        twice = len(inputs) + len(named) > len(given)
        needed = self._arguments if self.training else self._evaluated
        if twice or not {*needed} <= given.keys() <= {*self._arguments}:
            raise TypeError(f"forward() takes {', '.join(needed)}; it got {len(inputs)} in order"
                            + "".join(f", {name}" for name in named))
        return tuple(given.get(name) for name in self._arguments)

    def _get_name(self) -> str:
        return "".join(word.capitalize() for word in self._label.split("_")) or "Network"


def _last_uses(graph: Graph, *, training: bool) -> list[tuple[int, ...]]:
    """For each stage, by its number, the stages whose outputs are used there for the last time."""
    last = {value.node: number for number, node in enumerate(graph.nodes)
            if training or node.name not in graph.training_only for value in node.inputs}
    results = zip(graph.outputs, graph.results, strict=True)
    kept = {INPUT, *(value.node for port, value in results if training or not port.training)}
    found: list[tuple[int, ...]] = [()] * len(graph.nodes)
    for node, number in last.items():
        if node not in kept:
            found[number] += (node,)
    return found
