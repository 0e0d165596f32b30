"""The one recursion over a graph."""

from __future__ import annotations

import torch

from archspec.backends.torch import build
from archspec.ir import Node, interpret
from archspec.ir.graph import state_of
from tests.ir.graphs import siamese, tower


def test_interpret_runs_a_network_on_any_values() -> None:
    """With the modules of a built model as rules, on tensors: what the model itself gives."""
    graph = siamese()
    model = build(graph).eval()
    x = [torch.randn(2, 1, 8, 8) for _ in range(2)]

    def on_op(site, values):
        module = model.get_submodule(site.state)
        return [module(list(values)) if site.node.op.op == "add" else module(*values)]

    found = interpret(graph, x, on_op)
    torch.testing.assert_close(dict(zip(("distance", "features"), found, strict=True)), model(*x))


def test_interpret_lets_a_call_be_left_out() -> None:
    seen: list[str] = []

    def on_op(site, values):
        seen.append(site.path)
        return [None] * len(site.node.outputs)

    interpret(siamese(), [None, None], on_op, lambda site, values, run: run(values) if site.owns_weights else [None])
    assert seen == ["tower.conv", "tower.norm", "tower.act", "join", "flat", "head"]


def test_walk_gives_ops_in_order() -> None:
    assert [path for path, _, _ in siamese().walk()][:4] == ["tower.conv", "tower.norm", "tower.act", "again.conv"]


def test_state_of() -> None:
    node = Node("b", tower(8), (), ())
    assert state_of("", node) == "b" and state_of("x.y", node) == "x.y.b"
    assert state_of("x.y", node._replace(state="^a.c")) == "x.a.c"
    assert state_of("x.y", node._replace(state="^^a")) == "a"
