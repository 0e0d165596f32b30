"""`archspec.Template`: the same networks as reading each anew, whatever came before."""

import itertools
import random

import pytest

import archspec
from archspec.diagnostics import SpecError
from archspec.ir.digest import graph_digest

NET = """\
archspec: 1
name: net
input: [3, 16, 16]
vars: {width: 4, twice: $(2 * width), act: relu, kernel: 3, middle: conv, depth: 2}
blocks:
  conv:
    params: {channels: int}
    body: [conv2d: {out_channels: $channels, kernel_size: $kernel, padding: $(kernel // 2)}, $act]
  thin: {params: {channels: int}, body: [conv2d: {out_channels: $width, kernel_size: 1}, conv: $channels]}
  plain: [batch_norm2d, relu]
stages:
  stem: [conv: $width, plain]
  body: {$middle: $twice, repeat: $depth}
  head: [plain, global_avg_pool2d, flatten, linear: 10]
"""
CHOICES = {"width": [2, 4, 6], "act": ["relu", "plain", "gelu"], "kernel": [1, 3], "middle": ["conv", "thin"], "depth": [0, 3]}
POINTS = [dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values())]


def anew(variables):
    """The graph of a text with these values, read from the beginning."""
    return archspec.load(NET, sets=[f"vars.{key}={value}" for key, value in variables.items()]).graph


def same(graph, other):
    """Whether two networks are the same, and name their modules alike."""
    paths, others = ([(path, node.target) for path, node, _ in one.walk()] for one in (graph, other))
    return paths == others and graph_digest(graph) == graph_digest(other)


def test_every_network_equals_the_one_that_is_read_anew_in_any_order():
    template = archspec.Template(NET)
    for point in random.Random(0).choices(POINTS, k=30):
        graph = template.graph(point)
        graph.verify()
        assert same(graph, anew(point)), point


def test_points_may_name_different_vars():
    template = archspec.Template(NET)
    for point in ({"act": "plain"}, {"kernel": 1}, {}, {"act": "gelu", "kernel": 1}, {"kernel": 1}, {"twice": 5}, {"width": 6}):
        assert same(template.graph(point), anew(point)), point


@pytest.mark.parametrize(("spec", "variables"), [
    ("resnet18", {"block": "bottleneck", "depths": [1, 2, 1, 1]}),
    ("zoo/densenet121", {"num_classes": 7}),
    ("zoo/mobilenet_v3_small", {"num_classes": 7}),
    ("zoo/unet", {"width": 8}),
])
def test_shipped_specs_with_other_values(spec, variables):
    template = archspec.Template(spec)
    template.graph()
    sets = [f"vars.{key}={value}" for key, value in variables.items()]
    expected = archspec.load(spec, sets=sets)
    assert same(template.graph(variables), expected.graph)
    found = template.totals(variables)
    assert (found.params, found.macs, found.activations * 4) == (
        expected.report.params, expected.report.macs, expected.report.activation_bytes
    )
    assert (found.cost.buffers, found.cost.elementwise_flops) == (
        expected.report.buffers, expected.report.root.cost.elementwise_flops
    )


def test_equal_blocks_are_lowered_once_for_all_networks():
    template = archspec.Template(NET)
    first, second = (template.graph({"width": 4, "depth": depth}) for depth in (1, 2))
    assert first.nodes[0].target.nodes[0].target is second.nodes[0].target.nodes[0].target


def test_values_that_name_others_or_hold_a_layer_are_read_anew():
    template = archspec.Template(NET)
    assert same(template.graph({"twice": "$(3 * width)", "width": 5}), anew({"twice": 15, "width": 5}))
    assert archspec.analyze(NET.replace("act: relu,", "act: [relu, dropout: 0.5],")).macs == \
        template.totals({"act": ["relu", {"dropout": 0.5}]}).macs


@pytest.mark.parametrize(("variables", "code"), [
    ({"width": 0}, "SPEC012"), ({"width": "wide"}, None), ({"middle": "convv"}, "SPEC020"), ({"kernel": -1}, None),
    ({"widht": 3}, "SPEC010"),
])
def test_a_value_that_is_not_valid_is_refused_and_the_next_one_is_not(variables, code):
    template = archspec.Template(NET)
    with pytest.raises(SpecError) as problem:
        template.graph(variables)
    assert code is None or problem.value.diagnostics[0].code == code
    assert same(template.graph({"width": 6}), anew({"width": 6}))


def test_a_spec_with_a_mistake_is_refused():
    with pytest.raises(SpecError):
        archspec.Template(NET.replace("kernel_size: 1", "kernel_sise: 1"))


FROM = """\
archspec: 1
name: net
input: [3, 16, 16]
vars: {width: 4, out: 10, kernel: 3}
stages:
  stem: {conv2d: {out_channels: 4, kernel_size: $kernel, padding: $(kernel // 2)}}
  side: [conv2d: {out_channels: 4, kernel_size: 1}, relu]
  join: {add: {a: [], b: {from: stem}}}
  body: {conv2d: {out_channels: $width, kernel_size: 1}}
  head: [add: {a: [global_avg_pool2d], b: {from: join, global_avg_pool2d: }}, flatten, linear: $out]
"""


def test_stages_before_the_first_that_a_var_changes_are_lowered_once():
    template = archspec.Template(FROM)

    def expected(point):
        return archspec.load(FROM, sets=[f"vars.{key}={value}" for key, value in point.items()]).graph

    for point in ({"out": 3}, {"out": 5}, {"kernel": 5}, {"kernel": 1}, {"out": 3}, {"out": 0}, {"out": 4}, {"width": 4}):
        if point == {"out": 0}:  # a mistake, after which the rest is as before
            with pytest.raises(SpecError):
                template.graph(point)
            continue
        graph = template.graph(point)
        graph.verify()
        assert same(graph, expected(point)), point
    first, second = (template.graph({"out": out}) for out in (7, 8))
    assert first.nodes[1].target is second.nodes[1].target
    assert first.nodes[0].target is second.nodes[0].target
    assert template.graph({"kernel": 5}).nodes[0].target != template.graph({"kernel": 3}).nodes[0].target


def test_an_input_that_a_var_changes():
    text = FROM.replace("[3, 16, 16]", "[$(kernel), 16, 16]")
    template = archspec.Template(text)
    for kernel in (1, 3, 5):
        assert same(template.graph({"kernel": kernel}), archspec.load(text, sets=[f"vars.kernel={kernel}"]).graph)
