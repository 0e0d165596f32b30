"""All independent mistakes in one run, each told once, at its place; what depends on one is not told."""

from __future__ import annotations

import itertools

import pytest

import archspec
from archspec.api.examination import examine
from tests.helpers import assert_marked, marked, spec

TEN = """\
archspec: 1
input: [3, 32, 32]
vars: {width: 16}
blocks:
  conv:
    params: {channels: int, size: 3}
    body: [conv2d: {out_channels: $channels, kernel_size: $size, padding: $(size // 2)}, relu]
stages:
  a: [conv: $width, «batchnorm2d»]
  b: [conv2d: {out_channels: 8, «kernelsize»: 1}, relu]
  c: [conv2d: {out_channels: «eight», kernel_size: 1}, conv: 8]
  d: [«squeeze»: 4]
  e: [conv: [$(«widht» * 2), 1]]
  f: [max_pool2d: «40»]
  g: [adaptive_avg_pool2d: 8, conv: 16]
  h:
    «add»: {main: [conv: 32], skip: []}
  i: [conv: 16]
  j:
    «concat»: {wide: [max_pool2d: 2], high: [conv: 4]}
  k: [global_avg_pool2d, flatten, linear: 10]
expect:
  d: [8, 32, 32]
  k: «[11]»
  «k»: [10]
"""
CODES = [
    ("SPEC020", "no op or block `batchnorm2d`"), ("SPEC010", "`conv2d` has no field `kernelsize`"),
    ("SPEC012", "`out_channels` of `conv2d` must be an integer, at least 1, got \"eight\""),
    ("SPEC020", "no op or block `squeeze`"), ("SPEC031", "unknown name `widht`"),
    ("SHAPE101", "stages.f.max_pool2d_1: 40×40 window does not fit a 32×32 input"),
    ("SHAPE103", "stages.h: inputs disagree in channels: (32, 8, 8) and (16, 8, 8)"),
    ("SHAPE104", "stages.j: inputs disagree in height and width: (16, 4, 4) and (4, 8, 8)"),
    ("SHAPE110", "expected (11) from `k`, the network gives (10)"), ("SPEC004", "duplicate key `k`"),
]


def test_ten_mistakes_in_one_chain_of_stages():
    assert_marked(TEN, *CODES)


@pytest.mark.parametrize("left", range(len(CODES)))
def test_the_others_are_told_without_one_of_them(left):
    """Each of the ten is independent of the others: correcting one changes nothing about the nine."""
    corrections = [
        ("«batchnorm2d»", "batch_norm2d"), ("«kernelsize»", "kernel_size"), ("«eight»", "8"), ("«squeeze»: 4", "conv: 8"),
        ("«widht»", "width"), ("«40»", "2"), ("main: [conv: 32]", "main: [conv: 16]"),
        ("wide: [max_pool2d: 2]", "wide: [conv: 3]"), ("«[11]»", "[10]"), ("«k»: [10]", "j: [20, 8, 8]"),
    ]
    wrong, right = corrections[left]
    text = TEN.replace(wrong, right)
    assert text != TEN
    for op, number in (("add", 6), ("concat", 7)):
        text = text.replace(f"«{op}»", op) if left == number else text
    if left == 7:
        text = text.replace("j: [20, 8, 8]", "k: [10]")
    assert_marked(text, *CODES[:left], *CODES[left + 1 :])


def test_all_ten_corrected_is_valid():
    plain, _ = marked(TEN)
    for wrong, right in (
        ("batchnorm2d", "batch_norm2d"), ("kernelsize", "kernel_size"), ("eight", "8"), ("squeeze: 4", "conv: 8"),
        ("widht", "width"), ("max_pool2d: 40", "max_pool2d: 2"), ("main: [conv: 32]", "main: [conv: 16]"),
        ("wide: [max_pool2d: 2]", "wide: [conv: 3]"), ("  k: [11]\n  k: [10]", "  k: [10]"),
    ):
        assert wrong in plain
        plain = plain.replace(wrong, right)
    assert archspec.check(plain) == ()


