"""Blocks: their params and types, how they are called, what they see, and every mistake in that."""

from __future__ import annotations

import pytest

import archspec
from tests.helpers import assert_marked, labels, layers, shapes, spec

CONV = "conv: {params: {channels: int, kernel: 3}, body: [conv2d: {out_channels: $channels, kernel_size: $kernel}]}"
LINEAR = "archspec: 1\ninput: [4]\n"


def with_blocks(blocks: str, stages: str) -> str:
    return spec(f"stages: {stages}", f"blocks:\n  {blocks}\n")


# -- calls that are right ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("call", "expected"), [
    ("{conv: 5}", (5, 6, 6)),
    ("{conv: [5]}", (5, 6, 6)),
    ("{conv: [5, 1]}", (5, 8, 8)),
    ("{conv: {channels: 5}}", (5, 6, 6)),
    ("{conv: {kernel: 5, channels: 5}}", (5, 4, 4)),
    ("{conv: {channels: 5, kernel: [1, 3]}}", (5, 8, 6)),
    ("{conv: [$(2 * in.channels), 1]}", (6, 8, 8)),
])
def test_call(call, expected):
    assert shapes(with_blocks(CONV, f"{{a: {call}}}")) == {"a": expected}


def test_a_list_as_first_param_is_written_in_a_list():
    block = "widths: {params: {w: list}, body: [conv2d: {out_channels: $w.0, kernel_size: $w.1}]}"
    assert shapes(with_blocks(block, "{a: {widths: [[7, 2]]}}")) == {"a": (7, 7, 7)}


@pytest.mark.parametrize(("block", "expected"), [
    ("{max_pool2d: 2}", ["a max_pool2d"]),
    ("[max_pool2d: 2, relu]", ["a.max_pool2d_1 max_pool2d", "a.relu_1 relu"]),
    ("relu", ["a relu"]),
    ("[]", ["a identity"]),
    ("{relu: , repeat: 2}", ["a.0 relu", "a.1 relu"]),
    ("{body: relu}", ["a relu"]),
    ("{params: , body: relu}", ["a relu"]),
])
def test_without_params_the_body_stands_alone(block, expected):
    assert layers(with_blocks(f"b: {block}", "{a: b}")) == expected


def test_defaults_may_use_earlier_params_and_input():
    block = "b: {params: {c: int, out: $(4 * c), k: $(input.height - out // 4)}, body: [conv2d: " \
        "{out_channels: $out, kernel_size: $k}]}"
    assert shapes(with_blocks(block, "{a: {b: 2}}")) == {"a": (8, 3, 3)}


def test_a_default_is_checked_by_the_op_that_uses_it():
    block = "b: {params: {p: 0}, body: [conv2d: {out_channels: 4, kernel_size: 3, padding: $p}]}"
    for padding, size in (("1", (8, 8)), ("[0, 1]", (6, 8)), ("same", (8, 8))):
        assert shapes(with_blocks(block, f"{{a: {{b: {{p: {padding}}}}}}}")) == {"a": (4, *size)}


@pytest.mark.parametrize(("kind", "good", "bad"), [
    ("int", "3", ["3.0", "true", "three", "[3]", "{a: 3}", "null"]),
    ("float", "0.5", ["true", "half", "[0.5]"]),
    ("float", "1", []),
    ("bool", "true", ["1", "'true'", "[true]"]),
    ("str", "same", ["1", "true", "[a]"]),
    ("list", "[1, [2]]", ["1", "{a: 1}"]),
    ("any", "{a: [1, x]}", []),
    ("[int, int]", "[1, 2]", ["1", "[1]", "[1, 2, 3]", "[1, x]", "[1, 2.0]"]),
    ("[int, any]", "[1, {relu: }]", ["[1]", "3"]),
])
def test_types(kind, good, bad):
    block = f"b: {{params: {{p: {kind}}}, body: {{relu: , when: $(1 == 1 or p == 1)}}}}"
    assert archspec.check(with_blocks(block, f"{{a: {{b: {{p: {good}}}}}}}")) == ()
    for value in bad:
        words = {"int": "an integer", "float": "a number", "bool": "true or false", "str": "text", "list": "a list"}
        assert_marked(with_blocks(block, f"{{a: {{b: {{p: «{value}»}}}}}}"),
                      ("SPEC024", f"`p` of `b` must be {words.get(kind, kind)}"))


def test_a_block_sees_its_own_params_first():
    head = "vars: {c: 5, k: 1}\nblocks:\n  b: {params: {c: int}, body: [conv2d: {out_channels: $c, kernel_size: $k}]}\n"
    assert shapes(spec("stages: {a: {b: 2}, z: {b: $c}}", head)) == {"a": (2, 8, 8), "z": (5, 8, 8)}


