"""Graph → torch.nn.Module: chains become nn.Sequential, the rest torch.fx.GraphModules."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any, Final

import torch
from torch import fx, nn

from archspec.backends.built import build_layer
from archspec.graph import Graph, Node
from archspec.ops.base import Merge

VARIABLE: Final = "v_"  # begins each variable of generated code


class Body(fx.GraphModule):
    """A sub-graph that is not a chain. Prints as its modules, as nn.Sequential does; `.code` is its forward."""

    def __str__(self) -> str:
        return nn.Module.__repr__(self)

    def extra_repr(self) -> str:
        """The calls that take more than the value before them: `add(main, x)`. An identity branch shows only here."""
        names: dict[fx.Node, str] = {}
        calls, last = [], None
        for node in self.graph.nodes:
            if node.op == "call_module":
                names[node] = str(node.target)
                if node.all_input_nodes != [last] or isinstance(node.args[0], list):
                    calls.append(f"{node.target}({', '.join(names[value] for value in _values(node))})")
            elif node.op == "placeholder":
                names[node] = node.name
            last = node
        return ", ".join(calls)


def _values(node: fx.Node) -> list[fx.Node]:
    """What a call takes, in order; a value may come twice."""
    first = node.args[0]
    return list(first) if isinstance(first, list) else list(node.args)  # type: ignore[arg-type]


def build(graph: Graph) -> nn.Module:
    """A new module of the whole network, (N, C, H, W) → the last stage's output.

    Every name of the spec is an attribute (`model.b3`), and the roots of state_dict keys are the stages.
    Parameters are initialised as torch does, from the global random state; see `backends.init` for a seed.
    """
    if not graph.nodes:
        return nn.Sequential()
    return _module(graph)


def _module(graph: Graph) -> nn.Module:
    children = {node.name: _target(graph, node) for node in graph.nodes}
    if graph.is_chain and not any(isinstance(node.target, Merge) for node in graph.nodes):
        return nn.Sequential(OrderedDict(children))
    return _graph_module(graph, children)


def _target(graph: Graph, node: Node) -> nn.Module:
    if isinstance(node.target, Graph):
        return _module(node.target)
    return build_layer(node.target, graph.arguments(node))


def _graph_module(graph: Graph, children: dict[str, nn.Module]) -> fx.GraphModule:
    """Names of the spec are attributes (`self.self`, `getattr(self, "0")`), and only part of a variable's name.

    So no name can hide another, break the syntax, or take the place of `self` or of a builtin.
    """
    traced = fx.Graph()
    values: list[fx.Node] = [traced.placeholder(_argument(k, name)) for k, (name, _) in enumerate(graph.inputs)]
    for node in graph.nodes:
        inputs = tuple(values[i] for i in node.inputs)
        arguments = (list(inputs),) if isinstance(node.target, Merge) else inputs
        variable = f"{VARIABLE}{node.name}"
        values.append(traced.create_node("call_module", node.name, arguments, name=variable))
    traced.output(values[graph.output])
    root: dict[str, Any] = dict(children)
    module = Body(root, traced, class_name=_class_name(graph))
    module.train()
    return module


def _argument(k: int, name: str) -> str:
    return "x" if k == 0 else f"x{k}_{name}"


def _class_name(graph: Graph) -> str:
    """The label as a class is named, for `print(model)`; a network's own name may hold any character."""
    words = re.findall(r"[A-Za-z0-9]+", graph.label)
    name = "".join(word[0].upper() + word[1:].lower() for word in words)
    return name if name and not name[0].isdigit() else f"Body{name}"


def example_input(graph: Graph, batch_size: int = 1, device: str | torch.device = "cpu") -> torch.Tensor:
    """Zeros of the network's input shape, (batch_size, C, H, W)."""
    return torch.zeros(batch_size, *graph.inputs[0][1].shape[1:], device=device)
