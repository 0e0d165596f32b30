"""Several inputs, and inputs of integers: what a spec may say of them, and every mistake."""

from __future__ import annotations

import pytest

import archspec
from archspec.types import BATCH, TensorType
from tests.helpers import assert_marked, assert_schema_accepts

TWO = "{left: [1, 8, 8], right: [1, 8, 8]}"
PAIR = "{a: [{flatten: , from: left}, linear: 4], b: [{flatten: , from: right}, linear: 4], c: {add: {a: {from: a}, b: {from: b}}}}"


def text(inputs: str, stages: str = "{a: [flatten, linear: 4]}", more: str = "") -> str:
    return f"archspec: 1\ninput: {inputs}\nstages: {stages}\n{more}"


def test_inputs_are_ports_in_the_order_of_the_spec():
    source = text("{right: [1, 8, 8], left: [1, 8, 8]}", PAIR)
    graph = archspec.load(source).graph
    assert [(port.name, port.type.shape) for port in graph.inputs] == [("right", (BATCH, 1, 8, 8)), ("left", (BATCH, 1, 8, 8))]
    graph.verify()
    assert_schema_accepts(source)


def test_one_input_may_have_a_name():
    graph = archspec.load(text("{image: [1, 8, 8]}", "{a: [flatten, linear: $input.height], b: {add: {x: [], y: [{flatten: , from: input}, linear: 8], z: [{flatten: , from: image}, linear: 8]}}}")).graph
    assert [port.name for port in graph.inputs] == ["image"]


def test_integers_keep_their_limit():
    source = text("{tokens: {shape: [2, $size], dtype: int64, below: $(2 * size)}}", "{a: flatten}", "vars: {size: 5}\n")
    graph = archspec.load(source).graph
    assert graph.input == TensorType((BATCH, 2, 5), "int64", 10)
    assert graph.output == TensorType((BATCH, 10), "int64", 10)
    assert_schema_accepts(source)


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_ranks(rank):
    assert archspec.load(text(str([2] * rank), "{a: relu}")).report.output_shape == (2,) * rank


def test_the_shapes_of_inputs_have_names_in_stages():
    source = text(TWO, "{a: [{flatten: , from: left}, linear: $input.right.width], b: {add: {x: [], y: [{flatten: , from: right}, linear: 8]}}}")
    assert archspec.load(source).report.shapes["a"] == (8,)


def test_blocks_take_an_input_at_the_call_or_as_a_layer():
    blocks = "blocks: {half: [flatten, linear: 4], join: {params: {a: layer, b: layer}, body: {concat: {a: $a, b: $b}}}}\n"
    stages = "{a: {half: {}, from: left}, b: [{join: {a: [{half: {}, from: right}], b: {from: a}}}]}"
    assert archspec.load(text(TWO, stages, blocks)).report.output_shape == (8,)


MISTAKES = [  # inputs, stages, (code, part of the message) of each mark
    (TWO, "{a: [«flatten», linear: 4], b: {flatten: , from: right}, c: {concat: {a: [], b: {from: a}}}}", ("SPEC044", "of the network's inputs is used: left, right")),
    (TWO, "{a: {add: {«x»: [], y: {from: right}}}}", ("SPEC044", "left, right")),
    (TWO, "{«a»: []}", ("SPEC044", "left, right")),
    (TWO, "{a: {flatten: , from: «input»}}", ("SPEC044", "left, right")),
    (TWO, "{a: {flatten: , from: «rihgt»}, b: {add: {x: [], y: {flatten: , from: left}}}}", ("SPEC040", "visible: left, right")),
    ("{left: [1, 8, 8], «right»: [1, 8, 8]}", "{a: {relu: , from: left}}", ("SPEC041", "nothing uses the input `right`")),
    ("{image: [1, 8, 8], «input»: [4]}", "{a: {relu: , from: image}}", ("SPEC022", "has a special meaning")),
    ("{image: [1, 8, 8], «class»: [4]}", "{a: {relu: , from: image}}", ("SPEC022", "is a Python keyword")),
    ("{image: [1, 8, 8], «self»: [4]}", "{a: {relu: , from: image}}", ("SPEC022", "stands for the module itself")),
    ("{image: [1, 8, 8], «my image»: [4]}", "{a: {relu: , from: image}}", ("SPEC022", "is not an identifier")),
    ("{a: [1, 8, 8]}", "{«a»: relu}", ("SPEC023", "an input and a stage are named `a`")),
    ("{a: «[0]»}", "{b: relu}", ("SPEC012", "the shape of input `a` must be a list, got [0]")),
    ("{a: «3x8×8»}", "{b: relu}", ("SPEC012", "must be a list")),
    ("«3, 8x8»", "{b: relu}", ("SPEC012", "must be [channels, height, width]")),
    ("«[left: [1, 8, 8], right: [1, 8, 8]]»", PAIR, ("SPEC012", "several inputs must be a mapping, got a list")),
    (TWO, "{a: {«relu»: , when: $(in.channels == 1)}, b: {add: {x: [], y: {from: right}}}}", ("SPEC044", "left, right")),
    (TWO, "{a: {relu: , repeat: $in.channels, from: «input»}, b: {add: {x: [], y: {from: right}}}}", ("SPEC044", "left, right")),
    ("{a: {shape: [8], dtype: int64, below: 3}, b: [8]}", "{c: {«add»: {a: {from: a}, b: {from: b}}}}", ("SHAPE105", "integers from 0 to 2")),
    ("{a: «8»}", "{b: relu}", ("SPEC012", "got 8")),
    ("«{}»", "{b: relu}", ("SPEC012", "`input` has no inputs")),
    ("«{shape: [8], dtype: int64, below: 3}»", "{b: identity}", ("SPEC012", "needs a name")),
    ("«{shape: [8]}»", "{b: relu}", ("SPEC012", "needs a name")),
    ("{a: «{dtype: float32}»}", "{b: relu}", ("SPEC011", "input `a` has no `shape`")),
    ("{a: {shape: [8], dtype: «int32»}}", "{b: relu}", ("SPEC012", "`dtype` must be float32 or int64, got \"int32\"")),
    ("{a: {shape: [8], dtype: «3»}}", "{b: relu}", ("SPEC012", "`dtype` must be float32 or int64, got 3")),
    ("{a: «{shape: [8], dtype: int64}»}", "{b: identity}", ("SPEC011", "an input of integers needs `below`")),
    ("{a: {shape: [8], «below»: 3}}", "{b: identity}", ("SPEC012", "only integers have a limit")),
    ("{a: {shape: [8], dtype: int64, below: «0»}}", "{b: identity}", ("SPEC012", "`below` must be a positive integer, got 0")),
    ("{a: {shape: [8], dtype: int64, «belwo»: 3, below: 3}}", "{b: identity}", ("SPEC010", "unknown key `belwo` in input `a`")),
    ("{a: {shape: [3, 8, 8], dtype: int64, below: 3}}", "{b: {«conv2d»: {out_channels: 4, kernel_size: 3}}}", ("SHAPE105", "integers from 0 to 2")),
    ("{a: {shape: [8], dtype: int64, below: 3}}", "{b: {«linear»: 4}}", ("SHAPE105", "needs floating-point numbers")),
    ("{a: {shape: [8], dtype: int64, below: 3}, b: [8]}", "{c: {«concat»: {a: {from: a}, b: {from: b}}}}", ("SHAPE104", "int64 and float32")),
    (TWO, "{a: {relu: , from: left}, b: {linear: $(input.«width»), from: right}, c: {add: {x: {from: a}, y: []}}}", ("SPEC032", "write `input.left.width`")),
]