def test_input_is_what_entered_the_block_and_in_what_enters_the_layer():
    block = """b:
    - conv2d: {out_channels: 8, kernel_size: 3}
    - conv2d: {out_channels: "$(input.channels + in.channels)", kernel_size: "$(input.height - in.height)"}
"""
    assert shapes(with_blocks(block, "{a: b}")) == {"a": (11, 5, 5)}


def test_own_blocks_come_before_standard_ones():
    assert layers(with_blocks("residual: relu", "{a: residual}")) == ["a relu"]
    assert "a.add_1.add add" in layers(spec("stages: {a: {residual: 3}}"))


@pytest.mark.parametrize(("call", "expected"), [
    ("{vgg_block: [2, 5]}", (5, 4, 4)), ("{nin_block: [5, 3]}", (5, 6, 6)), ("{nin_block: [5, 3, 2, 1]}", (5, 4, 4)),
    ("{inception: [1, [2, 3], [4, 5], 6]}", (15, 8, 8)), ("{residual: 3}", (3, 8, 8)), ("{residual: [6, 2]}", (6, 4, 4)),
    ("{bottleneck: 2}", (8, 8, 8)), ("{bottleneck: [2, 2]}", (8, 4, 4)), ("{bottleneck: [2, 1, 3]}", (3, 8, 8)),
])
def test_the_standard_library(call, expected):
    assert shapes(spec(f"stages: {{a: {call}}}")) == {"a": expected}


# -- calls that are wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("call", "part", "hint"), [
    ("{conv: «[1, 2, 3]»}", "`conv` takes 2 arguments (channels, kernel), got 3", "remove 1"),
    ("{conv: «[]»}", "`conv` needs `channels`", "add `channels`"),
    ("«conv»", "`conv` needs `channels`", "add `channels`"),
    ("{conv: «{kernel: 1}»}", "`conv` needs `channels`", "add `channels`"),
    ("{conv: {channels: 1, «kernl»: 1}}", "`conv` has no param `kernl`", "a similar name exists: `kernel`"),
    ("{conv: {channels: 1, «zzz»: 1}}", "`conv` has no param `zzz`", "its params: channels, kernel"),
    ("{conv: «x»}", "`channels` of `conv` must be an integer, got \"x\"", ""),
    ("{conv: [«2.5», 1]}", "`channels` of `conv` must be an integer, got 2.5", ""),
    ("{conv: [«2.0», 1]}", "`channels` of `conv` must be an integer, got 2.0", "write 2"),
    ("{conv: [«$(5 / 2)», 1]}", "`channels` of `conv` must be an integer, got 2.5", "use `//`"),
    ("{conv: {channels: «[1]»}}", "`channels` of `conv` must be an integer, got [1]", ""),
])
def test_wrong_arguments(call, part, hint):
    (found,) = assert_marked(with_blocks(CONV, f"{{a: {call}}}"), ("SPEC024", part))
    assert hint in (found.hint or "")


def test_the_count_of_a_block_without_params():
    assert_marked(with_blocks("b: relu", "{a: {b: «3»}}"), ("SPEC024", "`b` takes no arguments, got 1"))


def test_a_list_for_a_block_of_one_param():
    (found,) = assert_marked(with_blocks("b: {params: {w: list}, body: {linear: $w.0}}", "{a: {b: «[1, 2]»}}"),
                             ("SPEC024", "`b` takes 1 argument (w), got 2"))
    assert found.hint == "to pass a list, write `{w: […]}`"


def test_a_call_says_how_the_block_is_called():
    (found,) = assert_marked(with_blocks(CONV, "{a: [«conv»]}"), ("SPEC024", "needs"))
    assert found.notes == ("it is `conv(channels, kernel=3)`",)


def test_a_misplaced_key_among_a_blocks_arguments():
    (found,) = assert_marked(with_blocks(CONV, "{a: {conv: {channels: 1, «repeat»: 2}}}"),
                             ("SPEC021", "`repeat` is not a field of `conv`: it belongs beside it"))
    assert found.hint == "move it beside `conv`: `{conv: …, repeat: …}`"


def test_a_param_may_be_called_as_a_key_that_stands_beside_layers():
    block = "b: {params: {repeat: int}, body: {relu: , repeat: $repeat}}"
    assert layers(with_blocks(block, "{a: {b: {repeat: 2}}}")) == ["a.0 relu", "a.1 relu"]


