"""Edits of graphs: the old one stays, the new one is verified."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import archspec
from archspec.analysis import cost_report
from archspec.backends.torch import build
from archspec.ir import INPUT, Node, Value
from archspec.ir.edit import Editor, Use, erase, inline, keep_outputs, replace, uses
from archspec.ops import make_op
from tests.ir.graphs import Hand, batch, siamese


def chain():
    hand = Hand(x=batch(4))
    a = hand.add("a", "relu", hand.inputs[0])
    b = hand.add("b", "tanh", a)
    return hand.graph(y=hand.add("c", "add", a, b))


def test_uses() -> None:
    assert uses(chain()) == {
        Value(INPUT, 0): [Use(0, 0)], Value(0): [Use(1, 0), Use(2, 0)], Value(1): [Use(2, 1)], Value(2): [Use(None, 0)],
    }


def test_replace_takes_away_what_nobody_needs() -> None:
    before = chain()
    after = replace(before, Value(1), Value(0))
    assert [(node.name, node.inputs) for node in after.nodes] == [("a", ((INPUT, 0),)), ("c", ((0, 0), (0, 0)))]
    assert [node.name for node in before.nodes] == ["a", "b", "c"]
    x = torch.randn(2, 4)
    torch.testing.assert_close(build(after)(x), 2 * x.relu())


def test_replace_an_output() -> None:
    after = replace(chain(), Value(2), Value(1))
    assert [node.name for node in after.nodes] == ["a", "b"] and after.results == (Value(1),)


@pytest.mark.parametrize("value", [Value(2), Value(INPUT, 1)])
def test_replace_by_what_comes_later_or_is_not_there_is_refused(value: Value) -> None:
    with pytest.raises((AssertionError, KeyError)):
        replace(chain(), Value(0), value)


def test_replace_by_another_type_is_refused() -> None:
    hand = Hand(x=batch(4))
    a = hand.add("a", "linear", hand.inputs[0], out_features=5)
    b = hand.add("b", "relu", a)
    with pytest.raises(AssertionError, match="shape rule"):
        replace(hand.graph(y=b), a, hand.inputs[0])


def test_erase() -> None:
    with pytest.raises(ValueError, match="the output of `b` is used"):
        erase(chain(), "b")
    editor = Editor(chain())
    editor.replace(Value(1), Value(0))
    editor.erase(1)
    assert [node.name for node in editor.finish().nodes] == ["a", "c"]


def test_an_owner_of_weights_that_others_need_cannot_go() -> None:
    hand = Hand(x=batch(4))
    a = hand.add("a", "linear", hand.inputs[0], out_features=4)
    b = hand.add("b", "linear", hand.inputs[0], out_features=4, state="a")
    with pytest.raises(AssertionError, match="no earlier node owns the weights of a"):
        keep_outputs(hand.graph(a=a, b=b), ["b"])


def test_keep_outputs() -> None:
    graph = keep_outputs(siamese(), ["features"])
    assert [node.name for node in graph.nodes] == ["tower", "again", "join"]
    assert [port.name for port in graph.outputs] == ["features"]
    x = torch.randn(2, 1, 8, 8)
    assert build(graph)(x, x).shape == (2, 4, 6, 6)


def test_keep_outputs_takes_away_inputs_that_only_others_need() -> None:
    hand = Hand(x=batch(4), y=batch(4))
    graph = hand.graph(a=hand.add("a", "relu", hand.inputs[0]), b=hand.add("b", "relu", hand.inputs[1]))
    assert [port.name for port in keep_outputs(graph, ["b"]).inputs] == ["y"]


def test_inserted_and_changed_nodes_come_in_order() -> None:
    graph = chain()
    editor = Editor(graph)
    first = editor.insert(Node("n", make_op("sigmoid", {}), (Value(0),), graph.nodes[0].outputs), before=1)
    second = editor.insert(Node("m", make_op("sigmoid", {}), (Value(first),), graph.nodes[0].outputs), before=1)
    editor.change(1, graph.nodes[1]._replace(inputs=(Value(second),)))
    after = editor.finish()
    assert [node.name for node in after.nodes] == ["a", "n", "m", "b", "c"]
    x = torch.randn(2, 4)
    torch.testing.assert_close(build(after)(x), x.relu() + x.relu().sigmoid().sigmoid().tanh())


def test_inline_keeps_paths_weights_and_costs() -> None:
    flat = inline(siamese())
    flat.verify()
    assert [(n.name, n.state) for n in flat.nodes[3:6]] == [
        ("again.conv", "tower.conv"), ("again.norm", "tower.norm"), ("again.act", "tower.act")]
    assert cost_report(flat).root.cost == cost_report(siamese()).root.cost
    model, other = build(siamese()).eval(), build(flat, generated=True).eval()
    other.load_state_dict(model.state_dict())
    assert model.state_dict().keys() == other.state_dict().keys()
    x = [torch.randn(2, 1, 8, 8) for _ in range(2)]
    torch.testing.assert_close(other(*x), model(*x))


@pytest.mark.parametrize("name", ["googlenet", "resnet18", "zoo/shufflenet_v2_x1_0"])
def test_inlined_networks_are_whole(name: str) -> None:
    graph = archspec.load(name).graph
    flat = inline(graph)
    flat.verify()
    assert cost_report(flat).root.cost == cost_report(graph).root.cost
    assert [path for path, _, _ in flat.walk()] == [path for path, _, _ in graph.walk()]


def test_a_graph_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        chain().nodes = ()  # type: ignore[misc]
    with pytest.raises(AttributeError):
        chain().nodes[0].name = "z"  # type: ignore[misc]