@pytest.mark.parametrize(("inputs", "stages", "mistake"), MISTAKES)
def test_mistakes(inputs, stages, mistake):
    assert_marked(text(inputs, stages), mistake)


def test_a_block_whose_argument_asks_for_the_missing_input():
    blocks = "blocks: {b: {params: {c: int, from_: layer}, body: [$from_, linear: $c]}}\n"
    assert_marked(text(TWO, "{a: {«b»: {c: $in.channels, from_: {flatten: , from: left}}}, b: {add: {x: [], y: [{flatten: , from: right}, linear: 1]}}}", blocks), ("SPEC044", "left, right"))


def test_layers_inside_may_have_an_input_where_the_whole_has_none():
    blocks = "blocks: {b: {params: {l: layer, m: layer}, body: {concat: {l: $l, m: $m}}}}\n"
    stages = "{a: {b: {l: {conv2d: {out_channels: $in.channels, kernel_size: 1}, from: left}, m: {relu: , when: $(in.channels == 1), from: right}}}}"
    assert archspec.load(text(TWO, stages, blocks)).report.output_shape == (2, 8, 8)


def test_the_missing_choice_is_told_once():
    (found,) = assert_marked(text(TWO, "{a: {add: {x: [«flatten»], y: [flatten]}}}"), ("SPEC044", "left, right"))
    assert [label.text for label in found.related] == ["here too"]


def test_a_block_that_takes_no_input_is_told_at_the_call():
    blocks = "blocks: {half: [flatten, linear: 4]}\n"
    (found,) = assert_marked(text(TWO, "{a: {«half»: {}}, b: {add: {x: [], y: {half: {}, from: right}}}}", blocks), ("SPEC044", "left, right"))
    assert [label.text for label in found.related] == ["its input is used here"]


def test_a_block_does_not_see_the_inputs():
    blocks = "blocks: {half: [{flatten: , from: «right»}]}\n"
    (found,) = assert_marked(text(TWO, "{a: {half: {}, from: left}, b: {add: {x: [], y: {flatten: , from: right}}}}", blocks), ("SPEC040", "`right`; visible: input"))
    assert found.hint.startswith("a block cannot see the layers of its caller")


def test_channels_last_is_noticed_in_each_input():
    (found,) = assert_marked(text("{left: [28, 28, 1], right: [1, 28, 28]}", "{a: {conv2d: {out_channels: 4, kernel_size: «3»}, from: left}, b: {conv2d: {out_channels: 4, kernel_size: 3}, from: right}, c: {add: {x: [], y: {from: a}}}}"), ("SHAPE101", ""))
    assert found.hint == "channels come first: write `left: [1, 28, 28]`"


def test_the_way_to_an_error_starts_at_the_input_that_is_used():
    (found,) = assert_marked(text(TWO, "{a: [{flatten: , from: right}, linear: 4], b: {«conv2d»: {out_channels: 4, kernel_size: 3}}, c: {concat: {a: [], b: [{flatten: , from: left}]}}}"), ("SHAPE102", "needs an image"))
    assert found.notes == ("right (1, 8, 8) → a (4)",)


@pytest.mark.parametrize("stages", ["{a: {b: {c: {from: left}}, from: «zzz»}}", "{a: [{b: {c: {from: left}}, from: «zzz»}, relu]}"])
def test_a_mistake_in_an_input_that_a_block_does_not_use(stages):
    assert_marked(text("{left: [1, 8, 8]}", stages, "blocks: {b: {params: {c: layer}, body: [$c]}}\n"), ("SPEC040", "`zzz`"))


def test_an_input_has_no_weights_to_share():
    (found,) = assert_marked(text(TWO, "{a: {flatten: , from: left}, b: {share: «right»}}"), ("SPEC040", "`right`"))
    assert found.hint == "`right` is an input, which has no weights: write `from: right` to use it"
