"""How layers, bodies and names may be written, and every way to write them wrongly."""

from __future__ import annotations

import pytest

import archspec
from archspec.language.names import MODULE_ATTRIBUTES
from archspec.ops import OPS
from tests.helpers import assert_marked, labels, layers, shapes, spec

CONV = "conv2d: {out_channels: 4, kernel_size: 3}"


# -- forms that are right ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stages", "expected"), [
    pytest.param("{a: relu}", ["a relu"], id="bare-name"),
    pytest.param("{a: [relu]}", ["a.relu_1 relu"], id="list"),
    pytest.param("{a: {leaky_relu: 0.1}}", ["a leaky_relu"], id="bare-argument"),
    pytest.param("{a: {relu: }}", ["a relu"], id="empty-argument"),
    pytest.param("{a: {relu: {}}}", ["a relu"], id="no-fields"),
    pytest.param(f"{{a: [{CONV}, relu]}}", ["a.conv2d_1 conv2d", "a.relu_1 relu"], id="fields-in-a-list"),
    pytest.param("{a: [max_pool2d: 2]}", ["a.max_pool2d_1 max_pool2d"], id="main-argument"),
    pytest.param("{a: []}", ["a identity"], id="identity-stage"),
    pytest.param("{a: [[]]}".replace("[[]]", "[sequential: []]"), ["a identity"], id="nothing-in-a-list"),
    pytest.param("{a: [{relu: , name: act}]}", ["a.act relu"], id="name"),
    pytest.param("{a: {relu: , repeat: 2}}", ["a.0 relu", "a.1 relu"], id="bare-repeat"),
    pytest.param("{a: [{relu: , repeat: 2}]}", ["a.relu_1.0 relu", "a.relu_1.1 relu"], id="repeat"),
    pytest.param("{a: [sequential: [relu, tanh]]}", ["a.sequential_1.relu_1 relu", "a.sequential_1.tanh_1 tanh"],
                 id="sequential"),
    pytest.param("{a: {sequential: [relu]}}", ["a.relu_1 relu"], id="bare-sequential"),
    pytest.param("{a: [relu, tanh, relu, {relu: , name: mine}, relu]}",
                 ["a.relu_1 relu", "a.tanh_1 tanh", "a.relu_2 relu", "a.mine relu", "a.relu_3 relu"],
                 id="named-are-not-counted"),
    pytest.param("{a: [{relu: , when: false}, relu]}", ["a.relu_2 relu"], id="conditions-rename-nothing"),
    pytest.param("{a: {add: {x: relu, y: []}}}", ["a.x relu", "a.add add"], id="merge"),
    pytest.param("{a: [add: {x: [relu], y: {from: input}}]}", ["a.add_1.x.relu_1 relu", "a.add_1.add add"],
                 id="merge-in-a-list"),
    pytest.param("{a: [add: {x: [], y: []}]}", ["a.add_1 add"], id="merge-of-nothing-is-its-op"),
    pytest.param("{a: {concat: {x: [], y: [], dim: 2}}}", ["a concat"], id="merge-with-a-field"),
    pytest.param("{a: {mul: {mul: relu, mul_: relu}}}", ["a.mul relu", "a.mul_ relu", "a.mul__ mul"],
                 id="branch-named-as-the-op"),
])
def test_form(stages, expected):
    assert layers(spec(f"stages: {stages}")) == expected


def test_keys_of_a_state_dict_as_the_reference_says():
    bare, listed = "stages: {fc: {linear: 10}}", "stages: {fc: [linear: 10]}"
    head = "archspec: 1\ninput: [4]\n"
    assert list(archspec.build(head + bare).state_dict()) == ["fc.weight", "fc.bias"]
    assert list(archspec.build(head + listed).state_dict()) == ["fc.linear_1.weight", "fc.linear_1.bias"]


def test_the_deep_key_of_the_reference():
    text = """
archspec: 1
input: [3, 8, 8]
blocks:
  conv_bn: {params: {c: int}, body: [conv2d: {out_channels: $c, kernel_size: 1, bias: false}, batch_norm2d]}
  basic: {params: {c: int}, body: [add: {main: [conv_bn: $c], shortcut: [conv_bn: $c]}, relu]}
stages:
  layer1: {basic: 4, repeat: 2}
"""
    keys = archspec.build(text).state_dict()
    assert "layer1.0.add_1.main.conv_bn_1.conv2d_1.weight" in keys
    assert "layer1.1.add_1.shortcut.conv_bn_1.batch_norm2d_1.running_mean" in keys


@pytest.mark.parametrize(("chunk", "expected"), [("0", (2, 8, 8)), ("1", (1, 8, 8))])
def test_one_output_per_node(chunk, expected):
    assert shapes(spec(f"stages: {{a: {{chunk: {{chunks: 2, index: {chunk}}}}}}}")) == {"a": expected}


