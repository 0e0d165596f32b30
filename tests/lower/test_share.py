"""`share` and `repeat … share: true`: one set of weights, several runs. The oracle are torch modules made by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import archspec
from archspec.analysis.totals import totals
from archspec.analysis.weights import weights
from archspec.api import examine
from archspec.ir import sites
from archspec.ir.digest import graph_digest
from tests.helpers import assert_errors, spec
from tests.lower.share_helpers import ALBERT, CONV, SIAMESE, TWO_SIZES, build, graph_of


def tied(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What TWO_SIZES computes, by the tower of `model` and plain torch."""
    large = model.tower(x)
    return model.head.linear_1(torch.cat([large, model.tower(nn.functional.avg_pool2d(x, 2))], 1))


def test_a_tower_over_two_sizes_computes_what_tied_modules_compute() -> None:
    model = build(TWO_SIZES).double()
    other = copy.deepcopy(model)
    x = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    for _ in range(2):  # training: the state of the batch norm is updated by both runs, in order
        y, wanted = model(x), tied(other, x)
        torch.testing.assert_close(y, wanted)
        y.square().sum().backward()
        wanted.square().sum().backward()
    for (name, a), b in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)
    torch.testing.assert_close(model.state_dict(), other.state_dict())
    assert int(model.tower.batch_norm2d_1.num_batches_tracked) == 4


def test_it_is_counted_built_and_saved_once() -> None:
    report = archspec.load(TWO_SIZES).report
    params = 4 * 3 * 9 + 4 + 8 + 8 * 2 + 2
    graph = graph_of(TWO_SIZES)
    model = build(TWO_SIZES)
    assert report.params == params == sum(p.numel() for p in model.parameters()) == totals(graph, {}).params
    assert report.macs == 4 * 27 * (36 + 4) + 16 == totals(graph, {}).macs
    assert [name for name, _ in weights(graph)] == list(model.state_dict())
    assert {key.partition(".")[0] for key in model.state_dict()} == {"tower", "head"}
    rows = {layer.path: layer.params for layer in report.layers()}
    assert (rows["tower.conv2d_1"], rows["twin.conv2d_1"]) == (112, 0)


def test_an_equal_input_runs_the_module_itself() -> None:
    text = spec(f"stages:\n  a: [{CONV}, relu]\n  b: {{share: a, from: input}}\n  c: {{add: {{a: {{from: a}}, b: []}}}}")
    graph, model = graph_of(text), build(text)
    assert graph.nodes[1].target is graph.nodes[0].target and graph.nodes[1].state == "a"
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(model(x), 2 * model.a(x))


def test_a_repeat_with_one_set_of_weights() -> None:
    model, x = build(ALBERT), torch.randn(2, 10, 16)
    report = archspec.load(ALBERT).report
    layer = model.encoder.get_submodule("0")
    y = x
    for _ in range(12):
        y = layer(y)
    torch.testing.assert_close(model.encoder(x), y)
    one = 32 + 16 * 32 + 32 + 32 * 16 + 16
    assert report.params == one + 160 * 3 + 3
    assert report.macs == 12 * 2 * 10 * 16 * 32 + 480
    assert {key.split(".")[1] for key in model.state_dict() if key.startswith("encoder")} == {"0"}
    assert len({site.state for site in sites(graph_of(ALBERT)) if site.path.endswith("linear_1")}) == 2
    own = archspec.load(ALBERT.replace(", share: true", "")).report
    assert own.params == 12 * one + 483 and own.macs == report.macs


def test_a_repeat_may_decide_by_a_var() -> None:
    text = ALBERT.replace("share: true", "share: $tied").replace("depth: 12", "depth: 12, tied: true")
    assert archspec.load(text).report.params == archspec.load(ALBERT).report.params
    own = archspec.load(text, sets=["vars.tied=false"]).report.params
    assert own == archspec.load(ALBERT.replace(", share: true", "")).report.params


def test_copies_that_change_the_size_share_what_depends_on_channels() -> None:
    text = spec("stages:\n  a: [{conv2d: {out_channels: 3, kernel_size: 3}, repeat: 3, share: true}, flatten, linear: 2]")
    model, x = build(text), torch.randn(2, 3, 8, 8)
    conv = model.a.conv2d_1.get_submodule("0")
    torch.testing.assert_close(model.a.conv2d_1(x), conv(conv(conv(x))))
    assert archspec.load(text).report.macs == 81 * (36 + 16 + 4) + 24


