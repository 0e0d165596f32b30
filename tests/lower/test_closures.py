"""Layers that params and vars hold: they mean what they meant where they were written; `in` is the place of use."""

from __future__ import annotations

import pytest
import torch

import archspec
from tests.helpers import assert_marked, labels, layers, shapes, spec

USE = "blocks:\n  use: {params: {act: layer}, body: [conv2d: {out_channels: 4, kernel_size: 3}, $act]}\n"


def used(argument: str, head: str = "") -> str:
    return f"archspec: 1\ninput: [3, 8, 8]\n{head}stages: {{a: {{use: {{act: {argument}}}}}}}\n{USE}"


@pytest.mark.parametrize(("argument", "expected"), [
    pytest.param("relu", ["a.act_1 relu"], id="an-op's-name"),
    pytest.param("{leaky_relu: 0.1}", ["a.act_1 leaky_relu"], id="a-layer"),
    pytest.param("[relu, tanh]", ["a.act_1.relu_1 relu", "a.act_1.tanh_1 tanh"], id="a-body"),
    pytest.param("[]", [], id="nothing"),
    pytest.param("{relu: , repeat: 2}", ["a.act_1.0 relu", "a.act_1.1 relu"], id="a-repeat"),
    pytest.param("{relu: , when: false}", [], id="a-layer-that-is-absent"),
    pytest.param("{add: {x: [], y: relu}}", ["a.act_1.y relu", "a.act_1.add add"], id="a-merge"),
    pytest.param("norm", ["a.act_1.batch_norm2d_1 batch_norm2d"], id="a-block's-name"),
])
def test_a_layer_param(argument, expected):
    text = used(argument) + "  norm: [batch_norm2d]\n" * (argument == "norm")
    assert layers(text) == ["a.conv2d_1 conv2d", *expected]


@pytest.mark.parametrize(("argument", "value", "expected"), [
    ("$v", "gelu", "gelu"), ("$v.1", "[relu, silu]", "silu"), ("$v.1", "[relu, {elu: 0.5}]", "elu"),
    ("$v.big", "{big: tanh, small: relu}", "tanh"), ("$(v if 1 < 2 else 'relu')", "gelu", "gelu"),
    ("$v", "$('gelu' if 1 < 2 else 'relu')", "gelu"),
])
def test_a_layer_param_from_a_var(argument, value, expected):
    assert layers(used(argument, f"vars: {{v: {value}}}\n")) == ["a.conv2d_1 conv2d", f"a.act_1 {expected}"]


def test_the_choice_changes_no_key():
    keys = [list(archspec.build(used(act)).state_dict()) for act in ("relu", "{leaky_relu: 0.1}", "[]")]
    assert keys[0] == keys[1] == keys[2] == ["a.conv2d_1.weight", "a.conv2d_1.bias"]


def test_in_is_the_place_of_use():
    assert shapes(used("{conv2d: {out_channels: $(2 * in.channels), kernel_size: 1}}")) == {"a": (8, 6, 6)}


def test_in_of_a_layer_in_vars_is_the_place_of_use():
    head = "vars: {grow: {conv2d: {out_channels: $(2 * in.channels), kernel_size: 1}}}\n"
    assert shapes(used("$grow", head)) == {"a": (8, 6, 6)}


def test_input_is_that_of_the_writer():
    """The caller's input has 3 channels, the block's own 4."""
    text = spec(
        "stages: {a: {outer: 4}}",
        """blocks:
  outer:
    params: {c: int}
    body:
      - conv2d: {out_channels: $c, kernel_size: 1}
      - inner: {l: {conv2d: {out_channels: $input.channels, kernel_size: 1}}}
  inner: {params: {l: layer}, body: [conv2d: {out_channels: 7, kernel_size: 1}, $l]}
""")
    assert [x.output_shape[0] for x in archspec.analyze(text).layers()] == [4, 7, 3]


def test_names_are_those_of_the_writer():
    """Both have a `c`; the block in the argument is the caller's own."""
    text = spec(
        "stages: {a: {outer: 5}}",
        """blocks:
  conv: {params: {c: int}, body: [conv2d: {out_channels: $c, kernel_size: 1}]}
  outer: {params: {c: int}, body: [inner: {c: 9, l: {conv: $c}}]}
  inner: {params: {c: int, l: layer}, body: [conv2d: {out_channels: $c, kernel_size: 1}, $l]}
""")
    assert [x.output_shape[0] for x in archspec.analyze(text).layers()] == [9, 5]


