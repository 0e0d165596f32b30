"""`from`, `when` and `repeat`, merges, and what an output that nothing uses is told as."""

from __future__ import annotations

import pytest
import torch

import archspec
from tests.helpers import assert_marked, labels, layers, shapes, spec

CONV = "{conv2d: {out_channels: 4, kernel_size: 3}"


# -- repeat ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layer", "shape"), [
    (CONV + ", repeat: 3}", (4, 2, 2)),
    (CONV + ", repeat: 0}", (3, 8, 8)),
    (CONV + ", repeat: $(in.height // 4)}", (4, 4, 4)),
    ("{conv2d: {out_channels: $(i + 1), kernel_size: 3}, repeat: 3}", (3, 2, 2)),
    ("{sequential: [conv2d: {out_channels: $(2 ** i), kernel_size: 1}], repeat: 4}", (8, 8, 8)),
    ("{sequential: [conv2d: {out_channels: 2, kernel_size: 1, bias: $(i == 1)}], repeat: 2}", (2, 8, 8)),
    ("{concat: {x: [], y: []}, repeat: 3}", (24, 8, 8)),
    ("{concat: {x: {conv2d: {out_channels: $(5 * i + 1), kernel_size: 1}}, y: []}, repeat: 2}", (10, 8, 8)),
    ("{sequential: [{concat: {x: [], y: []}, repeat: $(i + 1)}], repeat: 2}", (24, 8, 8)),
    ("{sequential: [{concat: {x: [], y: []}, when: $(i != 1)}], repeat: 3}", (12, 8, 8)),
])
def test_repeat(layer, shape):
    assert shapes(spec(f"stages: {{a: {layer}}}")) == {"a": shape}


def test_the_index_counts_inside_the_inner_repeat():
    inner = "{conv2d: {out_channels: $(10 * k + i), kernel_size: 1}, repeat: 2}"
    text = spec("stages: {a: {b: $(i + 1), repeat: 2}}", f"blocks:\n  b: {{params: {{k: int}}, body: [{inner}]}}\n")
    report = archspec.analyze(text)
    assert [layer.output_shape[0] for layer in report.layers()] == [10, 11, 20, 21]
    assert [layer.path for layer in report.layers()] == [
        "a.0.conv2d_1.0", "a.0.conv2d_1.1", "a.1.conv2d_1.0", "a.1.conv2d_1.1",
    ]


def test_the_index_is_seen_by_a_layer_that_is_passed():
    head = "blocks:\n  b: {params: {l: layer}, body: [$l, relu]}\n"
    text = spec("stages: {a: {b: {l: {conv2d: {out_channels: $(i + 1), kernel_size: 1}}}, repeat: 2}}", head)
    assert [x.output_shape[0] for x in archspec.analyze(text).layers() if x.op == "conv2d"] == [1, 2]


@pytest.mark.parametrize("layer", [
    "{b: , repeat: 2}", "{sequential: [b], repeat: 2}",
])
def test_the_index_is_not_seen_inside_a_called_block(layer):
    head = "blocks:\n  b: {conv2d: {out_channels: $«i», kernel_size: 1}}\n"
    assert_marked(spec(f"stages: {{a: {layer}}}", head), ("SPEC031", "unknown name `i`"))


@pytest.mark.parametrize(("count", "part"), [
    ("«-1»", "got -1"), ("«1.5»", "got 1.5"), ("«2.0»", "got 2.0"), ("«true»", "got true"), ("«two»", "got \"two\""),
    ("«[2]»", "got [2]"), ("«$(3 / 2)»", "got 1.5"),
])
def test_wrong_count(count, part):
    (found,) = assert_marked(spec(f"stages: {{a: {{relu: , repeat: {count}}}}}"),
                             ("SPEC042", f"`repeat` must be a non-negative integer, {part}"))
    assert found.hint == {
        "«2.0»": "write 2", "«1.5»": "write 1 or 2", "«two»": "write `2`", "«$(3 / 2)»": "use `//`, which gives an integer",
    }.get(count, "write a whole number, 0 or more")


def test_the_count_does_not_see_its_own_index():
    assert_marked(spec("stages: {a: {relu: , repeat: $«i»}}"), ("SPEC031", "unknown name `i`"))


def test_an_unknown_count_leaves_the_shape_unknown():
    text = spec("stages: {a: {conv2d: {out_channels: 4, kernel_size: 3}, repeat: $«nope»}, b: {max_pool2d: 9}}")
    assert_marked(text, ("SPEC031", "unknown name `nope`"))