def test_copies_may_differ_by_the_index_where_there_are_no_weights() -> None:
    text = spec("""\
stages:
  a:
    - sequential: [conv2d: {out_channels: 3, kernel_size: 3, padding: 1}, leaky_relu: $(0.1 * i)]
      repeat: 3
      share: true""")
    model, x = build(text), torch.randn(2, 3, 8, 8)
    conv, y = model.a.sequential_1.get_submodule("0").conv2d_1, x
    for i in range(3):
        y = nn.functional.leaky_relu(conv(y), 0.1 * i)
    torch.testing.assert_close(model(x), y)


def test_skips_into_a_shared_layer_stay_and_its_input_is_replaced_everywhere() -> None:
    text = spec("""\
stages:
  a: {conv2d: {out_channels: 3, kernel_size: 1}}
  b: {conv2d: {out_channels: 3, kernel_size: 1}}
  t: [{conv2d: {out_channels: 3, kernel_size: 1}, from: b}, add: {x: [], y: {from: b}, z: {from: a}}]
  u: {share: t}
  v: {share: t, from: a}
  w: {add: {u: {from: u}, v: []}}""")
    m, x = build(text), torch.randn(2, 3, 8, 8)
    a = m.a(x)
    b = m.b(a)
    conv = m.t.conv2d_1
    t = conv(b) + b + a
    torch.testing.assert_close(m(x), (conv(t) + t + a) + (conv(a) + a + a))


@pytest.mark.parametrize("pool", ["", "max_pool2d: 2, "])
def test_a_share_of_a_share_inside_other_layers(pool: str) -> None:
    """Owners at several depths, run from several depths, on equal and on other sizes."""
    text = spec(f"""\
stages:
  c: {{conv2d: {{out_channels: 3, kernel_size: 3, padding: 1}}}}
  b: {{share: c}}
  t:
    - {{sequential: [linear: 8, {{linear: 8, name: l}}, relu], name: q}}
    - {{share: q}}
    - {{share: b}}
  d: [{pool}relu, {{sequential: [relu, {{share: b, name: x}}, tanh, {{share: x}}]}}]
  e: {{sequential: [{{sequential: [{{share: t, from: c}}]}}, global_avg_pool2d]}}
  f: [{{add: {{d: [{{from: d}}, global_avg_pool2d], e: []}}}}]""")
    m, x = build(text), torch.randn(2, 3, 8, 8)
    assert {key.rpartition(".")[0] for key in m.state_dict()} == {"c", "t.q.linear_1", "t.q.l"}
    c = m.c(x)
    t = m.c(m.t.q(m.t.q(m.c(c))))
    d = m.c(m.c((nn.functional.max_pool2d(t, 2) if pool else t).relu()).tanh())
    e = m.c(m.t.q(m.t.q(c)))
    torch.testing.assert_close(m(x), d.mean((2, 3), keepdim=True) + e.mean((2, 3), keepdim=True))


def test_a_shared_stage_with_inner_shares_on_another_size_in_an_inner_layer() -> None:
    text = spec("""\
stages:
  c: {conv2d: {out_channels: 3, kernel_size: 3, padding: 1}}
  t: [{conv2d: {out_channels: 3, kernel_size: 1}, name: p}, {share: c}, {share: p}, {share: c, repeat: 2}]
  d: [max_pool2d: 2, {sequential: [relu, {add: {main: [{share: t}], skip: []}}]}]""")
    m, x = build(text), torch.randn(2, 3, 8, 8)

    def t(y: torch.Tensor) -> torch.Tensor:
        return m.c(m.c(m.t.p(m.c(m.t.p(y)))))

    y = nn.functional.max_pool2d(t(m.c(x)), 2).relu()
    torch.testing.assert_close(m(x), t(y) + y)
    assert {key.rpartition(".")[0] for key in m.state_dict()} == {"c", "t.p"}


