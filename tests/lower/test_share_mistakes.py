"""Mistakes in `share` and `repeat … share: true`: weights that do not fit, names that are not there, fields beside it."""

from __future__ import annotations

import pytest

import archspec
from archspec.api import examine
from tests.helpers import assert_errors, assert_marked, labels, spec
from tests.lower.share_helpers import CONV, SIAMESE, TWO_SIZES


def test_copies_of_different_weights_are_an_error() -> None:
    (found,) = assert_marked(spec("""\
stages:
  a:
    - conv2d: {out_channels: $(4 + i), kernel_size: 3, padding: 1}
      repeat: 3
      share: «true»"""), ("SHAPE106", "copies 0 and 1 cannot have one set of weights: their inputs are (3, 8, 8) and (4, 8, 8)"))
    assert labels(found) == [(5, 7, "its `weight` is [4, 3, 3, 3] in `copy 0`, and would be [5, 4, 3, 3] in `copy 1`")]


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


def test_several_inputs_without_a_first_from() -> None:
    (found,) = assert_errors(spec("""\
stages:
  a: {conv2d: {out_channels: 3, kernel_size: 1}}
  b: {conv2d: {out_channels: 3, kernel_size: 1}}
  t: {add: {p: [{conv2d: {out_channels: 3, kernel_size: 1}, from: a}], q: {from: input}}}
  u: {share: t, from: b}
  v: {add: {t: {from: t}, u: []}}"""), [("SPEC045", 7, 14, "`t` takes `a`, `input`, and `share` cannot tell which of them to replace")])
    assert found.hint == "begin `t` with a `from` that names the input, such as `{from: NAME}`"


def test_an_input_cannot_be_shared() -> None:
    text = SIAMESE.replace("share: tower, from", "share: left, from")
    assert_errors(text, [("SPEC040", 5, 17, "no earlier layer or stage `left`; visible: tower")])


@pytest.mark.parametrize(("word", "meant"), [("yes", "true"), ("on", "true"), ("no", "false")])
def test_a_word_for_true_beside_repeat_is_one_mistake(word: str, meant: str) -> None:
    (mistake,) = archspec.check(spec(f"stages:\n  a: {{linear: 8, repeat: 2, share: {word}}}\n"))
    assert (mistake.code, mistake.hint) == ("SPEC045", f"write `{meant}`")
    assert mistake.fix is not None and [edit.text for edit in mistake.fix.edits] == [meant]
