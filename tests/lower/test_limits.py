"""What a hostile spec may cost: counted before it is expanded, and told once."""

from __future__ import annotations

import pytest

import archspec
from archspec.lower import Limits
from tests.helpers import assert_marked, layers, spec

TOO_MANY_OPS = "the network has more than 100,000 ops"
TOO_MANY_LAYERS = "more than 10,000 different layers"


def tower(body: str, first: str, levels: int = 10, params: str = "") -> str:
    """Blocks that each call the one before it."""
    lines = [f"  b0: {first}"]
    lines += [f"  b{k}: {params}{body.replace('LOWER', f'b{k - 1}')}{'}' * bool(params)}" for k in range(1, levels + 1)]
    return spec(f"stages: {{a: b{levels}}}", "blocks:\n" + "\n".join(lines) + "\n")


TEN = "[" + ", ".join(["LOWER"] * 10) + "]"


@pytest.mark.parametrize(("text", "message"), [
    pytest.param(spec("stages: {a: {relu: , repeat: 1000000000}}"), TOO_MANY_OPS, id="repeat"),
    pytest.param(spec("stages: {a: {sequential: [], repeat: 1000000000}}"), TOO_MANY_OPS, id="repeat-of-nothing"),
    pytest.param(tower("{LOWER: , repeat: 10}", "relu"), TOO_MANY_OPS, id="repeats-in-blocks"),
    pytest.param(tower(TEN, "relu"), TOO_MANY_OPS, id="calls"),
    pytest.param(tower(TEN, "[]"), TOO_MANY_LAYERS, id="calls-of-nothing"),
    pytest.param(tower(TEN, "{relu: , when: false}"), TOO_MANY_LAYERS, id="calls-of-absent-layers"),
    pytest.param(spec("stages: {a: {sequential: [{relu: , when: $(i < 0)}], repeat: 20000}}"), TOO_MANY_LAYERS,
                 id="copies-that-may-be-nothing"),
    pytest.param(spec("stages: {a: {conv2d: {out_channels: $(i + 1), kernel_size: 1}, repeat: 20000}}"),
                 TOO_MANY_LAYERS, id="different-copies"),
    pytest.param(spec(f"stages: {{a: [{', '.join(['relu'] * 11_000)}]}}"), TOO_MANY_LAYERS, id="a-long-list"),
])
def test_more_than_a_limit(text, message):
    (found,) = archspec.check(text)
    assert (found.code, found.message) == ("SPEC051", message)
    assert found.hint and found.hint.startswith("raise the limit with `--max-")


def test_calls_with_a_layer_are_bounded_too():
    levels = "\n".join(f"  b{k}: {{params: {{l: layer}}, body: [{', '.join([f'b{k - 1}: {{l: $l}}'] * 10)}]}}"
                       for k in range(1, 9))
    text = spec("stages: {a: {b8: {l: {relu: }}}}", f"blocks:\n  b0: {{params: {{l: layer}}, body: [$l]}}\n{levels}\n")
    (found,) = archspec.check(text)
    assert (found.code, found.message) == ("SPEC051", TOO_MANY_LAYERS)


def test_repeats_of_nothing_are_nothing():
    text = spec("stages: {a: {sequential: [{sequential: [{sequential: [], repeat: 1000}], repeat: 1000}], repeat: 1000}}")
    assert layers(text) == ["a identity"]


def test_up_to_the_limit():
    assert archspec.load(spec("stages: {a: {relu: , repeat: 100000}}")).graph.op_count == 100_000
    assert [d.code for d in archspec.check(spec("stages: {a: {relu: , repeat: 100001}}"))] == ["SPEC051"]


def test_limits_are_raised_by_the_caller():
    text = spec("stages: {a: {relu: , repeat: 5}}")
    assert [d.code for d in archspec.check(text, limits=Limits(max_ops=4))] == ["SPEC051"]
    assert archspec.check(text, limits=Limits(max_ops=5)) == ()
    text = spec("stages: {a: [relu, relu, relu]}")
    assert [d.code for d in archspec.check(text, limits=Limits(max_lowered=2))] == ["SPEC051"]
    assert archspec.check(text, limits=Limits(max_lowered=3)) == ()


def chain(levels: int, body: str = "[LOWER, relu]") -> str:
    return tower(body, "relu", levels)


def test_blocks_call_blocks_32_deep():
    assert len(layers(chain(31))) == 32
    (found,) = archspec.check(chain(32))
    assert (found.code, found.message) == ("SPEC051", "blocks call blocks more than 32 deep")
    assert archspec.check(chain(32), limits=Limits(max_nesting=33)) == ()


