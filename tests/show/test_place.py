"""The layout of every shipped spec, and of generated networks, closed and open, in both directions."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from archspec.api import load
from archspec.show.columns import centres_of
from archspec.show.layers import Layers, layers_of
from archspec.show.scene import Box, Edge
from tests.lower.test_fuzz_ports import networks
from tests.show.geometry import check, drawn

SPECS = sorted((Path(__file__).parents[2] / "specs").rglob("*.yaml"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_no_box_lies_on_another_and_edges_end_at_their_boxes(path):
    graph = load(path).graph
    check(drawn(graph), texts=True)
    check(drawn(graph, measure="params", right=True), texts=True)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_layer_is_there_once(path):
    loaded = load(path)
    boxes = [x.box for x in drawn(loaded.graph).walk() if x.box.kind == "op"]
    layers = loaded.report.layers()
    assert sum(box.copies for box in boxes) == len(layers)
    assert {box.path for box in boxes} <= {layer.path for layer in layers}
    for measure, total in (("params", loaded.report.params), ("macs", loaded.report.training_macs), ("memory", loaded.report.training_activation_bytes)):
        assert sum(box.figures[measure] for box in boxes) == total


@settings(max_examples=40, deadline=None)
@given(networks())
def test_any_network(network):
    data = network[0]
    graph = load({**data, "outputs": list(data["outputs"])}).graph
    check(drawn(graph))
    check(drawn(graph, right=True))


def test_branches_lie_side_by_side_in_their_order():
    (merge,) = [x for x in drawn(load("googlenet").graph).walk() if x.box.path == "b3.inception_1"]
    tops = [x for x in merge.boxes if x.y == min(box.y for box in merge.boxes)]
    assert [(x.box.label, x.box.detail) for x in tops] == [("conv2d", "1×1")] * 3 + [("max_pool2d", "3×3")]
    assert [x.x for x in tops] == sorted(x.x for x in tops)
    (join,) = [x for x in merge.boxes if x.box.label == "concat"]
    assert join.x + join.width / 2 == pytest.approx((tops[0].x + tops[-1].x + tops[-1].width) / 2, abs=40)


def test_the_main_path_is_straight_and_the_skip_beside_it():
    (block,) = [x for x in drawn(load("resnet18").graph).walk() if x.box.path == "b2"]
    assert len({x.x + x.width / 2 for x in block.boxes}) == 1
    (skip,) = [line for line in block.lines if len(line.points) > 3]
    right = max(x.x + x.width for x in block.boxes)
    assert all(x > right for x, _ in skip.points[:-1]) and skip.text == "64×56×56"


def test_longer_skips_lie_further_out():
    network = drawn(load("unet").graph, depth=0)
    lanes = {network.boxes[line.edge.source].box.path: max(x for x, _ in line.points) for line in network.lines if len(line.points) > 3}
    assert sorted(lanes, key=lanes.get) == ["enc4", "enc3", "enc2", "enc1"]


def test_a_box_without_a_source_is_just_before_its_target():
    """A learned parameter, beside the layer that precedes the one which takes it."""
    op = Box("op", "a", "", "relu", "1")
    edges = (Edge(-1, 0, "", "", ()), Edge(0, 1, "", "", ()), Edge(1, 3, "", "", ()), Edge(2, 3, "", "", ()))
    assert layers_of(Box("frame", "", "", "", "", boxes=(op,) * 4, keys=((),) * 4, edges=edges)).layers == ((0,), (1, 2), (3,))


def test_columns_take_no_more_room_than_they_need():
    order = Layers(((0, 1), (2,)), (0, 1, 2), ())
    centres, room = centres_of(order, [(10.0, 10.0), (20.0, 20.0), (5.0, 5.0)])
    assert (centres, room) == ([10.0, 52.0, 36.0], 72.0)


SEVERAL = """archspec: 1
input: {left: [3, 32, 32], right: [3, 32, 32]}
stages:
  a: [{conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, from: left}, relu]
  b: [{conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, from: right}, relu]
  c: {add: {x: {from: a}, y: {from: b}}}
  d: {concat: {x: {from: a}, y: {from: b}}}
  e: {mul: {x: {from: a}, y: {from: b}}}
  f: [concat: {x: {from: c}, y: {from: d}, z: {from: e}}, conv2d: {out_channels: 4, kernel_size: 1}]
  g: [{flatten: {}, from: c}, linear: 10]
outputs: [f, g, d]
"""


@pytest.mark.parametrize("depth", [0, 1, 99])
@pytest.mark.parametrize("right", [False, True])
def test_several_edges_that_leave_a_box_on_one_side_have_one_label(depth, right):
    network = drawn(load(SEVERAL).graph, depth=depth, right=right)
    check(network, texts=True)
    (a,) = [k for k, x in enumerate(network.boxes) if x.box.path in ("a", "a.relu_1")][-1:]
    leaving = [line for line in network.lines if line.edge.source == a]
    assert len(leaving) == 3
    assert 1 <= sum(line.text == "8×32×32" for line in leaving) < 3


def test_a_value_that_two_boxes_take_has_one_label_where_it_leaves():
    """One edge goes straight down and one aside: their labels would stand below each other, without touching."""
    network = drawn(load("""archspec: 1
input: {left: [3, 32, 32], right: [3, 32, 32]}
outputs: [aux, both]
stages:
  tower: [{conv2d: {out_channels: 8, kernel_size: 3}, from: left}, relu]
  twin: [{conv2d: {out_channels: 8, kernel_size: 3}, from: right}, relu]
  both: {concat: {left: {from: tower}, right: {from: twin}}}
  aux: [{global_avg_pool2d: {}, from: tower}, flatten, linear: 10]
""").graph)
    (tower,) = [k for k, x in enumerate(network.boxes) if x.box.path == "tower"]
    assert [line.text for line in network.lines if line.edge.source == tower].count("8×30×30") == 1
