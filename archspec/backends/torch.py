"""Graph → torch.nn.Module: chains become nn.Sequential, the rest torch.fx.GraphModules."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import fx, nn

from archspec.graph import Graph, Node


class Body(fx.GraphModule):
    """A sub-graph that is no chain. Prints as its modules, as nn.Sequential does; `.code` is its forward."""

    def __str__(self) -> str:
        return nn.Module.__repr__(self)


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
    if graph.is_chain:
        return nn.Sequential(OrderedDict(children))
    return _graph_module(graph, children)


def _target(graph: Graph, node: Node) -> nn.Module:
    if isinstance(node.target, Graph):
        return _module(node.target)
    return node.target.module(graph.arguments(node))


def _graph_module(graph: Graph, children: dict[str, nn.Module]) -> fx.GraphModule:
    traced = fx.Graph()
    values: list[fx.Node] = [traced.placeholder(_argument(k, name)) for k, (name, _) in enumerate(graph.inputs)]
    for node in graph.nodes:
        values.append(traced.call_module(node.name, tuple(values[i] for i in node.inputs)))
    traced.output(values[graph.output])
    root: dict[str, Any] = dict(children)
    module = Body(root, traced, class_name=_class_name(graph))
    module.train()
    return module


def _argument(k: int, name: str) -> str:
    return "x" if k == 0 else f"{name}_{k}"


def _class_name(graph: Graph) -> str:
    return "".join(word.capitalize() for word in graph.label.split("_")) or "Body"


def example_input(graph: Graph, batch_size: int = 1, device: str | torch.device = "cpu") -> torch.Tensor:
    """Zeros of the network's input shape, (batch_size, C, H, W)."""
    return torch.zeros(batch_size, *graph.inputs[0][1].shape[1:], device=device)