def test_modules_nest_64_deep():
    text = chain(30, "[sequential: [sequential: [sequential: [LOWER]]]]")
    (found,) = archspec.check(text)
    assert (found.code, found.message) == ("SPEC051", "modules are nested deeper than 64")


def test_layers_held_by_layers_are_bounded():
    levels = "\n".join(f"  b{k}: {{params: {{l: layer}}, body: [b{k - 1}: {{l: [$l]}}]}}" for k in range(1, 32))
    text = spec("stages: {a: {b31: {l: [relu]}}}", f"blocks:\n  b0: {{params: {{l: layer}}, body: [$l]}}\n{levels}\n")
    assert [d.code for d in archspec.check(text)] == ["SPEC051"]


def test_a_long_chain_or_circle_of_blocks():
    lines = "\n".join(f"  b{k}: [b{k + 1}]" for k in range(3000))
    assert [d.code for d in archspec.check(spec("stages: {a: b0}", f"blocks:\n{lines}\n  b3000: relu\n"))] == ["SPEC051"]
    (found,) = archspec.check(spec("stages: {a: b0}", f"blocks:\n{lines}\n  b3000: b0\n"))
    assert found.code == "SPEC026" and found.message.startswith("block `b0` calls itself: b0 → b1 → b2")


def test_a_long_chain_or_circle_of_vars():
    lines = ", ".join(f"v{k}: $v{k + 1}" for k in range(5000))
    assert archspec.analyze(spec("stages: {a: {linear: $v0}}", f"vars: {{{lines}, v5000: 7}}\n")).output_shape == (3, 8, 7)
    (found,) = archspec.check(spec("stages: {a: {linear: $v0}, b: [$v3]}", f"vars: {{{lines}, v5000: $v0}}\n"))
    assert (found.code, found.message) == ("SPEC026", "`v0` depends on itself")


def test_a_chain_of_items():
    lines = ", ".join(f"v{k}: [$v{k + 1}.0]" for k in range(2000))
    text = spec("stages: {a: [$v0.0]}", f"vars: {{{lines}, v2000: [relu]}}\n")
    assert archspec.check(text) == ()


def test_an_expression_cannot_cost_much_however_often_it_is_used():
    long = "+".join(["1"] * 450)
    text = spec(f"stages: {{a: {{linear: $(i + {long}), repeat: 9000}}}}")
    (found,) = archspec.check(text)
    assert (found.code, found.message) == ("SPEC051", TOO_MANY_LAYERS)


def test_params_without_number_cannot_cost_much():
    params = ", ".join(f"p{k}: $q" for k in range(5000))
    block = f"b: {{params: {{q: int, {params}}}, body: [{{linear: $(q + {' + '.join(f'p{k}' for k in range(100))})}}]}}"
    names = ", ".join(f"$p{k}" for k in range(100, 5000))
    block = block.replace("body: [", f"body: [{{linear: [{names}], when: false}}, ")
    found = archspec.check(spec("stages: {a: {b: $(i + 1), repeat: 1000}}", f"blocks:\n  {block}\n"))
    assert [d.code for d in found] == ["SPEC051"], found[:3]


def test_at_most_a_hundred_mistakes_are_told():
    stages = "\n".join(f"  s{k}: zzz{k}" for k in range(500))
    found = archspec.check(spec(f"stages:\n{stages}"))
    assert len(found) == 101
    assert (found[-1].code, found[-1].message) == ("SPEC003", "100 mistakes up to here: the rest was not checked")


@pytest.mark.parametrize("stages", [
    "{a: {conv_transpose2d: {out_channels: 1, kernel_size: 9223372036854775807, stride: 9223372036854775807}}}",
    "{a: [flatten, linear: 9223372036854775807, {concat: {x: [], y: []}}]}",
])
def test_a_dimension_that_torch_cannot_hold(stages):
    (found,) = archspec.check(spec(f"stages: {stages}"))
    assert found.code == "SHAPE102" and "larger than 2**63 - 1" in found.message


def test_numbers_larger_than_torch_holds():
    assert_marked("archspec: 1\ninput: «[9223372036854775808, 8, 8]»\nstages: {a: relu}", ("SPEC012", "`input` must be"))
    assert_marked(spec("stages: {a: {linear: «9223372036854775808»}}"), ("SPEC012", "must be from 1 to 9223372036854775807"))


def test_many_parameters_count_exactly():
    text = "archspec: 1\ninput: [1000000007]\nstages: {a: [linear: 1000000009, linear: 1000000021]}"
    assert archspec.analyze(text).params == 1000000007 * 1000000009 + 1000000009 * 1000000022 + 1000000021 - 1000000009 + \
        1000000009
