"""Builds a torch.nn.Module from a graph: chains become nn.Sequential, other graphs torch.fx.GraphModules."""

from __future__ import annotations

import keyword
import operator
import re
from collections import OrderedDict
from collections.abc import Collection
from typing import Any, Final, Self

import torch
from torch import fx, nn
from typing_extensions import override

from archspec.backends.again import Again
from archspec.backends.built import build_layer
from archspec.backends.network import Network
from archspec.ir import Graph, Node, Site, StateId, interpret
from archspec.ir.interpret import Run
from archspec.ops.base import Merge

UNNAMED: Final = "input"  # the only input of a network without a name for it
VARIABLE: Final = "v_"  # the prefix of variables in generated code
_Flow = fx.Node | None


class Body(fx.GraphModule):
    """A sub-graph that is not a chain. It prints its modules, as nn.Sequential does; `.code` is its forward."""

    FROZEN: Final = "archspec.frozen"  # a key of `meta`, which copies keep: the network can only evaluate

    def __str__(self) -> str:
        return nn.Module.__repr__(self)

    @override
    def train(self, mode: bool = True) -> Self:
        if mode and self.meta.get(self.FROZEN):
            raise RuntimeError('a network built with optimize="inference" cannot train: build it without `optimize`')
        return super().train(mode)

    def extra_repr(self) -> str:
        """The calls with more than the previous value as input: `add(main, x)`. An identity branch only shows here."""
        names: dict[fx.Node, str] = {}
        calls, last = [], None
        for node in self.graph.nodes:
            if node.op == "call_module":
                names[node] = str(node.target)
                if node.all_input_nodes != [last] or isinstance(node.args[0], list):
                    calls.append(f"{node.target}({', '.join(names[value] for value in _values(node))})")
            elif node.op == "call_function":  # one of several outputs
                names[node] = f"{names[node.args[0]]}[{node.args[1]}]"
            elif node.op == "placeholder":
                names[node] = str(node.target)
            last = node
        return ", ".join(calls)


def _values(node: fx.Node) -> list[fx.Node]:
    """The inputs of a call, in order; a value may occur twice."""
    first = node.args[0]
    return list(first) if isinstance(first, list) else list(node.args)  # type: ignore[arg-type]


def build(graph: Graph, *, generated: bool = False, recompute: Collection[str] = ()) -> nn.Module:
    """Build a new module of the whole network: (N, C, H, W) → its output.

    Every name of the spec is an attribute (`model.b3`), and the roots of state_dict keys are the stages. Several inputs
    are arguments, in order or by name; several outputs come as a dict by name. Outputs for training only are computed
    in training mode alone: a single one that is left in evaluation is returned bare.
    Parameters are initialised as torch does, from the global random state; see `backends.init` for a seed.
    generated: build a `Body` even for a chain. recompute: the stages whose activations are computed again in the
    backward pass, or parts of stages by their paths; see `backends.recompute`.
    """
    if not graph.nodes and not generated:
        return nn.Sequential()
    building = _Building(recompute)
    named = [port.name for port in graph.inputs] != [UNNAMED]
    frame = building.open(graph, named=named, generated=generated or named)
    outputs = interpret(graph, frame.inputs, building.on_op, building.on_call)
    if frame.recompute or graph.training_only or any(port.training for port in graph.outputs):
        return Network(graph, frame.children, frame.arguments, frame.recompute)
    given = {port.name: value for port, value in zip(graph.outputs, outputs, strict=True)}
    return building.close(given if len(given) > 1 else outputs[0])


class _Building:
    """Builds modules by interpretation. Values are nodes in the fx graph of the current module; None in a chain."""

    def __init__(self, recompute: Collection[str]) -> None:
        self.recompute = recompute
        self.frames: list[_Frame] = []  # the modules under construction, the innermost last
        self.built: dict[StateId, nn.Module] = {}
        self.graphs: dict[StateId, Graph] = {}  # the graphs of those modules

    def open(self, graph: Graph, path: str = "", *, named: bool = False, generated: bool = False) -> _Frame:
        parts = (part.rpartition(".") for part in self.recompute)
        inside = [name for parent, _, name in parts if parent == path]
        self.frames.append(_Frame(graph, named=named, generated=generated, recompute=inside))
        return self.frames[-1]

    def close(self, outputs: Any) -> nn.Module:
        """Finish the current module. outputs: of its forward."""
        return self.frames.pop().module(outputs)

    def on_op(self, site: Site, values: tuple[_Flow, ...]) -> list[_Flow]:
        op = site.node.op
        assert op is not None
        own = site.owns_weights or not op.parameters(*site.inputs)  # it may depend on the input size
        module = build_layer(op, site.inputs) if own else Again(self.built[site.state])
        return self._add(site, module, values)

    def on_call(self, site: Site, values: tuple[_Flow, ...], run: Run[_Flow]) -> list[_Flow]:
        target = site.node.target
        assert isinstance(target, Graph)
        if not site.owns_weights and self.graphs.get(site.state) is target:
            return self._add(site, Again(self.built[site.state]), values)
        self.graphs[site.path] = target
        frame = self.open(target, site.path)
        outputs = tuple(run(frame.inputs))
        return self._add(site, self.close(outputs if len(outputs) > 1 else outputs[0]), values)

    def _add(self, site: Site, module: nn.Module, values: tuple[_Flow, ...]) -> list[_Flow]:
        self.built[site.path] = module
        return self.frames[-1].add(site.node, module, values)