# -- forms that are wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stages", "code", "part", "hint"), [
    ("{a: [relu, «[relu, relu]»]}", "SPEC021", "a list inside a list", "write `sequential: […]`"),
    ("{a: [«null»]}", "SPEC021", "an empty item is not a layer", "write an op"),
    ("{a: «null»}", "SPEC021", "the stage is empty", "write `[]` for the identity"),
    ("{a: [«3»]}", "SPEC021", "`3` is not a layer", "such as `relu`"),
    ("{a: [«true»]}", "SPEC021", "`true` is not a layer", "such as `relu`"),
    ("{a: [«{}»]}", "SPEC021", "an empty mapping", "`identity`"),
    ("{a: [«relu relu»]}", "SPEC021", "`relu relu` is not a layer", "one op or block per item"),
    ("{a: [«''»]}", "SPEC021", "`` is not a layer", "one op or block per item"),
    ("{a: [{relu: , «tanh»: }]}", "SPEC021", "got 2: `relu`, `tanh`", "`- tanh`"),
    ("{a: [relu, {«repeat»: 2}]}", "SPEC021", "`repeat` needs the layer's braces", "write `{relu: …, repeat: …}`"),
    ("{a: [relu, «repeat»: 2]}", "SPEC021", "`repeat` needs the layer's braces", "write `{relu: …, repeat: …}`"),
    ("{a: [{«repeat»: 2}, relu]}", "SPEC021", "`repeat` needs the layer's braces", "write `{conv2d"),
    ("{a: [{from: input, «when»: true}]}", "SPEC021", "`when` needs a layer", "{identity: , from: input, when: …}"),
    ("{a: {relu: , «name»: x}}", "SPEC021", "`name` on a bare layer: the stage's key names it", "remove `name`"),
    ("{a: {add: {x: {relu: , «name»: x}, y: []}}}", "SPEC021", "the branch's key names it", "remove `name`"),
    ("{a: «sequential»}", "SPEC021", "`sequential` needs a list", "write `sequential: […]`"),
    ("{a: {sequential: «relu»}}", "SPEC021", "`sequential` needs a list", "write `sequential: […]`"),
    ("{a: [{relu: , name: «$x»}]}", "SPEC021", "`name` must be a plain name, got \"$x\"", "the name itself"),
    ("{a: [{relu: , name: «3»}]}", "SPEC021", "`name` must be a plain name, got 3", "the name itself"),
    ("{a: [{from: «$x»}]}", "SPEC021", "`from` must be a plain name", "the name itself"),
    ("{a: [{relu: , from: «[a]»}]}", "SPEC021", "`from` must be a plain name", "the name itself"),
    ("{a: [«$(relu)»]}", "SPEC021", "`$(relu)` cannot stand for a layer", "write `$name`"),
    ("{a: [{relu: , «repeat»: }]}", "SPEC042", "`repeat` has no value", "write a number"),
    ("{a: [{relu: , «when»: }]}", "SPEC042", "`when` has no value", "write a condition"),
    ("{a: «add»}", "SPEC043", "`add` needs named branches", "{from: input}"),
    ("{a: {add: «[[], []]»}}", "SPEC043", "the branches of `add` have no names", "name them"),
    ("{a: {mul: «2»}}", "SPEC043", "`mul` needs named branches", "write `scale: 2`"),
    ("{a: {mul: «-0.25»}}", "SPEC043", "`mul` needs named branches", "write `scale: -0.25`"),
    ("{a: {div: «4»}}", "SPEC043", "`div` needs named branches", "write `scale: 0.25`"),
    ("{a: {div: «0»}}", "SPEC043", "`div` needs named branches", "name them"),
    ("{a: {mul: «.inf»}}", "SPEC043", "`mul` needs named branches", "name them"),
    ("{a: {mul: «true»}}", "SPEC043", "`mul` needs named branches", "name them"),
    ("{a: {add: «1»}}", "SPEC043", "`add` needs named branches", "name them"),
    ("{a: {concat: «3»}}", "SPEC043", "`concat` needs named branches", "name them"),
    ("{a: {«add»: {x: []}}}", "SPEC043", "`add` has 1 branch, it needs two", "add a branch"),
    ("{a: {«add»: {}}}", "SPEC043", "`add` has 0 branches, it needs two", "add a branch"),
    ("{a: {concat: {x: «null», y: []}}}", "SPEC021", "the branch is empty", "write `[]`"),
    ("{a: [conv2d: «3»]}", "SPEC021", "`conv2d` needs its fields by name, got 3", "`conv2d: {out_channels: 3, kernel_size: …}`"),
    ("{a: [relu: «3»]}", "SPEC021", "`relu` takes no arguments, got 3", "write `relu` alone"),
    ("{a: [relu: {«inplace»: true}]}", "SPEC010", "`relu` has no field `inplace`", "it takes none"),
    ("{a: [conv2d: {out_channels: 4, kernel_size: 3, «repeat»: 2}]}", "SPEC021",
     "`repeat` is not a field of `conv2d`", "move it beside `conv2d`"),
    ("{a: {add: {x: [], y: [], «when»: true}}}", "SPEC021", "`when` is not a field of `add`", "move it beside `add`"),
    ("{a: [{relu: , «repaet»: 2}]}", "SPEC010", "unknown key `repaet` beside a layer", "`repeat`"),
    ("{a: [{relu: , «wen»: true}]}", "SPEC010", "unknown key `wen` beside a layer", "`when`"),
    ("{a: [{relu: , «form»: input}]}", "SPEC010", "unknown key `form` beside a layer", "`from`"),
])
def test_wrong_form(stages, code, part, hint):
    (found,) = assert_marked(spec(f"stages: {stages}"), (code, part))
    assert hint in (found.hint or "")


