"""What changed between two networks."""

from __future__ import annotations

import dataclasses

import pytest

import archspec
from archspec.ir.diff import Change, diff
from archspec.ir.digest import graph_digest
from tests.ir.graphs import Hand, batch, siamese

SPEC = """\
archspec: 1
name: one
input: [1, 8, 8]
stages:
  a: [conv2d: {out_channels: 4, kernel_size: 3}, relu]
  b: {add: {x: [], y: tanh}}
  c: [flatten, linear: 10]
"""
CHANGES = [
    ("out_channels: 4", "out_channels: 6", ["`a.conv2d_1`: `out_channels` was 4, is 6"]),
    ("relu]", "gelu]", ["`a.relu_1` is called `a.gelu_1`", "`a.gelu_1` was relu, is gelu"]),
    ("tanh}", "relu}", ["`b.y` was tanh, is relu"]),
    ("relu]", "relu, dropout: 0.5]", ["`a.dropout_1` was added: dropout"]),
    ("a: [conv2d", "a: [conv2d: {out_channels: 4, kernel_size: 3}, conv2d", ["`a.conv2d_2` was added: conv2d"]),
    ("{x: [], y: tanh}", "{x: [], y: tanh, z: sigmoid}", ["`b.z` was added: sigmoid"]),
    ("{x: [], y: tanh}", "{y: tanh, x: []}", ["`b.add` took `a.relu_1`, `b.y`, takes `b.y`, `a.relu_1`"]),
    ("input: [1,", "input: [3,", ["input `input` was (1, 8, 8), is (3, 8, 8)"]),
    ("  c: [", "  d: [", ["`c.flatten_1` is called `d.flatten_1`", "`c.linear_1` is called `d.linear_1`"]),
    ("linear: 10]", "linear: 10, softmax: -1]", ["`c.softmax_1` was added: softmax"]),
]


@pytest.mark.parametrize(("old", "new", "texts"), CHANGES)
def test_changes(old: str, new: str, texts: list[str]) -> None:
    then, now = (archspec.load(text).graph for text in (SPEC, SPEC.replace(old, new)))
    assert old in SPEC and sorted(map(str, diff(then, now))) == sorted(texts)


def test_nothing_changed() -> None:
    assert diff(archspec.load(SPEC).graph, archspec.load("# spelt otherwise\n" + SPEC).graph) == []
    assert diff(siamese(), siamese()) == []


def test_weights_and_ports_count() -> None:
    graph = siamese()
    own = dataclasses.replace(graph, nodes=(graph.nodes[0], graph.nodes[1]._replace(state=None), *graph.nodes[2:]))
    assert next(str(change) for change in diff(graph, own)) == "`again.conv` took the weights of `tower.conv`, takes those of `again.conv`"
    fewer = dataclasses.replace(graph, outputs=graph.outputs[:1], results=graph.results[:1])
    assert diff(graph, fewer) == [Change("output", "features", "there", None)]
    hand = Hand(left=batch(2, 8, 8), right=batch(1, 8, 8))
    hand = hand.graph(a=hand.add("a", "relu", hand.inputs[0]), b=hand.add("b", "relu", hand.inputs[1]))
    assert "input `left` was (1, 8, 8), is (2, 8, 8)" in map(str, diff(graph, hand))


def test_another_name_of_the_owner_of_weights_is_no_change_of_them() -> None:
    text = "archspec: 1\nname: n\ninput: [6]\nstages: {a: {linear: 6}, b: {share: a}, c: {linear: 2}}\n"
    other = text.replace("{a:", "{first:").replace("share: a", "share: first")
    assert [str(change) for change in diff(archspec.load(text).graph, archspec.load(other).graph)] == ["`a` is called `first`"]


def test_empty_where_digests_are_equal() -> None:
    for name in ("lenet", "resnet18", "googlenet"):
        graphs = [archspec.load(name).graph for _ in range(2)]
        assert diff(*graphs) == [] and len({*map(graph_digest, graphs)}) == 1
    assert diff(archspec.load("resnet18").graph, archspec.load("resnet34").graph)
