"""Branches whose sizes disagree because windows lack padding: the hint says where, and the spec is valid with it."""

from __future__ import annotations

import pytest

import archspec
from tests.hints import applied

SIZES = {1: "[4, 28]", 2: "[4, 28, 28]", 3: "[4, 12, 28, 28]"}


def text(branches: str, merge: str = "concat", rank: int = 2) -> str:
    return f"archspec: 1\ninput: {SIZES[rank]}\nstages:\n  body: {{{merge}: {{{branches}}}}}\n"


def hint_of(spec: str) -> str:
    """The hint of the only mistake; the spec is valid with it."""
    (found,) = archspec.check(spec)
    assert found.code in ("SHAPE103", "SHAPE104")
    assert found.hint is not None and found.fix is not None
    assert archspec.check(applied(spec, found.fix)) == ()
    return str(found.hint)


@pytest.mark.parametrize("merge", ["add", "concat", "mul"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_one_convolution_lacks_padding(rank, kernel, stride, merge):
    plain = f"conv{rank}d: {{out_channels: 4, kernel_size: 1, stride: {stride}}}"
    wide = f"conv{rank}d: {{out_channels: 4, kernel_size: {kernel}, stride: {stride}}}"
    for branches in (f"a: [{plain}], b: [{wide}]", f"b: [{wide}, relu], a: [{plain}]", f"b: {{{wide}}}, a: {{{plain}}}"):
        assert hint_of(text(branches, merge, rank)) == f"write `padding: {kernel // 2}` in `conv{rank}d` of `b`"


@pytest.mark.parametrize(("branches", "hint"), [
    ("a: [], b: {max_pool2d: {kernel_size: 3, stride: 1}}", "write `padding: 1` in `max_pool2d` of `b`"),
    ("a: [], b: {conv2d: {out_channels: 4, kernel_size: [1, 7]}}", "write `padding: [0, 3]` in `conv2d` of `b`"),
    ("a: [], b: {conv2d: {out_channels: 4, kernel_size: 3, dilation: 2}}", "write `padding: 2` in `conv2d` of `b`"),
    ("a: [], b: [conv2d: {out_channels: 4, kernel_size: 3, padding: 1}, relu, conv2d: {out_channels: 4, kernel_size: 3}]",
     "write `padding: 1` in `conv2d` of `b`"),
    ("a: [], b: [conv2d: {out_channels: 4, kernel_size: 3}, conv2d: {out_channels: 4, kernel_size: 3}]",
     "write `padding: 1` in `conv2d` of `b` (of 2 layers)"),
    ("a: [conv2d: {out_channels: 4, kernel_size: 3}], b: [conv2d: {out_channels: 4, kernel_size: 5}]",
     "write `padding: 1` in `conv2d` of `a`, `padding: 2` in `conv2d` of `b`"),
    ("a: [], b: [batch_norm2d, {sequential: [relu, relu], repeat: 2}, conv2d: {out_channels: 4, kernel_size: 5}]",
     "write `padding: 2` in `conv2d` of `b`"),
])
def test_where_padding_lacks(branches, hint):
    assert hint_of(text(branches)) == hint


WIDE, END = "conv2d: {out_channels: 8, kernel_size: 3", "conv2d: {out_channels: 8, kernel_size: 1"


@pytest.mark.parametrize(("branches", "hint"), [
    (f"b: [{WIDE}}}, relu], a: []", f"write `padding: 1` in `conv2d` of `b`, and end `a` with `{END}}}`"),
    (f"b: {{{WIDE}}}}}, a: []", f"write `padding: 1` in `conv2d` of `b`, and end `a` with `{END}}}`"),
    (f"a: [], b: {{{WIDE}}}}}",
     "write `padding: 1` in `conv2d` of `b`, and end `b` with `conv2d: {out_channels: 4, kernel_size: 1}`"),
    (f"b: [{WIDE}, stride: 2}}], a: []", f"write `padding: 1` in `conv2d` of `b`, and end `a` with `{END}, stride: 2}}`"),
    (f"b: [{WIDE}, stride: 2}}, {WIDE}}}], a: []",
     f"write `padding: 1` in `conv2d` of `b` (of 2 layers), and end `a` with `{END}, stride: 2}}`"),
    ("a: [], b: {conv2d: {out_channels: 4, kernel_size: 3, stride: 2}}",
     "write `padding: 1` in `conv2d` of `b`, and end `a` with `conv2d: {out_channels: 4, kernel_size: 1, stride: 2}`"),
    (f"b: [{WIDE}}}], a: [], c: [{WIDE.replace('8', '6')}}}]",
     f"write `padding: 1` in `conv2d` of `b`, `padding: 1` in `conv2d` of `c`, and end `a` with `{END}}}`, and end `c` with `{END}}}`"),
])
def test_where_channels_differ_too(branches, hint):
    assert hint_of(text(branches, "add")) == hint


def test_where_channels_differ_too_on_several_lines():
    spec = """archspec: 1
input: [4, 28, 28]
stages:
  body:
    - add:
        main:
          - conv2d:
              out_channels: 8
              kernel_size: 3
          - max_pool2d: {kernel_size: 3, stride: 1}
        skip:
          - relu
"""
    assert hint_of(spec).endswith(f"and end `skip` with `{END}}}`")


def test_in_a_block_whose_kernel_is_a_param():
    block = "blocks: {res: {params: {k: 3}, body: [add: {main: [conv2d: {out_channels: 4, kernel_size: $k}], skip: []}]}}\n"
    spec = f"archspec: 1\ninput: [4, 28, 28]\n{block}stages: {{a: [res: 5, res, res: 7]}}\n"
    found, *_ = archspec.check(spec)
    assert found.hint == "write `padding: $(k // 2)` in `conv2d` of `main`"
    assert archspec.check(applied(spec, found.fix)) == ()


@pytest.mark.parametrize("branches", [
    "a: [], b: {conv2d: {out_channels: 4, kernel_size: 4}}",  # no middle
    "a: [], b: {avg_pool2d: 2}",
    "a: [], b: {conv2d: {out_channels: 4, kernel_size: 5, padding: 1}}",  # was thought of
])
def test_where_padding_is_not_what_lacks(branches):
    assert "padding" not in hint_of(text(branches, "add"))