def test_equal_copies_are_analysed_once():
    graph = archspec.load(spec("stages: {a: {residual: 3, repeat: 5}}")).graph
    copies = graph.nodes[0].target.nodes
    assert [n.name for n in copies] == ["0", "1", "2", "3", "4"]
    assert len({id(n.target) for n in copies}) == 1


def test_copies_on_other_inputs_are_not():
    graph = archspec.load(spec("stages: {a: {residual: 5, repeat: 3}}")).graph
    first, second, third = graph.nodes[0].target.nodes
    assert first.target is not second.target and second.target is third.target


def test_equal_calls_of_a_block_are_analysed_once():
    graph = archspec.load(spec("stages: {a: [residual: 3, relu, residual: 3, residual: {channels: 3}]}")).graph
    targets = [n.target for n in graph.nodes[0].target.nodes if n.name.startswith("residual")]
    assert len(targets) == 3 and len({id(t) for t in targets}) == 1


def test_a_repeat_whose_copies_do_not_use_each_other():
    """Each takes the input of the network: all but the last are for nothing."""
    for count in (2, 3):
        text = spec(f"stages: {{a: {{«sequential»: [{{relu: , from: input}}], repeat: {count}}}}}")
        assert_marked(text, ("SPEC041", "nothing uses the output of `0`"))


def test_from_beside_repeat_is_where_the_first_copy_starts():
    text = spec("stages: {a: [{conv2d: {out_channels: 5, kernel_size: 1}, name: x}, "
                "concat: {x: [], y: {conv2d: {out_channels: $in.channels, kernel_size: 3, padding: 1}, from: x, repeat: 2}}]}")
    assert shapes(text) == {"a": (10, 8, 8)}
    model = archspec.build(text)
    assert model.a.concat_1.y[1].weight.shape == (5, 5, 3, 3)


# -- when ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stages", "expected"), [
    ("{a: [{relu: , when: false}, tanh]}", ["a.tanh_1 tanh"]),
    ("{a: {relu: , when: false}}", ["a identity"]),
    ("{a: [{relu: , when: false}]}", ["a identity"]),
    ("{a: [{sequential: [relu, tanh], when: $(in.channels == 4)}]}", ["a identity"]),
    ("{a: [{relu: , repeat: 3, when: $(in.channels == 4)}]}", ["a identity"]),
    ("{a: {add: {x: [relu], y: {tanh: , when: false}}}}", ["a.x.relu_1 relu", "a.add add"]),
    ("{a: {add: {x: relu, y: {add: {u: [], v: []}, when: $(1 > 2)}}}}", ["a.x relu", "a.add add"]),
])
def test_when_false_is_absent(stages, expected):
    assert layers(spec(f"stages: {stages}")) == expected


@pytest.mark.parametrize(("condition", "part"), [
    ("«1»", "got 1"), ("«yes»", "got \"yes\""), ("«$in.channels»", "got 3"), ("«[]»", "got []"),
])
def test_a_condition_is_true_or_false(condition, part):
    (found,) = assert_marked(spec(f"stages: {{a: {{relu: , when: {condition}}}}}"),
                             ("SPEC042", f"`when` must be true or false, {part}"))
    assert found.hint == "compare: `$(stride != 1)`"


def test_a_condition_does_not_see_the_index_of_its_own_repeat():
    assert_marked(spec("stages: {a: {relu: , when: $(«i» == 1), repeat: 2}}"), ("SPEC031", "unknown name `i`"))


def test_what_is_absent_is_still_checked_for_names():
    assert_marked(spec("stages: {a: {«rellu»: , when: false}, b: {linear: {out_features: 2, «bais»: true}, when: false}}"),
                  ("SPEC020", "rellu"), ("SPEC010", "bais"))


def test_when_sees_what_flows_in_by_from():
    text = spec("stages: {a: [{conv2d: {out_channels: 5, kernel_size: 1}, name: x}, concat: {u: [], "
                "v: {conv2d: {out_channels: 1, kernel_size: 1}, from: input, when: $(in.channels == 3)}}]}")
    assert shapes(text) == {"a": (6, 8, 8)}