def test_passed_on_twice():
    text = spec("stages: {a: {b1: {l: {leaky_relu: 0.3}}}}", """blocks:
  b1: {params: {l: layer}, body: [relu, b2: $l]}
  b2: {params: {l: layer}, body: [sigmoid, b3: {m: $l}]}
  b3: {params: {m: layer}, body: [$m, $m]}
""")
    assert layers(text) == [
        "a.relu_1 relu", "a.b2_1.sigmoid_1 sigmoid", "a.b2_1.b3_1.m_1 leaky_relu", "a.b2_1.b3_1.m_2 leaky_relu",
    ]


def test_a_default_that_is_a_layer():
    head = "blocks:\n  b: {params: {slope: float, act: {leaky_relu: $slope}}, body: [$act]}\n"
    graph = archspec.load(spec("stages: {a: {b: 0.25}, z: {b: [1.0, relu]}}", head)).graph
    assert [node.op.op for _, node, _ in graph.walk()] == ["leaky_relu", "relu"]
    assert next(graph.walk())[1].op.negative_slope == 0.25


def test_a_param_that_names_what_is_called():
    text = spec("stages: {a: {wrap: {block: conv, c: 5}}, z: {wrap: {block: linear, c: 2}}}", """blocks:
  conv: {params: {c: int}, body: [conv2d: {out_channels: $c, kernel_size: 1}]}
  wrap: {params: {block: layer, c: int}, body: [{$block: $c, repeat: 2}]}
""")
    assert shapes(text) == {"a": (5, 8, 8), "z": (5, 8, 2)}
    assert [x.path for x in archspec.analyze(text).layers()] == [
        "a.block_1.0.conv2d_1", "a.block_1.1.conv2d_1", "z.block_1.0", "z.block_1.1",
    ]


@pytest.mark.parametrize("kind", ["add", "concat", "sequential"])
def test_a_param_may_name_a_merge_or_a_group(kind):
    args = "[relu, tanh]" if kind == "sequential" else "{x: relu, y: tanh}"
    text = spec(f"stages: {{a: {{b: {kind}}}}}", f"blocks:\n  b: {{params: {{how: layer}}, body: [$how: {args}]}}\n")
    assert {"relu", "tanh"} <= {x.op for x in archspec.analyze(text).layers()}


def test_a_skip_is_passed_as_a_layer():
    text = spec(
        "stages: {enc: {conv2d: {out_channels: 4, kernel_size: 3, padding: 1}}, mid: [max_pool2d: 2], "
        "dec: {up: {skip: {from: enc}}}}",
        "blocks:\n  up: {params: {skip: layer}, body: [upsample: {scale_factor: 2}, concat: {s: $skip, u: []}]}\n")
    assert shapes(text)["dec"] == (8, 8, 8)
    assert archspec.build(text)(torch.zeros(2, 3, 8, 8)).shape == (2, 8, 8, 8)


def test_from_inside_a_layer_param_sees_what_its_writer_sees():
    head = "blocks:\n  b: {params: {l: layer}, body: [{tanh: , name: own}, add: {x: [], y: $l}]}\n"
    ok = "stages: {a: [{relu: , name: mine}, b: {l: {from: mine}}]}"
    assert shapes(spec(ok, head)) == {"a": (3, 8, 8)}
    (found,) = assert_marked(spec("stages: {a: [{relu: , name: mine}, b: {l: {from: «own»}}]}", head),
                             ("SPEC040", "no earlier layer or stage `own`; visible: mine, input"))
    assert found.notes == ()


def test_from_input_inside_a_layer_param():
    head = "blocks:\n  b: {params: {l: layer}, body: [conv2d: {out_channels: 5, kernel_size: 1}, concat: {x: [], y: $l}]}\n"
    assert shapes(spec("stages: {s: {conv2d: {out_channels: 7, kernel_size: 1}}, a: {b: {l: {from: input}}}}", head)) == {
        "s": (7, 8, 8), "a": (8, 8, 8),  # 5 and the network's 3
    }


