"""Channels that a later layer cannot use: the hint names the layer that decides them, and the spec is valid with it."""

from __future__ import annotations

import pytest

import archspec
from tests.hints import applied

BEFORE = "put `conv2d: {out_channels: %d, kernel_size: 1}` before it"


def hint_of(text: str) -> str:
    (found,) = archspec.check(text)
    assert found.code == "SHAPE107" or found.code.startswith("SHAPE")
    assert found.fix is not None
    assert archspec.check(applied(text, found.fix)) == ()
    return str(found.hint)


def spec(body: str, rest: str = "", channels: int = 3) -> str:
    return f"archspec: 1\ninput: [{channels}, 8, 8]\n{rest}stages:\n{body}"


@pytest.mark.parametrize(("channels", "factor", "wanted"), [(3, 2, 12), (10, 2, 12), (1, 3, 9), (20, 3, 27), (5, 4, 80)])
def test_the_channels_are_named_in_the_layer_that_decides_them(channels, factor, wanted):
    conv = f"conv2d: {{out_channels: {channels}, kernel_size: 3, padding: 1}}"
    for between in ("", "relu, ", "batch_norm2d, relu, dropout: 0.1, ", "max_pool2d: 2, "):
        text = spec(f"  a: [{conv}, {between}pixel_shuffle: {factor}]\n")
        assert hint_of(text) == f"write `out_channels: {wanted}` in `conv2d`"


def test_across_stages_and_blocks():
    text = spec("  a: [conv2d: {out_channels: 10, kernel_size: 1}, relu]\n  b: [sequential: [relu], pixel_shuffle: 2]\n")
    assert hint_of(text) == "write `out_channels: 12` in `conv2d`"
    block = "blocks: {conv: [conv2d: {out_channels: 10, kernel_size: 1}, relu]}\n"
    assert hint_of(spec("  a: [conv: , pixel_shuffle: 2]\n", block)) == "write `out_channels: 12` in `conv2d`"


@pytest.mark.parametrize(("body", "rest"), [
    ("  a: [pixel_shuffle: 2]\n", ""),  # nothing decides them but the input
    ("  a: [conv2d: {out_channels: 10, kernel_size: 1}, group_norm: 5, pixel_shuffle: 2]\n", ""),  # which 12 would break
    ("  a: [conv2d: {out_channels: 10, kernel_size: 1, groups: 5}, pixel_shuffle: 2]\n", ""),
    ("  a: [conv2d: {out_channels: $w, kernel_size: 1}, pixel_shuffle: 2]\n", "vars: {w: 10}\n"),  # may be right elsewhere
    ("  a: [add: {l: [conv2d: {out_channels: 10, kernel_size: 1}], r: [conv2d: {out_channels: 10, kernel_size: 1}]}, "
     "pixel_shuffle: 2]\n", ""),
    ("  a:\n    - conv2d: {out_channels: $(4 + 6), kernel_size: 1}\n    - pixel_shuffle: 2\n", ""),
])
def test_a_convolution_is_put_before_where_that_is_not_possible(body, rest):
    channels = 5 if "groups" in body else 3
    assert hint_of(spec(body, rest, channels)) == BEFORE % 12