def test_a_block_gets_a_shared_layer_as_a_param() -> None:
    text = spec("""\
stages:
  a: {conv2d: {out_channels: 3, kernel_size: 1}}
  b: {two: {part: {share: a}}}
  c: {two: {part: [{share: a}, relu]}}""", "blocks:\n  two: {params: {part: layer}, body: [$part, tanh, $part]}\n")
    m, x = build(text), torch.randn(2, 3, 8, 8)
    y = m.a(m.a(m.a(x)).tanh())
    torch.testing.assert_close(m(x), m.a(m.a(y).relu().tanh()).relu())
    assert list(m.state_dict()) == ["a.weight", "a.bias"]


def test_when_and_expressions_see_the_input_of_each_run() -> None:
    text = spec("""\
stages:
  t: [{conv2d: {out_channels: 3, kernel_size: 3}}, {max_pool2d: 2, when: $(in.height > 4)}, reshape: [3, $(in.height * in.width)]]
  low: {max_pool2d: 2, from: input}
  u: {share: t}
  v: {concat: {a: {from: t}, b: [], dim: 2}}""")
    m, x = build(text), torch.randn(2, 3, 8, 8)
    large = nn.functional.max_pool2d(m.t.conv2d_1(x), 2).flatten(2)
    small = m.t.conv2d_1(nn.functional.max_pool2d(x, 2)).flatten(2)
    torch.testing.assert_close(m(x), torch.cat([large, small], 2))


def test_digests_tell_shared_from_own_weights() -> None:
    own = TWO_SIZES.replace("{share: tower}", f"[{CONV}, batch_norm2d, relu, global_avg_pool2d, flatten]")
    assert graph_digest(graph_of(TWO_SIZES)) != graph_digest(graph_of(own))
    assert graph_digest(graph_of(ALBERT)) != graph_digest(graph_of(ALBERT.replace(", share: true", "")))


def test_an_own_block_named_share_keeps_its_meaning() -> None:
    text = spec("stages:\n  a: {share: 5}\n  b: [{share: 4, repeat: 2}, share]",
                "blocks:\n  share: {params: {c: 3}, body: {conv2d: {out_channels: $c, kernel_size: 1}}}\n")
    assert archspec.load(text).report.shapes == {"a": (5, 8, 8), "b": (3, 8, 8)}


def test_memory_is_replaced_like_from() -> None:
    text = """\
archspec: 1
input: {a: [5, 8], b: [7, 8]}
stages:
  self: [{multi_head_attention: {num_heads: 2, memory: a}, from: a}, linear: 8]
  again: {share: self, from: b}
  head: [concat: {x: {from: self}, y: []}, linear: 1]
"""
    m, a, b = build(text), torch.randn(2, 5, 8), torch.randn(2, 7, 8)
    layer = m.get_submodule("self").multi_head_attention_1
    y = torch.cat([m.get_submodule("self").linear_1(layer(x, x)) for x in (a, b)], 1)
    torch.testing.assert_close(m(a, b), m.head.linear_1(y))


def test_a_stage_of_shared_layers_has_weights_to_share() -> None:
    text = spec("stages:\n  a: {conv2d: {out_channels: 3, kernel_size: 1}}\n  b: [{share: a}, relu]\n  c: [tanh, {share: b}]")
    assert not examine(text).warnings
    m, x = build(text), torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(m(x), m.a(m.a(m.a(x)).relu().tanh()).relu())


def test_a_siamese_network() -> None:
    m = build(SIAMESE)
    a, b = torch.randn(2, 1, 12, 12), torch.randn(2, 1, 12, 12)
    torch.testing.assert_close(m(a, b), m.head.linear_1(m.tower(a) + m.tower(b)))
    assert {key.partition(".")[0] for key in m.state_dict()} == {"tower", "head"}
    assert archspec.load(SIAMESE).report.params == 4 * 9 + 4 + 400 * 6 + 6 + 7


def test_a_siamese_network_of_two_sizes() -> None:
    text = SIAMESE.replace("right: [1, 12, 12]", "right: [1, 9, 9]")
    assert_errors(text, [("SHAPE106", 5, 10, "weights for (1, 12, 12), which do not fit (1, 9, 9)")])
    m = build(text.replace("flatten, linear", "global_avg_pool2d, flatten, linear"))
    a, b = torch.randn(2, 1, 12, 12), torch.randn(2, 1, 9, 9)
    torch.testing.assert_close(m(a, b), m.head.linear_1(m.tower(a) + m.tower(b)))