def test_a_wrong_value_is_told_where_the_caller_wrote_it():
    """Through two blocks and a var, with a note where it is used."""
    text = """\
archspec: 1
input: [3, 8, 8]
vars: {kernel: «0»}
blocks:
  inner: {params: {k: any}, body: [conv2d: {out_channels: 4, kernel_size: $k}]}
  outer: {params: {size: any}, body: [inner: $size]}
stages:
  a: {outer: $kernel}
"""
    (found,) = assert_marked(text, ("SPEC012", "`kernel_size` of `conv2d` must be a positive integer"))
    assert labels(found) == [(5, 75, "used as `kernel_size` of `conv2d`")]


def test_a_computed_value_is_told_where_it_is_computed():
    text = with_blocks("b: {params: {c: int}, body: [conv2d: {out_channels: «$(c // 9)», kernel_size: 1}]}", "{a: {b: 3}}")
    (found,) = assert_marked(text, ("SPEC012", "`out_channels` of `conv2d` must be at least 1, got 0"))
    assert labels(found) == [(5, 14, "block `b` is called here")]


# -- definitions that are wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(("blocks", "code", "part"), [
    ("«relu»: tanh", "SPEC027", "block `relu` shadows the op"),
    ("«sequential»: tanh", "SPEC027", "block `sequential` shadows the op"),
    ("«3d»: tanh", "SPEC022", "block `3d` is not an identifier"),
    ("«class»: tanh", "SPEC022", "block `class` is a Python keyword"),
    ("b: «{params: {}}»", "SPEC011", "block `b` has no `body`"),
    ("b: {body: relu, «colour»: 3}", "SPEC010", "unknown key `colour` in block `b`"),
    ("b: {«bdy»: relu, params: {}}", "SPEC010", "unknown key `bdy` in block `b`"),
    ("b: {«parms»: {c: int}, body: [linear: $c]}", "SPEC010", "unknown key `parms` in block `b`"),
    ("b: {params: «[c]», body: relu}", "SPEC012", "`params` must be a mapping, name to type or default, got [\"c\"]"),
    ("b: {params: {«c»: int}, body: relu}", "SPEC025", "nothing uses the param `c` of `b`"),
    ("b: {params: {c: int, «d»: $c}, body: relu}", "SPEC025", "nothing uses the param `d` of `b`"),
    ("b: {params: {«in»: int}, body: {linear: $in}}", "SPEC022", "param `in` is a Python keyword"),
    ("b: {params: {«i»: int}, body: {linear: $i}}", "SPEC022", "param `i` has a special meaning in expressions"),
    ("b: {params: {«a-b»: int}, body: relu}", "SPEC022", "param `a-b` is not an identifier"),
    ("b: {params: {c: $(1 + «e»)}, body: [linear: $c]}", "SPEC031", "unknown name `e`"),
    ("b: {params: {c: $«d», d: 1}, body: [linear: $(c + d)]}", "SPEC031", "unknown name `d`"),
    ("b: «null»", "SPEC021", "the block is empty"),
    ("b: [«3»]", "SPEC021", "`3` is not a layer"),
    ("b: [linear: $«nope»]", "SPEC031", "unknown name `nope`"),
    ("b: [linear: {«bais»: true, out_features: 3}]", "SPEC010", "`linear` has no field `bais`"),
    ("b: [«rellu»]", "SPEC020", "no op or block `rellu`"),
])
def test_wrong_definition_of_a_block_that_nothing_calls(blocks, code, part):
    assert_marked(with_blocks(blocks, "{a: relu}"), (code, part))


def test_a_misspelt_key_counts_as_what_was_meant():
    """Neither is the block without a body, nor do its params become unknown."""
    body = "[conv2d: {out_channels: $c, kernel_size: 1}]"
    assert_marked(with_blocks(f"b: {{«parms»: {{c: int}}, body: {body}}}", "{a: {b: 4}}"), ("SPEC010", "key `parms`"))
    assert_marked(with_blocks(f"b: {{params: {{c: int}}, «bodi»: {body}}}", "{a: {b: 4}}"), ("SPEC010", "key `bodi`"))


@pytest.mark.parametrize(("blocks", "cycle"), [
    ("b: [relu, «b»]", "b → b"),
    ("b: c\n  c: [add: {x: [], y: [«b»]}]", "b → c → b"),
    ("b: {sequential: [{«b»: , when: false}]}", "b → b"),
])
def test_recursion_is_named_whether_or_not_anything_calls_it(blocks, cycle):
    for stages in ("{a: relu}", "{a: b}", "{a: b, z: b}"):
        (found,) = assert_marked(with_blocks(blocks, stages), ("SPEC026", f"block `b` calls itself: {cycle}"))
        assert found.hint == "a block cannot contain itself; use `repeat`"


def test_recursion_through_a_param():
    text = with_blocks("b: {params: {l: layer}, body: [$l]}\n  c: [b: «c»]", "{a: c}")
    assert_marked(text, ("SPEC026", "block `c` calls itself: c → c"))
    text = with_blocks("b: {params: {l: layer}, body: [{«$l»: $l}]}", "{a: {b: b}}")
    assert_marked(text, ("SPEC026", "block `b` calls itself"))


