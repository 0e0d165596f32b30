"""`share` and `repeat … share: true`: one set of weights, several runs. The oracle are torch modules made by hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

import archspec
from archspec.analysis.totals import totals
from archspec.analysis.weights import weights
from archspec.api import examine
from archspec.ir import sites
from archspec.ir.digest import graph_digest
from tests.helpers import assert_errors, assert_marked, labels, spec

CONV = "conv2d: {out_channels: 4, kernel_size: 3}"
TWO_SIZES = spec(f"""\
stages:
  tower: [{CONV}, batch_norm2d, relu, global_avg_pool2d, flatten]
  low: {{avg_pool2d: 2, from: input}}
  twin: {{share: tower}}
  head: [concat: {{large: {{from: tower}}, small: []}}, linear: 2]""")
ALBERT = """\
archspec: 1
input: [10, 16]
vars: {depth: 12}
blocks:
  layer:
    - add: {main: [layer_norm, linear: 32, gelu, linear: 16], skip: []}
stages:
  encoder: {layer: {}, repeat: $depth, share: true}
  head: [flatten, linear: 3]
"""


def graph_of(text: str) -> Any:
    graph = archspec.load(text).graph
    graph.verify()
    return graph


def build(text: str) -> nn.Module:
    graph_of(text)
    return archspec.build(text)


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


def test_copies_of_different_weights_are_an_error() -> None:
    (found,) = assert_marked(spec("""\
stages:
  a:
    - conv2d: {out_channels: $(4 + i), kernel_size: 3, padding: 1}
      repeat: 3
      share: «true»"""), ("SHAPE106", "copies 0 and 1 cannot have one set of weights: their inputs are (3, 8, 8) and (4, 8, 8)"))
    assert labels(found) == [(5, 7, "its `weight` is [4, 3, 3, 3] in `copy 0`, and would be [5, 4, 3, 3] in `copy 1`")]


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


# -- mistakes ----------------------------------------------------------------------------------------------------------


def test_a_linear_that_depends_on_the_size() -> None:
    text = TWO_SIZES.replace("global_avg_pool2d, flatten]", "flatten, linear: 5]")
    (found,) = assert_errors(text, [("SHAPE106", 6, 10, "`tower` has weights for (3, 8, 8), which do not fit (3, 4, 4)")])
    assert labels(found)[0][::2] == (4, "its `weight` is [5, 144] in `tower`, and would be [5, 16] in `twin`")
    assert found.hint == "give both runs inputs of one type, or share only the layers before `linear_1`"


def test_a_window_that_does_not_fit_in_the_second_run() -> None:
    text = TWO_SIZES.replace("avg_pool2d: 2", "avg_pool2d: 4")
    (found,) = assert_errors(text, [("SHAPE101", 4, 50, "stages.twin.conv2d_1: ")])
    assert (6, 10, "run again here") in labels(found)


def test_other_channels() -> None:
    text = TWO_SIZES.replace("{avg_pool2d: 2, from: input}", "{conv2d: {out_channels: 5, kernel_size: 1}, from: input}")
    assert_errors(text, [("SHAPE106", 6, 10, "weights for (3, 8, 8), which do not fit (5, 8, 8)")])


def test_an_embedding_of_other_integers() -> None:
    text = """\
archspec: 1
input: {a: {shape: [6], dtype: int64, below: 20}, b: {shape: [9], dtype: int64, below: LIMIT}}
stages:
  words: [{embedding: 8, from: a}]
  others: {share: words, from: b}
  head: [concat: {x: {from: words}, y: []}, linear: 1]
"""
    assert archspec.load(text.replace("LIMIT", "20")).report.params == 169
    assert_errors(text.replace("LIMIT", "30"), [
        ("SHAPE106", 5, 12, "weights for (6) of integers below 20, which do not fit (9) of integers below 30"),
    ])


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


def test_shares_of_shares_are_limited() -> None:
    chain = "".join(f"  s{k}: {{share: s{k - 1}}}\n" for k in range(1, 100))
    text = spec(f"stages:\n  s0: {{conv2d: {{out_channels: 3, kernel_size: 1}}}}\n{chain}  p: {{max_pool2d: 2}}\n  z: {{share: s99}}")
    (found,) = archspec.check(text)
    assert (found.code, found.message) == ("SPEC051", "modules are nested deeper than 64")
    assert archspec.load(text.replace("max_pool2d: 2", "max_pool2d: 1")).report.macs == 101 * 9 * 64
    doubled = "".join(f"  s{k}: [{{share: s{k - 1}}}, {{share: s{k - 1}}}]\n" for k in range(1, 40))
    (found,) = archspec.check(spec(f"stages:\n  s0: {{conv2d: {{out_channels: 3, kernel_size: 1}}}}\n{doubled}"))
    assert found.message == "the network has more than 100,000 ops"


def test_share_among_the_fields_is_reported_once() -> None:
    text = spec("stages:\n  a: {linear: 8}\n  b: [linear: {out_features: 8, «share»: true}]\n  c: [linear: {out_features: 8, «share»: a}]")
    assert_marked(text, *[("SPEC021", "`share` is not a field of `linear`: it belongs beside it")] * 2)


def test_a_single_op_on_other_channels() -> None:
    text = spec("stages:\n  a: [{batch_norm2d: , name: n}, {conv2d: {out_channels: 5, kernel_size: 1}}, {share: n}]")
    (found,) = assert_errors(text, [("SHAPE106", 4, 80, "`n` has weights for (3, 8, 8), which do not fit (5, 8, 8)")])
    assert labels(found) == [(4, 7, "its `weight` is [3] in `n`, and would be [5] in `a.share_1`")]
    assert found.hint == "give both runs inputs of one type"


def test_fields_that_differ() -> None:
    text = spec("""\