PIECES = [
    ("{a{n}: [«rellu»]}", ("SPEC020", "no op or block `rellu`")),
    ("{a{n}: [relu: {«inplce»: true}]}", ("SPEC010", "no field `inplce`")),
    ("{a{n}: {dropout: «lots»}}", ("SPEC012", "`p` of `dropout` must be a number")),
    ("{a{n}: {add: {x: [«zzz»: 3], y: []}}}", ("SPEC020", "no op or block `zzz`")),
    ("{a{n}: {conv2d: {out_channels: $(«nope» + 1), kernel_size: 1}}}", ("SPEC031", "unknown name `nope`")),
    ("{a{n}: [adaptive_avg_pool2d: 6, max_pool2d: «7»]}", ("SHAPE101", "7×7 window does not fit a 6×6 input")),
    ("{a{n}: [conv2d: {out_channels: 6, kernel_size: 1}, «add»: {x: [conv2d: {out_channels: 5, kernel_size: 1}], y: []}]}",
     ("SHAPE103", "disagree in channels: (5, ")),
    ("{a{n}: [adaptive_avg_pool2d: 6, «concat»: {x: [max_pool2d: 2], y: []}]}", ("SHAPE104", "height and width")),
    ("{a{n}: {relu: , when: «1»}}", ("SPEC042", "`when` must be true or false")),
    ("{a{n}: [relu, «[relu]»]}", ("SPEC021", "a list inside a list")),
]


@pytest.mark.parametrize("order", [
    *itertools.islice(itertools.permutations(range(len(PIECES))), 0, 3_628_800, 403_199), tuple(reversed(range(10))),
], ids=str)
def test_in_any_order_of_stages(order):
    """Ten mistakes one after another in one chain; a stage that gives 6×6×6, whatever enters it, follows each."""
    lines = ["archspec: 1", "input: [6, 6, 6]", "stages:"]
    for n, k in enumerate(order):
        lines.append("  " + PIECES[k][0].replace("{n}", str(n))[1:-1])
        lines.append(f"  known{n}: [adaptive_avg_pool2d: 6, conv2d: {{out_channels: 6, kernel_size: 1}}]")
    assert_marked("\n".join(lines) + "\n", *(PIECES[k][1] for k in order))


def test_one_mistake_in_a_stage_each_and_nothing_else():
    for piece, mistake in PIECES:
        assert_marked(f"archspec: 1\ninput: [6, 8, 8]\nstages:\n  {piece.replace('{n}', '')[1:-1]}\n"
                      "  b: [relu, adaptive_avg_pool2d: 1, flatten, linear: 10]\nexpect: {output: [10]}\n", mistake)


@pytest.mark.parametrize(("layer", "code"), [
    ("conv2d: {out_channels: «x», kernel_size: 1}", "SPEC012"),
    ("conv2d: {out_channels: $«nope», kernel_size: 1}", "SPEC031"),
    ("conv2d: {out_channels: «0», kernel_size: 1}", "SPEC012"),
    ("conv2d: «{kernel_size: 1}»", "SPEC011"),
    ("nin_block: [$«nope», 1]", "SPEC031"),
    ("conv2d: {out_channels: «2.5», kernel_size: 1}", "SPEC012"),
])
def test_wrong_channels_leave_only_the_channels_unknown(layer, code):
    ok = "add: {x: [conv2d: {out_channels: 5, kernel_size: 1}], y: []}"
    bad = "max_pool2d: «9»"
    assert_marked(spec(f"stages: {{a: [{layer}, {ok}, {bad}]}}"), (code, ""), ("SHAPE101", "9×9 window does not fit a 8×8"))


@pytest.mark.parametrize("layer", [
    "conv2d: {out_channels: 4, kernel_size: «x»}", "conv2d: {out_channels: 4, kernel_size: 1, stride: $«nope»}",
    "conv2d: «{out_channels: 4}»", "conv2d: {out_channels: 4, kernel_size: «9»}",
    "conv2d: {out_channels: 4, kernel_size: 1, «colour»: 3}",
])
def test_a_wrong_window_leaves_only_height_and_width_unknown(layer):
    branch = "conv2d: {out_channels: 5, kernel_size: 1}"
    text = spec(f"stages: {{a: [{layer}, max_pool2d: 99, «add»: {{x: [{branch}], y: []}}]}}")
    found = archspec.check(marked(text)[0])
    assert len(found) == 2, found
    assert found[1].code == "SHAPE103" and "disagree in channels: (5, ?, ?) and (4, ?, ?)" in found[1].message


@pytest.mark.parametrize("layer", [
    "dropout: «x»", "batch_norm2d: {eps: «x»}", "leaky_relu: {negative_slope: $«nope»}", "group_norm: $«nope»",
])
def test_a_field_without_effect_on_the_shape_leaves_all_of_it_known(layer):
    found = archspec.check(marked(spec(f"stages: {{a: [{layer}, max_pool2d: 9]}}"))[0])
    assert [d.code for d in found][1:] == ["SHAPE101"], found