def test_a_block_style_layer_with_its_keys_too_deep():
    text = """\
archspec: 1
input: [3, 8, 8]
stages:
  a:
    conv2d:
      out_channels: 3
      kernel_size: 3
      padding: 1
      «repeat»: 2
expect: {a: [3, 8, 8]}
"""
    assert_marked(text, ("SPEC021", "`repeat` is not a field of `conv2d`"))


# -- what was meant is taken as if it had been written ---------------------------------------------------------


@pytest.mark.parametrize(("wrong", "message"), [
    ("[conv2d: {out_channels: 4, kernel_size: 3}, «repeat»: 2]", ("SPEC021", "`repeat` needs the layer's braces")),
    ("[conv2d: {out_channels: 4, kernel_size: 3, «repeat»: 2}]", ("SPEC021", "`repeat` is not a field")),
    ("[{conv2d: {out_channels: 4, kernel_size: 3}, «repaet»: 2}]", ("SPEC010", "unknown key `repaet` beside a layer")),
])
def test_a_misplaced_key_counts_where_it_belongs(wrong, message):
    """Two 3×3 convolutions leave 4×4: so a 5×5 window after them does not fit, and a 4×4 one does."""
    assert_marked(spec(f"stages: {{a: {wrong}, b: {{max_pool2d: «5»}}}}"), message, ("SHAPE101", "4×4 input"))
    assert_marked(spec(f"stages: {{a: {wrong}, b: {{max_pool2d: 4}}}}"), message)


def test_a_misplaced_value_is_told_at_its_place():
    assert_marked(spec("stages: {a: [conv2d: {out_channels: 4, kernel_size: 3, «repeat»: «-1»}]}"),
                  ("SPEC021", "belongs beside it"), ("SPEC042", "non-negative integer, got -1"))


# -- names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["half", "type", "train", "forward", "add_module", "append", "graph", "code"])
def test_attributes_of_modules_are_no_names(name):
    assert_marked(spec(f"stages: {{«{name}»: relu}}"), ("SPEC022", f"stage `{name}` is an attribute of every nn.Module"))
    assert_marked(spec(f"stages: {{a: [{{relu: , name: «{name}»}}]}}"), ("SPEC022", f"layer `{name}` is an attribute"))
    assert_marked(spec(f"stages: {{a: {{add: {{«{name}»: [], y: []}}}}}}"), ("SPEC022", f"branch `{name}` is an"))


@pytest.mark.parametrize(("name", "part"), [
    ("class", "is a Python keyword"), ("None", "is a Python keyword"), ("3a", "is not an identifier"),
    ("a-b", "is not an identifier"), ("a.b", "is not an identifier"), ("é", "is not an identifier"),
    ("_a", "starts with _"), ("$a", "is not an identifier"), ("", "is not an identifier"),
])
def test_names_are_identifiers(name, part):
    quoted = f'"{name}"'
    assert_marked(spec(f"stages: {{«{quoted}»: relu}}"), ("SPEC022", part))
    if name and not name.startswith("$"):
        assert_marked(spec(f"stages: {{a: [{{relu: , name: «{quoted}»}}]}}"), ("SPEC022", part))


@pytest.mark.parametrize("name", ["input", "output", "params", "macs", "buffers"])
def test_a_stage_cannot_have_a_name_that_expect_gives_a_meaning(name):
    assert_marked(spec(f"stages: {{«{name}»: relu}}"), ("SPEC022", f"stage `{name}`"))


def test_names_of_expect_are_free_inside_stages():
    assert layers(spec("stages: {a: [{relu: , name: output}]}")) == ["a.output relu"]
    assert_marked(spec("stages: {a: [{relu: , name: «input»}]}"), ("SPEC022", "means the input of the block"))


