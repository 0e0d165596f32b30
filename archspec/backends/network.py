"""A network that computes more in training than in evaluation: its heads for training only are left out there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn
from typing_extensions import override

from archspec.ir import INPUT, Graph, Value
from archspec.ops import Merge


class _Step(NamedTuple):
    """A call of a stage: the values that it takes, and how many it gives."""

    stage: str
    takes: tuple[Value, ...]
    gives: int
    merges: bool  # its module takes a list
    training_only: bool


class Network(nn.Module):
    """The stages of a network, which it calls in their order. In evaluation it leaves out what only training needs.

    It returns its outputs as a dict by name, and a single one bare: {"head": …, "aux1": …} in training, and what `head`
    gives in evaluation. Inputs are arguments, in order or by name.
    """

    def __init__(self, graph: Graph, stages: Mapping[str, nn.Module], arguments: tuple[str, ...]) -> None:
        super().__init__()
        for name, module in stages.items():
            self.add_module(name, module)
        self._label = graph.label
        self._arguments = arguments
        self._steps = tuple(
            _Step(node.name, node.inputs, len(node.outputs), isinstance(node.target, Merge),
                  node.name in graph.training_only)
            for node in graph.nodes
        )
        self._outputs = tuple((p.name, v, p.training) for p, v in zip(graph.outputs, graph.results, strict=True))

    @override
    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        inputs = self._in_order(inputs, named)
        made: list[Any] = []
        for step in self._steps:
            if step.training_only and not self.training:
                made.append(None)
                continue
            values = [inputs[port] if node == INPUT else made[node][port] for node, port in step.takes]
            given = getattr(self, step.stage)(*([values] if step.merges else values))
            made.append((given,) if step.gives == 1 else given)
        outputs = {
            name: inputs[port] if node == INPUT else made[node][port]
            for name, (node, port), training_only in self._outputs if self.training or not training_only
        }
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))

    def _in_order(self, inputs: tuple[Tensor, ...], named: dict[str, Tensor]) -> tuple[Tensor, ...]:
        names = self._arguments
        missing = names[len(inputs) :]
        if len(inputs) > len(names) or named.keys() != {*missing}:
            raise TypeError(f"forward() takes {', '.join(names)}; it got {len(inputs)} in order"
                            + "".join(f", {name}" for name in named))
        return (*inputs, *(named[name] for name in missing))

    def _get_name(self) -> str:
        return "".join(word.capitalize() for word in self._label.split("_")) or "Network"
