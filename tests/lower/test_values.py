"""Values in expressions: the shape as a list, items of lists, and the index of a repeat in a param's default."""

from __future__ import annotations

import pytest

import archspec
from tests.helpers import assert_marked, spec


@pytest.mark.parametrize(("value", "width"), [
    ("$in.shape[-1]", 5), ("$in.shape[0]", 17), ("$in.shape.1", 5), ("$(in.shape[1] + input.shape[0])", 22),
    ("$(sum(in.shape))", 22), ("$(len(input.shape))", 2), ("$sizes[1]", 6), ("$sizes[-1]", 7), ("$nested[0][1]", 2),
    ("$nested[len(sizes) - 2][0]", 3), ("$dicts[0].n", 9), ("$(input.shape[in.shape[1] - 4])", 5),
])
def test_shapes_and_items(value: str, width: int) -> None:
    text = f"""\
archspec: 1
input: [17, 5]
vars: {{sizes: [5, 6, 7], nested: [[1, 2], [3]], dicts: [{{n: 9}}]}}
stages:
  a:
    linear: {value}
  use: {{linear: "$(sizes[0] + nested[0][0] + dicts[0].n)"}}
"""
    assert archspec.load(text).report.shapes["a"] == (17, width)


@pytest.mark.parametrize(("shape", "names"), [
    ([3], ["features"]), ([3, 4], ["length", "features"]), ([3, 4, 5], ["channels", "height", "width"]),
    ([3, 4, 5, 6], ["channels", "depth", "height", "width"]),
])
def test_each_dim_has_its_name(shape: list[int], names: list[str]) -> None:
    for name, size in zip(names, shape, strict=True):
        report = archspec.load(f"archspec: 1\ninput: {shape}\nstages: {{a: [flatten, linear: $input.{name}]}}").report
        assert report.output_shape == (size,)


def test_a_shape_as_a_whole() -> None:
    text = spec("stages:\n  a: [flatten, reshape: $input.shape]\n  b:\n    - when: $(in.shape == [3, 8, 8])\n      linear: 2\n    - flatten")
    assert archspec.load(text).report.shapes == {"a": (3, 8, 8), "b": (48,)}


def test_a_batch_is_never_in_a_shape() -> None:
    assert archspec.load(spec("stages:\n  a: {linear: $(len(in.shape))}")).report.output_shape == (3, 8, 3)


def test_an_item_that_is_not_there() -> None:
    assert_marked(spec("stages:\n  a:\n    linear: $in.shape[«3»]"), ("SPEC032", "index 3 of 3 items"))


def test_an_unknown_shape_is_reported_once() -> None:
    text = spec("stages:\n  a: {«rlu»: 3}\n  b: [{linear: '$(in.shape[-1])'}, {reshape: $in.shape}]")
    assert_marked(text, ("SPEC020", "no op or block `rlu`"))


DEFAULT = """\
archspec: 1
input: [3, 8, 8]
blocks:
  conv: {params: {channels: $(4 + 2 * i), slope: $(channels / 10)}, body: [conv2d: {out_channels: $channels, kernel_size: 1}, leaky_relu: $slope]}
  twice: {params: {n: 2}, body: [{conv: {}, repeat: $n}]}
stages:
  a: {conv: {}, repeat: 3}
  b: [{conv: 5, repeat: 2}, {sequential: [conv], repeat: 2}, twice]
"""


def test_a_default_may_use_the_index_of_the_repeat_around_the_call() -> None:
    rows = [layer for layer in archspec.load(DEFAULT).report.layers() if layer.op == "conv2d"]
    assert [row.output_shape[0] for row in rows] == [4, 6, 8, 5, 5, 4, 6, 4, 6]


def test_copies_that_are_equal_at_first_may_differ_later_by_a_default() -> None:
    text = DEFAULT.replace("$(4 + 2 * i)", "$(8 if i < 3 else 4)").replace("{conv: {}, repeat: 3}", "{conv: {}, repeat: 5}")
    rows = [layer for layer in archspec.load(text).report.layers() if layer.op == "conv2d" and layer.path.startswith("a.")]
    assert [row.output_shape[0] for row in rows] == [8, 8, 8, 4, 4]


def test_calls_of_a_block_with_other_arguments_are_other_layers() -> None:
    text = DEFAULT.partition("stages:")[0] + "stages: {a: {concat: {x: {conv: 5}, y: {conv: 7}, z: {conv: 5}}}}\n"
    assert archspec.load(text).report.output_shape == (17, 8, 8)


def test_a_default_with_an_index_outside_a_repeat() -> None:
    text = DEFAULT.replace("a: {conv: {}, repeat: 3}", "a: conv").replace("2 * i", "2 * «i»")
    (found,) = assert_marked(text, ("SPEC031", "unknown name `i`"))
    assert found.hint == "`i` is not visible inside a block: pass it as an argument"


def test_a_body_does_not_see_the_index() -> None:
    text = DEFAULT.replace("leaky_relu: $slope", 'leaky_relu: "$(slope + «i»)"')
    assert_marked(text, ("SPEC031", "unknown name `i`"))