@pytest.mark.parametrize("name", ["half", "3a", "a-b", "class", "_x"])
def test_the_hint_for_a_name_gives_one_that_can_be_used(name):
    (found,) = assert_marked(spec(f"stages: {{«{name}»: relu}}"), ("SPEC022", name))
    better = (found.hint or "").split("`")[1]
    assert archspec.check(spec(f"stages: {{{better}: relu}}")) == ()


@pytest.mark.parametrize("body", [
    "[{relu: , name: x}, {tanh: , name: «x»}]",
    "[relu, {tanh: , name: «relu_1»}]",
    "[{tanh: , name: «relu_1»}, relu]",
])
def test_two_layers_of_one_name(body):
    (found,) = assert_marked(spec(f"stages: {{a: {body}}}"), ("SPEC023", "two layers of this body are named"))
    assert [(line, text) for line, _, text in labels(found)] == [(3, "the other one")]


def test_names_are_free_again_in_another_body():
    text = "stages: {a: [{relu: , name: x}, sequential: [{relu: , name: x}]]}"
    assert layers(spec(text)) == ["a.x relu", "a.sequential_1.x relu"]


def test_reserved_names_are_those_of_torch():
    """Every public attribute of the modules that we build, and no other name."""
    import torch
    from torch import fx, nn

    traced = fx.symbolic_trace(nn.Sequential(nn.ReLU()))
    modules = [nn.Module(), nn.Sequential(), traced, fx.GraphModule(nn.Module(), fx.Graph())]
    found = {name for m in modules for name in (*dir(m), *vars(m)) if not name.startswith("_")} - {"0"}
    assert found <= MODULE_ATTRIBUTES, f"torch {torch.__version__} has more"
    assert not MODULE_ATTRIBUTES & OPS.keys()


# -- names of ops and fields -------------------------------------------------------------------------------------


def test_an_unknown_op_is_told_once_with_all_its_places():
    (found,) = assert_marked(spec("stages: {a: [«rellu», tanh, rellu], b: rellu}"), ("SPEC020", "no op or block `rellu`"))
    assert found.hint == "a similar name exists: `relu`"
    assert labels(found) == [(3, 27, "here too"), (3, 38, "here too")]


def test_an_unknown_op_that_nothing_is_like():
    (found,) = assert_marked(spec("stages: {a: [«zzz»]}"), ("SPEC020", "no op or block `zzz`"))
    assert found.hint == "`archspec list` shows all ops and blocks"


@pytest.mark.parametrize(("fields", "part", "hint"), [
    ("{out_channels: 4, «kernl_size»: 3}", "no field `kernl_size`", "a similar name exists: `kernel_size`"),
    ("{out_channels: 4, kernel_size: 3, «colour»: 3}", "no field `colour`", "its fields: out_channels, kernel_size"),
    ("{«in_channels»: 3, out_channels: 4, kernel_size: 3}", "no field `in_channels`", "remove it: it is inferred from"),
])
def test_unknown_field(fields, part, hint):
    (found,) = assert_marked(spec(f"stages: {{a: [conv2d: {fields}]}}"), ("SPEC010", part))
    assert (found.hint or "").startswith(hint)


def test_a_missing_field_is_told_at_the_mapping():
    assert_marked(spec("stages: {a: [conv2d: «{out_channels: 4}»]}"), ("SPEC011", "`conv2d` needs `kernel_size`"))
    assert_marked(spec("stages: {a: [«conv2d»]}"), ("SPEC011", "`conv2d` needs `out_channels` and `kernel_size`"))
    assert_marked(spec("stages: {a: [«linear»]}"), ("SPEC011", "`linear` needs `out_features`"))


@pytest.mark.parametrize(("stages", "hint"), [
    ("stages:\n  - conv2d: {out_channels: 4, kernel_size: 3}\n  - flatten\n", "give the stage a name: `main:` before the list"),
    ("stages: [flatten, linear: 10]\n", "give the stage a name: `stages: {main: […]}`"),
    ("stages:\n  - stem: [conv2d: {out_channels: 4, kernel_size: 3}]\n  - head:\n      - flatten\n      - linear: 10\n", "write the stages without dashes"),
    ("stages: [{stem: [relu]}, {head: [flatten]}]\n", "write `stages: {name: [layer, …], …}`"),  # no edit that is simple
    ("stages:\n- flatten\n- linear: 10\n", "write `stages: {name: [layer, …], …}`"),
    ("stages: [\n  flatten,\n  linear: 10]\n", "write `stages: {name: [layer, …], …}`"),
])
def test_a_list_for_stages_becomes_a_mapping(stages, hint):
    (found,) = archspec.check(f"archspec: 1\ninput: [1, 8, 8]\n{stages}")
    assert (found.code, found.hint) == ("SPEC012", hint)
