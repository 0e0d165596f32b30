"""Nodes know where they were written, and nothing else depends on it."""

from __future__ import annotations

import pytest

import archspec
from archspec.diagnostics import SpecError
from archspec.ir.digest import graph_digest
from archspec.train.step.batch_sizes import check_trainable

SPEC = """\
archspec: 1
name: places
input: [1, 8, 8]
blocks:
  unit:
    params: {n: int}
    body:
    - conv2d: {out_channels: $n, kernel_size: 3}
    - relu
stages:
  a:
    - unit: 4
    - relu
    - {repeat: 3, conv2d: {out_channels: 4, kernel_size: 1}}
  b:
    add:
      left: relu
      right: [conv2d: {out_channels: 4, kernel_size: 1}]
  c: [flatten, linear: 3]
"""


def test_a_node_knows_where_it_was_written() -> None:
    graph = archspec.load(SPEC).graph
    found = {path: node.origin for path, node, _ in graph.walk()}
    assert {path: span.line for path, span in found.items()} == {
        "a.unit_1.conv2d_1": 8, "a.unit_1.relu_1": 9, "a.relu_1": 13, "a.conv2d_1.0": 14, "a.conv2d_1.1": 14,
        "a.conv2d_1.2": 14, "b.left": 17, "b.right.conv2d_1": 18, "b.add": 16, "c.flatten_1": 19, "c.linear_1": 19,
    }
    assert {node.name: node.origin.line for node in graph.nodes[0].target.nodes}["unit_1"] == 12
    assert all(span.path == "<text>" for span in found.values())
    assert {layer.path: layer.origin for layer in archspec.load(SPEC).report.layers()} == found
    assert graph.origin("a.unit_1.relu_1").line == 9 and graph.origin("a.unit_1.nothing") is graph.origin("z.a") is None


def test_an_error_at_run_time_shows_where_the_layer_was_written() -> None:
    text = """\
archspec: 1
name: lone
input: [4]
stages:
  a: [linear: 3, batch_norm1d]
train: {data: digits, lr: 0.1, epochs: 1, batch_size: 1, optimizer: sgd}
"""
    loaded = archspec.load(text)
    with pytest.raises(SpecError) as caught:
        check_trainable(loaded.graph, loaded.recipe())
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.text[diagnostic.span.column - 1 :]) == (
        "BUILD203", 5, "batch_norm1d]")


def test_where_it_was_written_is_in_no_digest() -> None:
    other = "\n\n" + SPEC
    assert graph_digest(archspec.load(SPEC).graph) == graph_digest(archspec.load(other).graph)
    assert archspec.load(SPEC).graph.equals(archspec.load(other).graph)