class _Frame:
    """One module under construction: an nn.Sequential for a chain, otherwise a module with generated code.

    Names of the spec become attributes (`self.self`, `getattr(self, "0")`), and only a part of a variable's name. So a
    name can neither hide another one, nor break the syntax, nor replace `self` or a builtin.
    """

    def __init__(self, graph: Graph, *, named: bool, generated: bool, recompute: Collection[str] = ()) -> None:
        self.graph, self.recompute = graph, recompute
        self.children: dict[str, nn.Module] = {}
        generated |= not graph.is_chain or any(isinstance(node.target, Merge) for node in graph.nodes)
        self.traced = fx.Graph() if generated else None
        self.inputs: list[_Flow] = [
            None if self.traced is None else self._placeholder(self.traced, k, port.name, named=named)
            for k, port in enumerate(graph.inputs)
        ]

    def _placeholder(self, traced: fx.Graph, k: int, name: str, *, named: bool) -> fx.Node:
        if not named:
            return traced.placeholder(_argument(k, name))
        return traced.create_node("placeholder", self.arguments[k], name=f"{VARIABLE}{k}_{name}")

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the inputs as arguments in Python: `class_` for an input that is called `class`."""
        names = [port.name for port in self.graph.inputs]
        if names == [UNNAMED]:
            return ("x",)
        found = []
        for k, name in enumerate(names):
            target = name if name.isidentifier() else f"x{k}"
            while keyword.iskeyword(target) or target == "self" or (target != name and target in names):
                target += "_"
            found.append(target)
        return tuple(found)

    def add(self, node: Node, module: nn.Module, values: tuple[_Flow, ...]) -> list[_Flow]:
        """Add a child module and its call."""
        self.children[node.name] = module
        if self.traced is None:
            return [None]
        arguments: Any = (list(values),) if isinstance(node.target, Merge) else values
        call = self.traced.create_node("call_module", node.name, arguments, name=f"{VARIABLE}{node.name}")
        if len(node.outputs) == 1:
            return [call]
        return [self.traced.call_function(operator.getitem, (call, port)) for port in range(len(node.outputs))]

    def module(self, outputs: Any) -> nn.Module:
        """The module whose forward returns `outputs`."""
        if self.recompute:
            return Network(self.graph, self.children, self.arguments, self.recompute, by_name=False)
        if self.traced is None:
            return nn.Sequential(OrderedDict(self.children))
        self.traced.output(outputs)
        root: dict[str, Any] = dict(self.children)
        module = Body(root, self.traced, class_name=_class_name(self.graph))
        module.train()
        return module


def _argument(k: int, name: str) -> str:
    return "x" if k == 0 else f"x{k}_{name}"


def _class_name(graph: Graph) -> str:
    """The label in the form of a class name, for `print(model)`; the name of a network may have any characters."""
    words = re.findall(r"[A-Za-z0-9]+", graph.label)
    name = "".join(word[0].upper() + word[1:].lower() for word in words)
    return name if name and not name[0].isdigit() else f"Body{name}"


def example_input(graph: Graph, batch_size: int = 1, device: str | torch.device = "cpu") -> torch.Tensor:
    """Zeros of the input's type, (batch_size, C, H, W); for networks of one input."""
    (example,) = example_inputs(graph, batch_size, device)
    return example


def example_inputs(graph: Graph, batch_size: int = 1, device: str | torch.device = "cpu") -> tuple[torch.Tensor, ...]:
    """Zeros of the type of each input."""
    types = [port.type.at(batch_size) for port in graph.inputs]
    return tuple(torch.zeros(x.shape, dtype=getattr(torch, x.dtype), device=device) for x in types)