def test_the_same_call_with_another_skip_is_not_taken_for_the_same():
    conv = "conv2d: {out_channels: 4, kernel_size: 1}"
    text = spec(
        f"stages: {{s1: {{{conv}}}, s2: {{{conv}}}, a: {{b: {{l: {{from: s1}}}}}}, z: {{b: {{l: {{from: s2}}}}}}}}",
        f"blocks:\n  b: {{params: {{l: layer}}, body: [concat: {{x: {{from: input}}, y: $l}}, {conv}]}}\n",
    )
    model = archspec.build(text).eval()
    x = torch.randn(1, 3, 8, 8)
    s1 = model.s1(x)
    s2 = model.s2(s1)
    a = model.a(s2, s1)
    torch.testing.assert_close(model(x), model.z(a, s2))


# -- mistakes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("argument", "part"), [
    ("«3»", "`$act` is 3, not a layer"), ("«true»", "`$act` is true, not a layer"),
    ("«null»", "`$act` is null, not a layer"), ("«0.5»", "`$act` is 0.5, not a layer"),
    ("«$(1 + 2)»", "`$act` is 3, not a layer"),
])
def test_a_value_is_not_a_layer(argument, part):
    (found,) = assert_marked(used(argument), ("SPEC021", part))
    assert found.hint == "write an op or block, such as `relu`, or `[]` for none"


def test_a_value_behind_a_var_is_told_where_it_is_written():
    (found,) = assert_marked(used("$n", "vars: {n: «3»}\n"), ("SPEC021", "`$act` is 3, not a layer"))
    assert labels(found) == [(4, 25, "passed here")]


def test_a_value_held_by_a_var_or_an_untyped_param():
    (found,) = assert_marked(spec("stages: {a: [$n]}", "vars: {n: «3»}\n"), ("SPEC021", "`$n` is 3, not a layer"))
    assert labels(found) == [(4, 14, "used as a layer")]
    head = "blocks: {b: {params: {l: relu}, body: [$l]}}\n"
    assert_marked(spec("stages: {a: {b: «7»}}", head), ("SPEC021", "`$l` is 7, not a layer"))


@pytest.mark.parametrize(("argument", "code", "part"), [
    ("«rellu»", "SPEC020", "no op or block `rellu`"),
    ("{leaky_relu: «x»}", "SPEC012", "`negative_slope` of `leaky_relu` must be a number, got \"x\""),
    ("{leaky_relu: {«slope»: 1}}", "SPEC010", "`leaky_relu` has no field `slope`"),
    ("[relu, «[tanh]»]", "SPEC021", "a list inside a list"),
    ("{relu: , «name»: x}", "SPEC021", "`name` on a bare layer: the layer's key names it"),
    ("{max_pool2d: «7»}", "SHAPE101", "stages.a.act_1: 7×7 window does not fit a 6×6 input"),
    ("$«nope»", "SPEC031", "unknown name `nope`"),
    ("{relu: , when: «3»}", "SPEC042", "`when` must be true or false, got 3"),
])
def test_a_mistake_in_a_layer_param_is_told_where_it_is_written(argument, code, part):
    assert_marked(used(argument), (code, part))


def test_a_name_that_nothing_has_is_told_where_it_is_written():
    head = "vars: {block: «residul»}\n"
    (found,) = assert_marked(spec("stages: {a: {$block: 3}}", head), ("SPEC020", "no op or block `residul`"))
    assert found.hint == "a similar name exists: `residual`"


@pytest.mark.parametrize(("value", "part"), [
    ("[relu, tanh]", "`$b` is [\"relu\", \"tanh\"], not the name of an op or block"),
    ("{relu: }", "`$b` is a mapping, not the name of an op or block"),
])
def test_arguments_for_what_is_no_name(value, part):
    (found,) = assert_marked(spec("stages: {a: {«$b»: 3}}", f"vars: {{b: {value}}}\n"), ("SPEC021", part))
    assert found.hint == "write `$b` without arguments"
    assert [(line, text) for line, _, text in labels(found)] == [(3, "it is written here")]


def test_an_expression_may_only_name_a_layer():
    text = spec("stages: {a: [$l]}", "vars: {m: {relu: }, l: «$(m if 1 < 2 else 'tanh')»}\n")
    (found,) = assert_marked(text, ("SPEC021", "gives a mapping; an expression here must give the name of an op"))
    assert found.hint == "use `when` to choose between layers"


def test_vars_that_go_in_circles_as_layers():
    assert_marked(spec("stages: {a: [$x]}", "vars: {x: «$y», y: $x}\n"), ("SPEC026", "`x` depends on itself"))
