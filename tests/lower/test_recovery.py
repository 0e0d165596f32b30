"""All independent mistakes in one run, each told once, at its place; what depends on one is not told."""

from __future__ import annotations

import itertools

import pytest

import archspec
from tests.helpers import assert_marked, assert_rendered, marked, shapes, spec

# -- the ten of the acceptance ---------------------------------------------------------------------------------

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
    ("SPEC012", "`out_channels` of `conv2d` must be an integer, got \"eight\""),
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
    for piece, told in PIECES:
        assert_marked(f"archspec: 1\ninput: [6, 8, 8]\nstages:\n  {piece.replace('{n}', '')[1:-1]}\n"
                      "  b: [relu, adaptive_avg_pool2d: 1, flatten, linear: 10]\nexpect: {output: [10]}\n", told)


# -- what an error leaves known ----------------------------------------------------------------------------------


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


# -- the texts that a person reads ---------------------------------------------------------------------------------


def test_the_text_of_a_shape_error():
    text = """\
archspec: 1
input: [1, 28, 28]
stages:
  b1: [conv2d: {out_channels: 64, kernel_size: 3, stride: 2, padding: 1}]
  b2: [max_pool2d: 2]
  b3: [conv2d: {out_channels: 64, kernel_size: 4}]
  b4:
    - conv2d: {out_channels: 8, kernel_size: 1}
    - conv2d: {out_channels: 8, kernel_size: 7}
"""
    assert_rendered(text, """
error[SHAPE101]: stages.b4.conv2d_2: 7×7 window does not fit a 4×4 input
 --> <text>:9:46
8 |     - conv2d: {out_channels: 8, kernel_size: 1}
  |       ------ gives (8, 4, 4)
9 |     - conv2d: {out_channels: 8, kernel_size: 7}
  |                                              ^
  = note: input (1, 28, 28) → b1 (64, 14, 14) → b2 (64, 7, 7) → b3 (64, 4, 4) → b4.conv2d_1 (8, 4, 4)
  = hint: raise padding to at least 2
""")


def test_the_text_of_a_mistake_in_a_library_block():
    text = """\
archspec: 1
input: [1, 28, 28]
stages:
  b1: [nin_block: [96, 11, 4]]
  b2: [nin_block: [256, 11]]
"""
    assert_rendered(text, """
error[SHAPE101]: stages.b2.nin_block_1.conv2d_1: 11×11 window does not fit a 5×5 input
 --> <text>:5:25
4 |   b1: [nin_block: [96, 11, 4]]
  |   -- gives (96, 5, 5)
5 |   b2: [nin_block: [256, 11]]
  |                         ^^
 ::: archspec/stdlib/nin_block.yaml:9:56
9 |       - conv2d: {out_channels: $channels, kernel_size: $kernel_size, stride: $stride, padding: $padding}
  |                                                        ------------ used as the window's size
  = note: input (1, 28, 28) → b1 (96, 5, 5)
  = hint: raise padding to at least 3
""")


def test_the_text_of_a_mistake_that_only_the_library_writes_out():
    text = "archspec: 1\ninput: [1, 1, 1]\nstages:\n  b1: {vgg_block: [1, 64]}\n"
    assert_rendered(text, """
error[SHAPE101]: stages.b1.max_pool2d_1: 2×2 window does not fit a 1×1 input
  --> <text>:4:8
 4 |   b1: {vgg_block: [1, 64]}
   |        ^^^^^^^^^
  ::: archspec/stdlib/vgg_block.yaml:11:21
 9 |       - sequential: [conv2d: {out_channels: $channels, kernel_size: 3, padding: 1}, relu]
   |         ---------- gives (64, 1, 1)
...
11 |       - max_pool2d: 2
   |                     - in block `vgg_block`
   = note: input (1, 1, 1) → b1.sequential_1 (64, 1, 1)
   = hint: raise padding to at least 1
""")


def test_a_long_way_is_cut():
    stages = ", ".join(f"s{k}: relu" for k in range(20))
    (found,) = assert_marked(spec(f"stages: {{{stages}, last: {{max_pool2d: «9»}}}}"), ("SHAPE101", "9×9"))
    assert found.notes[0].startswith("input (3, 8, 8) → … → s13 (3, 8, 8) → ")
    assert found.notes[0].endswith(" → s19 (3, 8, 8)")


