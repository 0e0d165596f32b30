"""The text of errors in blocks, libraries and long ways, and hints that work when they are followed."""

from __future__ import annotations

import pytest

import archspec
from tests.helpers import assert_marked, assert_rendered, shapes, spec


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
