"""Generated networks with shared weights, against an interpreter of the same text that ties torch modules by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.ir.digest import graph_digest

NAMES = ["p", "q"]
CONV = st.builds(lambda c, k: {"conv2d": {"out_channels": c, "kernel_size": k, "padding": k // 2}},
                 st.sampled_from([2, 2, 2, 2, 2, 2, 3]), st.sampled_from([1, 3]))
TABLE = {"parameter": {"shape": [2, 1, 1], "init": {"normal": 1.0}}}
PLAIN = st.one_of(CONV, CONV, st.sampled_from(
    ["relu", "tanh", "batch_norm2d", "batch_norm2d", {"max_pool2d": 2}, {"linear": 8}, {"linear": 4}, TABLE, "relu", "tanh"]
))


@st.composite
def bodies(draw: st.DrawFn, visible: tuple[str, ...], depth: int = 0) -> list[Any]:
    """A list of layers that may name what is visible, and what in it comes earlier."""
    layers: list[Any] = []
    for k in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["plain", "plain", "share", "repeat", "add"] if depth < 2 else ["plain", "share"]))
        layer: Any = draw(PLAIN)
        if kind == "share" and visible:
            layer = {"share": draw(st.sampled_from(visible))}
            if draw(st.booleans()):
                layer["repeat"] = draw(st.integers(1, 3))
        elif kind == "repeat":
            layer = {"sequential": draw(bodies(visible, depth + 1)), "repeat": draw(st.integers(1, 4))}
            layer["share"] = draw(st.sampled_from([True, True, False]))
        elif kind == "add":
            layer = {"add": {"a": draw(bodies(visible, depth + 1)), "b": draw(st.sampled_from([[], [], [TABLE], [{"from": visible[0]}] if visible else []]))}}
        first = k == 0 and depth == 0 and visible and draw(st.integers(0, 3)) == 0
        name = draw(st.sampled_from(NAMES)) if draw(st.integers(0, 2)) == 0 else None
        if name in (layer.get("name") for layer in layers if isinstance(layer, dict)):
            name = None
        if first or name:
            layer = {layer: None} if isinstance(layer, str) else dict(layer)
            layer |= ({"from": draw(st.sampled_from(visible))} if first else {}) | ({"name": name} if name else {})
            visible = (*visible, name) if name else visible
        layers.append(layer)
    return layers


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    stages: dict[str, Any] = {}
    for k in range(draw(st.integers(2, 4))):
        stages[f"s{k}"] = draw(bodies(tuple(stages)))
    ends = {f"of_{name}": [{"from": name}, "global_avg_pool2d", "flatten"] for name in stages}
    stages["head"] = [{"concat": ends}, {"linear": 2}]
    return {"archspec": 1, "input": [2, 8, 8], "stages": stages}


class Reference(nn.Module):
    """Runs the data of a spec. Each layer with weights is made where it is first run; `share` runs it again."""

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__()
        self.data = data
        self.cells: dict[Any, nn.Module] = {}
        self.made = nn.ModuleList()
        self.instead: dict[int, Tensor] = {}
        self.alive: list[Tensor] = []  # so that no two tensors have the same id

    def forward(self, x: Tensor) -> Tensor:
        seen: dict[str, Any] = {"input": (x, None)}
        for name, body in self.data["stages"].items():
            x = self.body(body, x, dict(seen), (name,), seen, name)
        return x

    def body(self, body: list[Any], x: Tensor, seen: dict[str, Any], key: Any, into: dict[str, Any], name: str) -> Tensor:
        entry = self.entry(body, x, seen)
        y = self.list_of(body, x, seen, key)
        into[name] = (y, (entry, lambda z: self.list_of(body, z, seen, key)))
        return y

    def entry(self, body: list[Any], x: Tensor, seen: dict[str, Any]) -> Tensor:
        """What a further run of these layers replaces."""
        layer = body[0]
        if isinstance(layer, dict):
            if "from" in layer:
                x = self.value(layer["from"], seen)
            if "sequential" in layer:
                return self.entry(layer["sequential"], x, seen)
        return x

    def value(self, name: str, seen: dict[str, Any]) -> Tensor:
        """With what runs again inside one another puts in its place, the outer ones first."""
        tensor, passed = seen[name][0], set[int]()
        while id(tensor) in self.instead and id(tensor) not in passed:
            passed.add(id(tensor))
            tensor = self.instead[id(tensor)]
        return tensor

    def list_of(self, body: list[Any], x: Tensor, seen: dict[str, Any], key: Any) -> Tensor:
        seen = dict(seen)
        for k, layer in enumerate(body):
            before = dict(seen)
            y = self.layer(layer, x, before, (*key, k))
            if isinstance(layer, dict) and "name" in layer:
                seen[layer["name"]] = (y, (self.entry([layer], x, before), self.runner(layer, before, (*key, k))))
            x = y
        return x

    def runner(self, layer: Any, seen: dict[str, Any], key: Any) -> Callable[[Tensor], Tensor]:
        return lambda z: self.layer({k: v for k, v in layer.items() if k != "from"}, z, seen, key)

    def layer(self, layer: Any, x: Tensor, seen: dict[str, Any], key: Any) -> Tensor:
        layer = {layer: None} if isinstance(layer, str) else layer
        if "from" in layer:
            x = self.value(layer["from"], seen)
        if len(layer) == 1 and "from" in layer:
            return x
        for copy in range(layer.get("repeat", 1)):
            tied = layer.get("share") is True or "repeat" not in layer
            x = self.one(layer, x, seen, key if tied else (*key, f"copy {copy}"))
        return x

    def one(self, layer: Any, x: Tensor, seen: dict[str, Any], key: Any) -> Tensor:
        kind = next(k for k in layer if k not in ("name", "repeat", "from") and not (k == "share" and layer[k] in (True, False)))
        args = layer[kind]
        if kind == "sequential":
            y = self.list_of(args, x, seen, key)
        elif kind == "add":
            a, b = (self.list_of(args[name], x, seen, (*key, name)) for name in ("a", "b"))
            y = a + b
        elif kind == "concat":
            y = torch.cat([self.list_of(body, x, seen, (*key, name)) for name, body in args.items()], 1)
        elif kind == "share":
            entry, run = seen[args][1]
            before, self.instead = self.instead, {**self.instead, id(entry): x}
            y = run(x)
            self.instead = before
        else:
            y = self.cell(kind, args, x, key)
        self.alive.append(y)
        return y

    def cell(self, kind: str, args: Any, x: Tensor, key: Any) -> Tensor:
        if key not in self.cells:
            self.cells[key] = {
                "conv2d": lambda: nn.Conv2d(x.shape[1], args["out_channels"], args["kernel_size"], padding=args["padding"]),
                "linear": lambda: nn.Linear(x.shape[-1], args), "batch_norm2d": lambda: nn.BatchNorm2d(x.shape[1]),
                "relu": nn.ReLU, "tanh": nn.Tanh, "max_pool2d": lambda: nn.MaxPool2d(2), "flatten": nn.Flatten,
                "global_avg_pool2d": lambda: nn.AdaptiveAvgPool2d(1), "parameter": lambda: Table(args["shape"]),
            }[kind]()
            self.made.append(self.cells[key])
        return self.cells[key](x)


class Table(nn.Module):
    def __init__(self, shape: list[int]) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.randn(shape))

    def forward(self, x: Tensor) -> Tensor:
        return self.value[None].repeat(len(x), 1, 1, 1)


AGAIN_IN_AGAIN = {
    "archspec": 1, "input": [2, 8, 8],
    "stages": {
        "s0": [{"conv2d": {"out_channels": 2, "kernel_size": 1, "padding": 0}}],
        "s1": [{"add": {"a": [{"conv2d": {"out_channels": 2, "kernel_size": 1, "padding": 0}}], "b": [{"from": "s0"}]},
                "from": "s0", "name": "p"}, "relu", {"share": "p"}],
        "s2": [{"conv2d": {"out_channels": 2, "kernel_size": 1, "padding": 0}}, {"share": "s1"}],
        "head": [{"concat": {f"of_{name}": [{"from": name}, "global_avg_pool2d", "flatten"] for name in ("s1", "s2")}},
                 {"linear": 2}],
    },
}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(specs())
@example(AGAIN_IN_AGAIN)
def test_shared_networks_compute_what_tied_modules_do(data: dict[str, Any]) -> None:
    found = archspec.check(data)
    reference, x = Reference(data), torch.randn(2, 2, 8, 8)
    if found:
        event(found[0].code)
        if all(one.code.startswith("SHAPE") for one in found):
            assert refuses(reference, x)
        return
    loaded = archspec.load(data)
    loaded.graph.verify()
    model = archspec.build(data).train()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        reference(x)
    assert 2 * loaded.report.macs * 2 == counter.get_total_flops()
    assert loaded.report.params == sum(p.numel() for p in reference.parameters())
    mine, theirs = list(model.state_dict().values()), list(reference.made.state_dict().values())
    assert [t.shape for t in mine] == [t.shape for t in theirs]
    model.double(), reference.double()
    reference.made.load_state_dict(dict(zip(reference.made.state_dict(), model.state_dict().values(), strict=True)))
    y, wanted = model(x.double()), reference(x.double())
    torch.testing.assert_close(y, wanted)
    y.square().sum().backward()
    wanted.square().sum().backward()
    for (name, a), b in zip(model.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)
    torch.testing.assert_close([*model.state_dict().values()], [*reference.made.state_dict().values()])
    event(f"equal, {'shared' if loaded.graph.shares_weights else 'not shared'}")
    assert graph_digest(archspec.load(loaded.resolved_yaml()).graph) == graph_digest(loaded.graph)


def refuses(reference: Reference, x: Tensor) -> bool:
    try:
        reference(x)
    except RuntimeError:
        return True
    return False
