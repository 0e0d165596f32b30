"""Fuses 1×1 convolutions with the same input into one whose output is split: larger matrix products."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from archspec.ir.edit import Editor
from archspec.ir.graph import Graph, Node, Value
from archspec.ir.rewrites.result import Rewritten, State, runs_by_state
from archspec.ops.base import Operation, PositiveInt
from archspec.ops.conv import Conv2d
from archspec.types import TensorType

if TYPE_CHECKING:
    from torch import nn


class Split(Operation):
    """Split the channels into parts of these sizes, one output each. Not in the language.

    Shapes: (N, C, …) -> (N, size, …) for each size; together they are C.
    Cost: none.
    Errors: none.
    """

    op = "split"

    sizes: tuple[PositiveInt, ...] = Field(description="numbers of channels")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        return tuple(TensorType((x.shape[0], size, *x.shape[2:]), x.dtype) for size in self.sizes)

    @override
    def build(self, x: TensorType) -> nn.Module:
        from archspec.nn import Split as Module

        return Module(self.sizes)


@dataclass(frozen=True, slots=True)
class Joined:
    """The concatenated weights of convolutions. A missing bias is 0."""

    parts: tuple[str, ...]
    whole: str
    bias: bool

    def apply(self, state: State) -> None:
        """See `Derivation`."""
        import torch

        weights = [state.pop(f"{part}.weight") for part in self.parts]
        state[f"{self.whole}.weight"] = torch.cat(weights)
        if self.bias:
            biases = [state.pop(f"{part}.bias", None) for part in self.parts]
            pairs = zip(biases, weights, strict=True)
            state[f"{self.whole}.bias"] = torch.cat([w.new_zeros(len(w)) if b is None else b for b, w in pairs])


def fuse_convolutions(graph: Graph) -> Rewritten:
    """Fuse the 1×1 `conv2d`s that have the same input and differ only in width and bias, as in an Inception block.

    graph: without sub-graphs, see `inline`. Convolutions with shared weights stay as they are.
    """
    runs = runs_by_state(graph)
    siblings: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for k, node in enumerate(graph.nodes):
        op = node.target
        if type(op) is Conv2d and op.kernel_size == (1, 1) and op.groups == 1 and runs[node.state or node.name] == [k]:
            siblings[node.inputs[0], op.stride, op.padding, op.padding_mode].append(k)
    editor, names, weights = Editor(graph), {node.name for node in graph.nodes}, []
    for group in siblings.values():
        if len(group) > 1:
            weights.append(_fuse(editor, [graph.nodes[k] for k in group], group, names))
    return Rewritten(editor.finish(), tuple(weights))


def _fuse(editor: Editor, nodes: list[Node], numbers: list[int], names: set[str]) -> Joined:
    first, ops = nodes[0], [node.target for node in nodes if isinstance(node.target, Conv2d)]
    widths, bias = tuple(op.out_channels for op in ops), any(op.bias for op in ops)
    x = first.outputs[0]
    wide = TensorType((x.shape[0], sum(widths), *x.shape[2:]), x.dtype)
    op = ops[0].model_copy(update={"out_channels": sum(widths), "bias": bias})
    inputs = editor.nodes[numbers[0]].inputs
    whole = Node(_free(f"{first.name}_fused", names), op, inputs, (wide,), None, first.at)
    k = editor.insert(whole, before=numbers[0])
    outputs = tuple(node.outputs[0] for node in nodes)
    split = Node(_free(f"{first.name}_split", names), Split(sizes=widths), (Value(k),), outputs, None, first.at)
    s = editor.insert(split, before=numbers[0])
    for port, number in enumerate(numbers):
        editor.replace(Value(number), Value(s, port))
        editor.erase(number)
    return Joined(tuple(node.name for node in nodes), whole.name, bias)


def _free(name: str, names: set[str]) -> str:
    while name in names:
        name += "_"
    names.add(name)
    return name