# -- from ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stages", "shape"), [
    pytest.param("{a: {conv2d: {out_channels: 5, kernel_size: 1}}, b: relu, c: {concat: {x: [], y: {from: a}}}}",
                 (10, 8, 8), id="an-earlier-stage"),
    pytest.param("{c: [{conv2d: {out_channels: 5, kernel_size: 1}, name: n}, relu, concat: {x: [], y: {from: n}}]}",
                 (10, 8, 8), id="a-named-layer"),
    pytest.param("{c: [{relu: , name: n}, sequential: [conv2d: {out_channels: 5, kernel_size: 1}, "
                 "concat: {x: [], y: {from: n}}]]}", (8, 8, 8), id="of-an-enclosing-body"),
    pytest.param("{c: [{relu: , name: n}, {conv2d: {out_channels: 5, kernel_size: 1}, name: n2}, sequential: "
                 "[{relu: , from: n, name: n3}, concat: {x: {from: n2}, y: {from: n3}}]]}", (8, 8, 8), id="several"),
    pytest.param("{a: relu, c: {add: {x: [conv2d: {out_channels: 3, kernel_size: 1}], y: {from: a}}}}", (3, 8, 8),
                 id="in-a-branch"),
    pytest.param("{c: [{relu: , name: n, when: false}, conv2d: {out_channels: 5, kernel_size: 1}, "
                 "concat: {x: [], y: {from: n}}]}", (8, 8, 8), id="an-absent-layer-is-what-entered-it"),
    pytest.param("{a: [], c: [conv2d: {out_channels: 5, kernel_size: 1}, concat: {x: [], y: {from: a}}]}", (8, 8, 8),
                 id="an-empty-stage"),
])
def test_from(stages, shape):
    text = spec(f"stages: {stages}")
    assert shapes(text)["c"] == shape
    assert archspec.build(text)(torch.zeros(2, 3, 8, 8)).shape == (2, *shape)


@pytest.mark.parametrize("stages", [
    "{a: {add: {x: [], y: {from: «b»}}}, b: relu}",  # a later stage
    "{a: {add: {x: [], y: {from: «a»}}}}",  # itself
    "{a: [add: {x: [], y: {from: «n»}}, {relu: , name: n}]}",  # a later layer
    "{a: [sequential: [{relu: , name: n}], add: {x: [], y: {from: «n»}}]}",  # inside a sequential
    "{a: [{relu: , name: n}], b: {add: {x: [], y: {from: «n»}}}}",  # inside a stage
    "{a: {add: {x: [{relu: , name: n}], y: {from: «n»}}}}",  # inside another branch
    "{a: [relu, add: {x: [], y: {from: «relu_1»}}]}",  # without an explicit name
    "{a: [b, add: {x: [], y: {from: «n»}}]}",  # inside a block
])
def test_from_never_looks_into_a_stage_block_or_branch(stages):
    head = "blocks: {b: [{relu: , name: n}]}\n" if "[b," in stages else ""
    (found,) = assert_marked(spec(f"stages: {stages}", head), ("SPEC040", "no earlier layer or stage `"))
    assert "; visible: " in found.message and "input" in found.message


def test_a_block_does_not_see_stages():
    head = "blocks: {b: {add: {x: [], y: {from: «a»}}}}\n"
    (found,) = assert_marked(spec("stages: {a: relu, c: b}", head), ("SPEC040", "`a`; visible: input"))
    assert labels(found) == [(4, 22, "block `b` is called here")]


def test_the_nearest_visible_name_is_told():
    (found,) = assert_marked(spec("stages: {enc1: relu, b: {add: {x: [], y: {from: «enc»}}}}"),
                             ("SPEC040", "no earlier layer or stage `enc`; visible: enc1, input"))
    assert found.hint == "a similar name exists: `enc1`"


# -- outputs that nothing uses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("stages", "name"), [
    ("{a: relu, «b»: tanh, c: {relu: , from: a}}", "b"),
    ("{a: [«relu», {tanh: , from: input}]}", "relu_1"),
    ("{a: [{«relu»: , name: n}, {tanh: , from: input}]}", "n"),
    ("{a: [«relu», {from: input}]}", "relu_1"),
    ("{a: {add: {x: [«relu», {tanh: , from: input}], y: []}}}", "relu_1"),
    ("{a: {sequential: [«relu», {tanh: , from: input}]}}", "relu_1"),
])
def test_an_output_that_nothing_uses(stages, name):
    (found,) = assert_marked(spec(f"stages: {stages}"), ("SPEC041", f"nothing uses the output of `{name}`"))
    assert found.hint.startswith("remove it, or use it in a later ") and "with `from`" in found.hint


