"""Networks of any inputs, outputs and shared weights, against a run of the same stages by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.ir.edit import evaluation
from tests.helpers import assert_schema_accepts

Step = tuple[str, str, list[str], str]  # a stage: its name, kind, what it takes, and the prefix of its weights
Shape = tuple[int, ...]
KINDS: dict[str, Callable[[Shape], bool]] = {
    "conv": lambda shape: len(shape) == 3, "linear": lambda shape: len(shape) == 1, "flatten": lambda shape: len(shape) > 1,
    "relu": lambda shape: True, "add": lambda shape: True, "concat": lambda shape: True, "share": lambda shape: True,
}
AFTER: dict[str, Callable[[Shape], Shape]] = {
    "conv": lambda shape: (3, *shape[1:]), "linear": lambda shape: (4,), "flatten": lambda shape: (int(torch.Size(shape).numel()),),
    "relu": lambda shape: shape, "add": lambda shape: shape, "concat": lambda shape: (2 * shape[0], *shape[1:]),
}
LAYERS = {"conv": {"conv2d": {"out_channels": 3, "kernel_size": 3, "padding": 1}}, "linear": {"linear": 4},
          "flatten": {"flatten": {}}, "relu": {"relu": {}}}


@st.composite
def networks(draw: st.DrawFn) -> tuple[dict[str, Any], list[Step]]:
    """A spec as data, and its steps."""
    inputs = {f"x{k}": draw(st.sampled_from([(1, 3, 2), (2, 3, 2), (5,)])) for k in range(draw(st.integers(1, 3)))}
    shapes: dict[str, Shape] = dict(inputs)
    steps: list[Step] = []
    stages: dict[str, Any] = {}
    owners: list[tuple[str, str, Shape, str]] = []  # stages with weights: name, kind, the shape that they take, prefix
    used: set[str] = set()
    last = ""
    for k in range(draw(st.integers(1, 8))):
        name, unused = f"s{k}", [v for v in shapes if v not in used]
        x = draw(st.sampled_from([*unused, *unused, *shapes]))
        kinds = [kind for kind, fits in KINDS.items() if fits(shapes[x])]
        kind = draw(st.sampled_from(kinds))
        takes = [x]
        if kind in ("add", "concat"):
            takes.append(draw(st.sampled_from([v for v in shapes if shapes[v] == shapes[x]])))
        shared = [owner for owner in owners if owner[2] == shapes[x]]
        kind = "relu" if kind == "share" and not shared else kind
        source = {} if x == last and draw(st.booleans()) else {"from": x}
        if kind == "share":
            owner, kind, _, prefix = draw(st.sampled_from(shared))
            stages[name] = {"share": owner, **source}
        elif len(takes) == 2:
            stages[name], prefix = {kind: {"a": {"from": takes[0]}, "b": {"from": takes[1]}}}, ""
        else:
            listed = draw(st.booleans())
            stages[name] = [{**LAYERS[kind], **source}] if listed else {**LAYERS[kind], **source}
            prefix = f"{name}.{next(iter(LAYERS[kind]))}_1" if listed else name
            if kind in ("conv", "linear"):
                owners.append((name, kind, shapes[x], prefix))
        used.update(takes)
        steps.append((name, kind, takes, prefix))
        shapes[name], last = AFTER[kind](shapes[x]), name
    ends = [name for name, *_ in steps if name not in used]
    more = [name for name, *_ in steps if name in used and draw(st.integers(0, 3)) == 0]
    chosen = draw(st.permutations([*ends, *more]))
    modes = {name: draw(st.sampled_from(["always", "training"])) for name in chosen}
    modes[draw(st.sampled_from(chosen))] = "always"
    data = {"archspec": 1, "input": {name: list(inputs[name]) for name in inputs if name in used}, "stages": stages, "outputs": modes}
    if draw(st.booleans()) and "training" not in modes.values():
        data["outputs"] = list(modes)
    return data, steps


def by_hand(steps: list[Step], inputs: dict[str, Tensor], weights: dict[str, Tensor]) -> dict[str, Tensor]:
    values = dict(inputs)
    for name, kind, takes, prefix in steps:
        x = values[takes[0]]
        w, b = weights.get(f"{prefix}.weight"), weights.get(f"{prefix}.bias")
        values[name] = {
            "conv": lambda x=x, w=w, b=b: F.conv2d(x, w, b, padding=1), "linear": lambda x=x, w=w, b=b: F.linear(x, w, b),
            "flatten": lambda x=x: x.flatten(1), "relu": lambda x=x: x.relu(),
            "add": lambda x=x, y=values[takes[-1]]: x + y, "concat": lambda x=x, y=values[takes[-1]]: torch.cat([x, y], 1),
        }[kind]()
    return values


def needed(steps: list[Step], outputs: list[str]) -> set[str]:
    found, takes = set[str](), {name: taken for name, _, taken, _ in steps}
    waiting = [*outputs]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += takes.get(name, [])
    return found


@settings(max_examples=40, deadline=None)
@given(networks())
def test_any_network(network: tuple[dict[str, Any], list[Step]]) -> None:
    data, steps = network
    modes = data["outputs"] if isinstance(data["outputs"], dict) else dict.fromkeys(data["outputs"], "always")
    always = [name for name, mode in modes.items() if mode == "always"]
    found = archspec.check(data)
    owners = {prefix.partition(".")[0] for name, _, _, prefix in steps if prefix and name in needed(steps, always)}
    if owners - needed(steps, always):
        assert {d.code for d in found} == {"SPEC049"}
        return
    assert not found, data
    assert_schema_accepts(data)
    loaded = archspec.load(data)
    graph, report = loaded.graph, loaded.report
    graph.verify()
    evaluation(graph).verify()
    assert archspec.load(loaded.resolved_yaml()).graph.equals(graph)
    model = archspec.build(data, seed=0).double()
    weights = dict(model.named_parameters())
    assert report.params == sum(p.numel() for p in weights.values())
    assert [*weights] == [f"{prefix}.{part}" for name, kind, _, prefix in steps for part in ("weight", "bias")
                          if kind in ("conv", "linear") and prefix.partition(".")[0] == name]
    inputs = {port.name: torch.randn(port.type.at(2).shape, dtype=torch.float64) for port in graph.inputs}
    expected = by_hand(steps, inputs, weights)
    for training, names, macs in ((True, [*modes], report.training_macs), (False, always, report.macs)):
        with FlopCounterMode(display=False) as counter:
            outputs = model.train(training)(*inputs.values())
        assert counter.get_total_flops() == 2 * 2 * macs  # of a batch of 2
        outputs = outputs if isinstance(outputs, dict) else {names[0]: outputs}
        assert [*outputs] == names
        for name in names:
            torch.testing.assert_close(outputs[name], expected[name])
        total, by_steps = (sum(values[n].square().sum() for n in names) for values in (outputs, expected))
        assert total.requires_grad == by_steps.requires_grad
        if not total.requires_grad:
            continue
        grads = [torch.autograd.grad(t, list(weights.values()), allow_unused=True, retain_graph=True)
                 for t in (total, by_steps)]
        for mine, theirs in zip(*grads, strict=True):
            assert (mine is None) == (theirs is None)
            if mine is not None:
                torch.testing.assert_close(mine, theirs)
