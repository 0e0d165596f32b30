"""Which op of one network corresponds to which op of another."""

from __future__ import annotations

import random

import pytest

import archspec
from archspec.ir import align as module
from archspec.ir.align import align
from archspec.ir.diff import diff
from archspec.language.shipped import shipped_specs
from tests.difference.mutate import inserted, renamed

SPECS = list(shipped_specs())
CHAIN = """\
archspec: 1
input: [3, 16, 16]
stages:
  a: [conv2d: {out_channels: 4, kernel_size: 3}, relu, conv2d: {out_channels: 4, kernel_size: 1}, relu]
  b: [max_pool2d: 2, conv2d: {out_channels: 8, kernel_size: 3}, sigmoid]
  c: [flatten, linear: 10]
"""


def partners(old: str, new: str) -> dict[str, str]:
    """Path of an op now → its path before."""
    found = align(*(archspec.load(text).graph for text in (old, new)))
    return {found.new[j].path: found.old[i].path for j, i in found.pairs.items()}


@pytest.mark.parametrize("name", SPECS)
def test_a_network_is_aligned_with_itself(name: str) -> None:
    graph = archspec.load(name).graph
    found = align(graph, graph)
    assert found.pairs == {k: k for k in range(len(found.new))} and diff(graph, graph) == []


@pytest.mark.parametrize("name", SPECS)
def test_mutations_are_one_change(name: str) -> None:
    graph, rng = archspec.load(name).graph, random.Random(name)
    stage = rng.choice(graph.nodes).name
    changes = diff(graph, renamed(graph, stage, "renamed"))
    assert changes and {c.kind for c in changes} == {"renamed"}
    assert all(c.then.partition(".")[0] == stage and c.path.partition(".")[0] == "renamed" for c in changes)
    longer = inserted(graph, rng)
    assert longer is not None
    assert [(c.kind, c.path) for c in diff(graph, longer)] == [("added", "fresh")]
    assert [(c.kind, c.path) for c in diff(longer, graph)] == [("removed", "fresh")]


def test_an_inserted_layer_leaves_the_others_their_partners() -> None:
    found = partners(CHAIN, CHAIN.replace("a: [", "a: [batch_norm2d, conv2d: {out_channels: 9, kernel_size: 5}, "))
    assert found["a.conv2d_2"] == "a.conv2d_1" and found["a.conv2d_3"] == "a.conv2d_2"
    assert "a.conv2d_1" not in found and "a.batch_norm2d_1" not in found


def test_stages_may_be_split_joined_and_wrapped() -> None:
    split = CHAIN.replace("relu, conv2d: {out_channels: 4, kernel_size: 1}", "relu]\n  a2: [conv2d: {out_channels: 4, kernel_size: 1}")
    assert partners(CHAIN, split)["a2.conv2d_1"] == "a.conv2d_2" and partners(split, CHAIN)["a.relu_2"] == "a2.relu_1"
    kinds = {change.kind for change in diff(*(archspec.load(text).graph for text in (CHAIN, split)))}
    assert kinds == {"renamed"}


def test_another_activation_is_the_same_layer_and_another_kind_is_not() -> None:
    found = partners(CHAIN, CHAIN.replace("sigmoid", "gelu"))
    assert found["b.gelu_1"] == "b.sigmoid_1"
    found = partners(CHAIN, CHAIN.replace("sigmoid", "dropout: 0.5"))
    assert "b.dropout_1" not in found


def test_long_networks_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = archspec.load("googlenet").graph
    pairs = align(graph, renamed(graph, "b4", "other")).pairs
    monkeypatch.setattr(module, "_MAX_CELLS", 10)
    assert align(graph, renamed(graph, "b4", "other")).pairs == pairs
    assert align(graph, renamed(graph, graph.nodes[0].name, "other")).pairs == pairs
    long = "archspec: 1\ninput: [4, 8, 8]\nstages:\n  a: {sequential: [{conv2d: {out_channels: 4, kernel_size: 1}}, relu], repeat: 300}\n"
    other = long.replace("kernel_size: 1", "kernel_size: 3, padding: 1").replace("  a:", "  z:").replace("300", "290")
    monkeypatch.setattr(module, "_MAX_CELLS", 10_000)
    found = align(*(archspec.load(text).graph for text in (long, other)))  # in a band, without an anchor
    assert len(found.pairs) == 580 and all(found.old[i].op.op == found.new[j].op.op for j, i in found.pairs.items())


@pytest.mark.parametrize("seed", range(6))
def test_sides_swap(seed: int) -> None:
    rng = random.Random(seed)
    one, other = (archspec.load(rng.choice(SPECS)).graph for _ in range(2))
    there, back = align(one, other), align(other, one)
    assert len(there.pairs) == len(back.pairs) and len(there.added) == len(back.removed)