def test_an_unused_output_beside_an_independent_mistake():
    assert_marked(spec("stages: {a: relu, «b»: tanh, c: {max_pool2d: «9», from: a}}"),
                  ("SPEC041", "`b`"), ("SHAPE101", "9×9 window"))


def test_an_unused_output_is_not_told_where_its_user_may_be_broken():
    assert_marked(spec("stages: {a: relu, bb: tanh, c: {add: {x: {from: a}, y: {from: «bx»}}}}"), ("SPEC040", "`bx`"))


# -- merges ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stages", "shape"), [
    ("{a: {concat: {x: [], y: [conv2d: {out_channels: 5, kernel_size: 1}]}}}", (8, 8, 8)),
    ("{a: {concat: {x: [], y: [], dim: 3}}}", (3, 8, 16)),
    ("{a: {concat: {x: [], y: [], dim: -2}}}", (3, 16, 8)),
    ("{a: {add: {x: [], y: [], z: []}}}", (3, 8, 8)),
    ("{a: {mul: {x: [], gate: [global_avg_pool2d, sigmoid]}}}", (3, 8, 8)),
])
def test_merges(stages, shape):
    text = spec(f"stages: {stages}")
    assert shapes(text) == {"a": shape}
    assert archspec.build(text)(torch.zeros(2, 3, 8, 8)).shape == (2, *shape)


@pytest.mark.parametrize(("merge", "code", "gives"), [
    ("add: {x: [conv2d: {out_channels: 5, kernel_size: 1}], y: []}", "SHAPE103", ["(5, 8, 8)", "(3, 8, 8)"]),
    ("concat: {x: [max_pool2d: 2], y: []}", "SHAPE104", ["(3, 4, 4)", "(3, 8, 8)"]),
    ("mul: {x: [flatten], y: []}", "SHAPE103", ["(192)", "(3, 8, 8)"]),
])
def test_branches_that_disagree(merge, code, gives):
    op, rest = merge.split(":", 1)
    (found,) = assert_marked(spec(f"stages: {{s: relu, a: [«{op}»:{rest}]}}"), (code, f"stages.a.{op}_1: "))
    assert found.notes == ("input (3, 8, 8) → s (3, 8, 8)",)
    marked = [(label.span.text[label.span.column - 1 :][: label.span.length], label.text) for label in found.related]
    assert marked == [("x", f"gives {gives[0]}"), ("y", f"gives {gives[1]}")]


def test_of_many_branches_those_that_disagree_are_labelled():
    text = spec("stages: {a: [add: {x: [], y: relu, z: [flatten], w: tanh}]}")
    (found,) = archspec.check(text)
    assert "inputs `x` and `z` disagree in rank" in found.message
    assert [label.text for label in found.related] == ["gives (3, 8, 8)", "gives (192)"]


def test_a_shape_error_shows_the_field_and_what_made_the_input():
    text = spec("stages: {a: [conv2d: {out_channels: 4, kernel_size: 3}, conv2d: {out_channels: 6, kernel_size: 3, groups: 3}]}")
    (found,) = archspec.check(text)
    marked = [(label.span.text[label.span.column - 1 :][: label.span.length], label.text) for label in found.related]
    assert marked == [("3", "`groups` is 3"), ("conv2d", "gives (4, 6, 6)")]


def test_of_a_spec_without_a_text_the_places_are_paths():
    data = {"archspec": 1, "input": [3, 8, 8], "stages": {"a": {"relu": None}, "b": {"add": {"x": ["flatten"], "y": []}}}}
    (found,) = archspec.check(data)
    assert (found.path, found.related) == (("stages", "b", "add"), ())
    assert found.notes[:2] == ("`stages.b.add.x`: gives (192)", "`stages.b.add.y`: gives (3, 8, 8)")
    assert "note: at `stages.b.add`" in str(found)


def test_the_remedy_of_a_merge_names_the_branch():
    text = "stages: {a: {«add»: {main: [conv2d: {out_channels: 6, kernel_size: 3, stride: 2, padding: 1}], short: []}}}"
    (found,) = assert_marked(spec(text), ("SHAPE103", "stages.a: inputs disagree"))
    assert found.hint == "end `short` with `conv2d: {out_channels: 6, kernel_size: 1, stride: 2}`"
    fixed = text.replace("«add»", "add").replace("short: []", "short: [conv2d: {out_channels: 6, kernel_size: 1, stride: 2}]")
    assert archspec.check(spec(fixed)) == ()