stages:
  t: {conv2d: {out_channels: 3, kernel_size: 3, padding: $(in.height // 8)}}
  u: [max_pool2d: 2, {share: t}]""")
    (found,) = assert_errors(text, [("SHAPE106", 5, 23, "`t` has weights for (3, 8, 8), which do not fit (3, 4, 4)")])
    assert labels(found) == [(4, 6, "its `padding` is [1, 1] in `t`, and [0, 0] in `u.share_1`")]


def test_names_that_are_not_there() -> None:
    text = spec("""\
stages:
  tower: [conv2d: {out_channels: 3, kernel_size: 1}, {sequential: [{share: «tower»}, {linear: 8, name: inner}]}]
  b: {share: «towr»}
  c: {share: «later»}
  d: {share: «inner»}
  e: {share: «input»}
  f: [{linear: 8, name: g}, {relu: , name: h}, {sequential: [{share: «h2»}], name: h2}]
  later: {linear: 8}
  g: {tied: {}}""", "blocks:\n  tied: {share: «tower»}\n")
    found = archspec.check(text.replace("«", "").replace("»", ""))
    assert [(d.code, d.hint) for d in sorted(found, key=lambda d: d.span.line)] == [
        ("SPEC040", "a block cannot see the layers of its caller: give it a param `skip: layer`, called with `{share: tower}`"),
        ("SPEC045", "to apply the same weights N times in a row, write `repeat: N` and `share: true` beside the layer"),
        ("SPEC040", "a similar name exists: `tower`"),
        ("SPEC040", "`share` can only refer to earlier stages: put stage `later` before this one"),
        ("SPEC040", "`inner` is inside stage `tower`, or comes later: make it a separate stage before this layer"),
        ("SPEC040", "write `name: input` beside the layer that you mean"),
        ("SPEC045", "to apply the same weights N times in a row, write `repeat: N` and `share: true` beside the layer"),
    ]


def test_share_with_layers_of_its_own() -> None:
    text = spec(f"""\
stages:
  a: {{{CONV}}}
  b: {{linear: 8, share: «a»}}
  c: {{share: «{{linear: 8}}»}}
  d: {{share: «[relu]»}}
  e: {{share: «$a»}}
  f: {{linear: 8, share: true}}""")
    for stage, hint in (
        ("b: {linear: 8, share: a, from: input}", "remove `linear`: `share: a` runs the layers of `a`"),
        ("b: {share: {linear: 8}}", "write these layers once, as a stage or a layer with a `name`, and their name here: `{share: NAME}`"),
        ("b: {share: [relu]}", "write these layers once, as a stage or a layer with a `name`, and their name here: `{share: NAME}`"),
        ("b: {share: $a}", "write the name: `{share: NAME}`"),
        ("b: {share: 3}", "write the name: `{share: NAME}`"),
        ("b: {linear: 8, share: true}", "remove it: a single run of `linear` shares nothing"),
        ("b: {linear: 8, repeat: 2, share: 1}", "write `share: true` beside a `repeat`, or `share: NAME` alone to run a stage or named layer again"),
    ):
        codes = {d.code: d.hint for d in archspec.check(f"{text.splitlines()[0]}\ninput: [3, 8, 8]\nstages:\n  a: {{{CONV}}}\n  {stage}\n")}
        assert codes["SPEC045"] == hint, stage


def test_sharing_what_has_no_weights_is_a_warning() -> None:
    text = spec("stages:\n  a: {max_pool2d: 2}\n  b: [{share: a}, {relu: , repeat: 2, share: true}]")
    examined = examine(text)
    assert [(d.code, d.severity) for d in examined.warnings] == [("SPEC046", "warning")] * 2
    assert archspec.load(text).report.shapes["b"] == (3, 2, 2)


def test_a_stage_of_shared_layers_has_weights_to_share() -> None:
    text = spec("stages:\n  a: {conv2d: {out_channels: 3, kernel_size: 1}}\n  b: [{share: a}, relu]\n  c: [tanh, {share: b}]")
    assert not examine(text).warnings
    m, x = build(text), torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(m(x), m.a(m.a(m.a(x)).relu().tanh()).relu())


def test_several_inputs_without_a_first_from() -> None:
    (found,) = assert_errors(spec("""\
stages:
  a: {conv2d: {out_channels: 3, kernel_size: 1}}
  b: {conv2d: {out_channels: 3, kernel_size: 1}}
  t: {add: {p: [{conv2d: {out_channels: 3, kernel_size: 1}, from: a}], q: {from: input}}}
  u: {share: t, from: b}
  v: {add: {t: {from: t}, u: []}}"""), [("SPEC045", 7, 14, "`t` takes `a`, `input`, and `share` cannot tell which of them to replace")])
    assert found.hint == "begin `t` with a `from` that names the input, such as `{from: NAME}`"


# -- several inputs ----------------------------------------------------------------------------------------------------

SIAMESE = f"""\
archspec: 1
input: {{left: [1, 12, 12], right: [1, 12, 12]}}
stages:
  tower: [{{{CONV}, from: left}}, relu, flatten, linear: 6, sigmoid]
  twin: {{share: tower, from: right}}
  head: [add: {{a: {{from: tower}}, b: {{from: twin}}}}, linear: 1]
"""


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


def test_an_input_cannot_be_shared() -> None:
    text = SIAMESE.replace("share: tower, from", "share: left, from")
    assert_errors(text, [("SPEC040", 5, 17, "no earlier layer or stage `left`; visible: tower")])