def test_the_nearest_op_is_assumed():
    text = spec("stages: {a: [«cnv2d»: {out_channels: 4, kernel_size: 3}, max_pool2d: «7»]}")
    assert_marked(text, ("SPEC020", "cnv2d"), ("SHAPE101", "stages.a.max_pool2d_1: 7×7 window does not fit a 6×6 input"))


@pytest.mark.parametrize("layer", ["«conact»: {x: [], y: [max_pool2d: «9»]}", "«sequental»: [max_pool2d: «9»]"])
def test_the_nearest_merge_or_group_is_assumed(layer):
    assert_marked(spec(f"stages: {{a: [{layer}]}}"), ("SPEC020", "no op or block"), ("SHAPE101", "9×9"))


def test_the_nearest_block_is_assumed():
    assert_marked(spec("stages: {a: [{«residul»: [6, 2]}, max_pool2d: «5»]}"), ("SPEC020", "residul"),
                  ("SHAPE101", "does not fit a 4×4 input"))


def test_an_op_that_its_arguments_do_not_suit_is_not_assumed():
    """lconv2d is like conv2d, but what it takes may differ: nothing is said of it, nor of what follows."""
    assert_marked(spec("stages: {a: [«lconv2d»: {out_channels: 4, kernel_size: 3, depth: 2}, max_pool2d: 99]}"),
                  ("SPEC020", "no op or block `lconv2d`"))


def test_a_wrong_value_of_an_assumed_op_is_told():
    assert_marked(spec("stages: {a: [«cnv2d»: {out_channels: «x», kernel_size: 3}]}"), ("SPEC020", "cnv2d"),
                  ("SPEC012", "must be an integer"))


def test_expect_gives_the_shape_back():
    text = spec("stages: {a: [«zzz»], b: {max_pool2d: «5»}}\nexpect: {a: [3, 4, 4]}")
    (_, found) = assert_marked(text, ("SPEC020", "zzz"), ("SHAPE101", "5×5 window does not fit a 4×4 input"))
    assert found.notes[0] == "input (3, 8, 8) → a (3, 4, 4)"
    assert_marked(text.replace("«5»", "4"), ("SPEC020", "zzz"))


def test_expect_does_not_overrule_what_is_known():
    text = spec("stages: {a: [relu], b: {max_pool2d: 5}}\nexpect: {a: «[3, 4, 4]»}")
    assert_marked(text, ("SHAPE110", "expected (3, 4, 4) from `a`, the network gives (3, 8, 8)"))


def test_a_branch_of_unknown_shape_does_not_hide_the_others():
    text = spec("stages: {a: {«concat»: {x: [«zzz»], y: [max_pool2d: 2], z: []}}}")
    assert_marked(text, ("SHAPE104", "`y` and `z` disagree in height and width"), ("SPEC020", "zzz"))


def test_counts_are_checked_beside_a_mistake_that_changes_none():
    text = spec("stages: {a: {linear: 4}}\nexpect: {params: «1»}", "vars: {«unused»: 3}\n")
    assert_marked(text, ("SPEC025", "unused"), ("SHAPE111", "expected 1 params, the network has 36"))


@pytest.mark.parametrize("stages", [
    "{a: {«lnear»: 4}}", "{a: {linear: «x»}}", "{a: {linear: 4, repeat: «x»}}", "{a: {linear: 4}, b: {max_pool2d: «9»}}",
])
def test_counts_are_not_checked_beside_one_that_may(stages):
    found = archspec.check(marked(spec(f"stages: {stages}\nexpect: {{params: 1}}"))[0])
    assert len(found) == 1, found


def test_a_broken_repeat_is_looked_at_once():
    assert_marked(spec("stages: {a: {«rellu»: , repeat: 30000}}"), ("SPEC020", "rellu"))
    assert_marked(spec("stages: {a: {max_pool2d: «9», repeat: 30000}}"), ("SHAPE101", "9×9"))


@pytest.mark.parametrize("line", ["- enc: relu", "[enc: relu"])
def test_a_name_in_a_line_that_cannot_be_read_is_not_said_to_be_unknown(line):
    found = examine(f"archspec: 1\ninput: [3, 8, 8]\nstages:\n  a: relu\n  {line}\n  b: [{{tanh: , from: enc}}]\n")
    assert [error.code for error in found.errors] == ["SPEC002"]