def test_the_way_follows_from_and_not_the_text():
    text = spec("stages: {a: relu, b: {concat: {x: [conv2d: {out_channels: 1, kernel_size: 1}], "
                "y: [{max_pool2d: «9», from: a}]}}}")
    (found,) = assert_marked(text, ("SHAPE101", "stages.b.y.max_pool2d_1: 9×9"))
    assert found.notes[0] == "input (3, 8, 8) → a (3, 8, 8)"


# -- hints that work -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stages", "old", "new"), [
    ("{a: [max_pool2d: {kernel_size: 10, padding: 0}]}", "padding: 0", "padding: {least}"),
    ("{a: [conv2d: {out_channels: 4, kernel_size: 12, padding: 0}]}", "padding: 0", "padding: {least}"),
    ("{a: [conv2d: {out_channels: 4, kernel_size: 5, dilation: 3, padding: 0}]}", "padding: 0", "padding: {least}"),
])
def test_following_the_hint_for_a_window(stages, old, new):
    (found,) = archspec.check(spec(f"stages: {stages}"))
    least = (found.hint or "").rpartition(" ")[2]
    assert archspec.check(spec(f"stages: {stages.replace(old, new.format(least=least))}")) == ()


@pytest.mark.parametrize(("stages", "head"), [
    ("{a: [rellu]}", ""), ("{a: [conv2d: {out_chanels: 4, kernel_size: 3}]}", ""), ("{a: [linear: $widht]}", "vars: {width: 4}\n"),
    ("{enc: relu, b: {add: {x: [], y: {from: en}}}}", ""),
    ("{a: [{relu: , repaet: 2}]}", ""), ("{a: relu}\nexpct: {a: [3, 8, 8]}", ""), ("{a: {nin_blok: [4, 1]}}", ""),
    ("{a: [flatten, linear: 10]}\ntrain: {data: cifar10, lr: 0.1, optimiser: adam}", ""), ("{first: relu}\nexpect: {frst: [3, 8, 8]}", ""),
    ("{a: [flatten, linear: 10]}\ntrain: {data: cifar10, lr: 0.1, optimizer: sgdd}", ""),
])
def test_following_the_hint_for_a_name(stages, head):
    text = spec(f"stages: {stages}", head)
    (found,) = archspec.check(text)
    assert found.span is not None and found.hint is not None
    lines = text.split("\n")
    line, start = found.span.line - 1, found.span.column - 1
    lines[line] = lines[line][:start] + found.hint.split("`")[1] + lines[line][start + found.span.length :]
    assert archspec.check("\n".join(lines)) == ()


def test_following_the_hint_of_a_wrong_expectation():
    text = spec("stages: {a: {linear: 5}}\nexpect: {a: [1], params: 3}")
    for found in archspec.check(text):
        assert found.hint is not None
        text = text.replace("[1]" if found.code == "SHAPE110" else "params: 3",
                            ("" if found.code == "SHAPE110" else "params: ") + found.hint.removeprefix("write ").removesuffix(
                                " if the network is right"))
    assert archspec.check(text) == ()
    assert shapes(text) == {"a": (3, 8, 5)}


@pytest.mark.parametrize(("shape", "hint"), [
    ("[28, 28, 1]", "channels come first: write `input: [1, 28, 28]`"), ("[20, 30, 3]", "channels come first: write `input: [3, 20, 30]`"),
    ("[28, 28, 2]", "raise padding to at least [0, 1]"), ("[3, 28, 1]", "raise padding to at least [0, 2]"),
])
def test_an_input_with_its_channels_last(shape, hint):
    (found,) = assert_marked(f"archspec: 1\ninput: {shape}\nstages: {{a: [relu, max_pool2d: «4»]}}\n", ("SHAPE101", "does not fit"))
    assert found.hint == hint


def test_a_name_that_cannot_be_printed_is_listed_without_what_is_not_printable():
    found = archspec.check({"archspec": 1, "input": [4], "stages": {"\ud7fc": None}, "expect": {"relu": None}})
    assert all((d.hint or "").isprintable() for d in found)