def test_a_block_within_an_argument_of_itself_is_no_recursion():
    text = with_blocks("b: {params: {l: layer}, body: [$l, relu]}", "{a: {b: {l: {b: {l: tanh}}}}}")
    assert layers(text) == ["a.l_1.l_1 tanh", "a.l_1.relu_1 relu", "a.relu_1 relu"]


# -- vars ----------------------------------------------------------------------------------------------------


def test_vars_may_use_each_other_in_any_order():
    assert shapes(LINEAR + "vars: {a: $(2 * b), b: $c.x, c: {x: 3}}\nstages: {s: {linear: $a}}") == {"s": (6,)}


@pytest.mark.parametrize(("text", "code", "part"), [
    ("vars: {«a»: 1}\nstages: {s: relu}", "SPEC025", "nothing uses the var `a`"),
    ("vars: {a: «$(1 + b)», b: $a}\nstages: {s: {linear: $a}}", "SPEC026", "`a` depends on itself"),
    ("vars: {a: «$a»}\nstages: {s: {linear: $a}}", "SPEC026", "`a` depends on itself"),
    ("vars: {a: $«in».channels}\nstages: {s: {linear: $a}}", "SPEC031", "unknown name `in`"),
    ("vars: {«in»: 3}\nstages: {s: relu}", "SPEC022", "var `in` is a Python keyword"),
    ("vars: {«input»: 3}\nstages: {s: relu}", "SPEC022", "var `input` has a special meaning"),
    ("vars: {«a-b»: 3}\nstages: {s: relu}", "SPEC022", "var `a-b` is not an identifier"),
    ("vars: {a: $«nope»}\nstages: {s: {linear: $a, when: false}}", "SPEC031", "unknown name `nope`"),
    ("vars: «[1]»\nstages: {s: relu}", "SPEC012", "`vars` must be a mapping, got [1]"),
])
def test_wrong_vars(text, code, part):
    assert_marked(LINEAR + text, (code, part))


def test_a_misspelt_var_is_told_and_the_unused_one_not():
    (found,) = assert_marked(LINEAR + "vars: {width: 3}\nstages: {a: {linear: $«widht»}}", ("SPEC031", "unknown name `widht`"))
    assert found.hint == "write `width`"


def test_a_misspelt_var_is_told_once():
    text = LINEAR + "vars: {width: 3}\nstages: {a: {linear: $«widht»}, b: {linear: $widht}, c: {linear: $width}}"
    (found,) = assert_marked(text, ("SPEC031", "unknown name `widht`"))
    assert found.hint == "write `width`"
    assert labels(found) == [(4, 44, "here too")]


def test_an_unused_var_that_resembles_a_used_one():
    (found,) = assert_marked(LINEAR + "vars: {width: 3, «widht»: 4}\nstages: {a: {linear: $width}}",
                             ("SPEC025", "nothing uses the var `widht`"))
    assert found.hint == "remove it"


def test_a_block_may_be_called_like_an_attribute_of_modules() -> None:
    """Its modules are called by their stage, or `double_1`."""
    text = "archspec: 1\ninput: [1, 8, 8]\nblocks: {double: [relu, relu]}\nstages: {a: [double, double], b: double}\n"
    model = archspec.build(text)
    assert [n for n, _ in model.named_modules()][1:4] == ["a", "a.double_1", "a.double_1.relu_1"]


@pytest.mark.parametrize("params", ["{«c», d: 3}", "{«c»: , d: 3}", "\n      «c»:\n      d: 3"])
def test_a_param_without_type_and_default(params):
    blocks = f"blocks:\n  b:\n    params: {params}\n    body: [linear: $c, linear: $d]\n"
    (found,) = assert_marked(spec("stages: {a: [b: 4]}", blocks), ("SPEC011", "param `c` has neither a type nor a default"))
    assert found.hint == "write `c: int`, another type, or a default"


@pytest.mark.parametrize("null", ["null", "~"])
def test_null_is_a_default_if_it_is_written(null):
    blocks = f"blocks: {{b: {{params: {{s: {null}}}, body: [max_pool2d: {{kernel_size: 2, stride: $s}}]}}}}\n"
    assert shapes(spec("stages: {a: [b]}", blocks)) == {"a": (3, 4, 4)}
    data = {"archspec": 1, "input": [3, 8, 8], "stages": {"a": ["b"]},
            "blocks": {"b": {"params": {"s": None}, "body": [{"max_pool2d": {"kernel_size": 2, "stride": "$s"}}]}}}
    assert shapes(data) == {"a": (3, 4, 4)}
