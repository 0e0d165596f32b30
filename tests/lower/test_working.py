"""What a hint proposes for a wrong value suits the other fields and the layer's input, too."""

from __future__ import annotations

import re

import pytest

import archspec
from archspec.diagnostics import Diagnostic
from tests.hints import applied

VALUES = ("2.5", "-3", "'3'", "[2]", "3", "5", "40", "0", "-1", "1.5", "7", "3.0", "6", "0.5", "[2.5, 3]", "[3, 3]", "3x3")
CONV = "out_channels: 4, kernel_size: 3"
LAYERS = [
    *(("[4, 8, 8]", layer) for layer in (
        f"conv2d: {{{CONV}, groups: @}}", "conv2d: {out_channels: 6, kernel_size: 3, groups: @}",
        "conv2d: {out_channels: @, kernel_size: 3, groups: 2}", "conv2d: {out_channels: 4, kernel_size: @}",
        f"conv2d: {{{CONV}, padding: @, padding_mode: reflect}}", f"conv2d: {{{CONV}, dilation: @}}",
        f"conv2d: {{{CONV}, stride: @, padding: same}}", f"conv_transpose2d: {{{CONV}, groups: @}}",
        f"conv_transpose2d: {{{CONV}, padding: @}}", f"conv_transpose2d: {{{CONV}, output_padding: @, stride: 2}}",
        "max_pool2d: @", "max_pool2d: {kernel_size: 3, padding: @}", "avg_pool2d: {kernel_size: 3, padding: @}",
        "max_pool2d: {kernel_size: 3, dilation: @}", "adaptive_avg_pool2d: @", "group_norm: @", "channel_shuffle: @",
        "pixel_shuffle: @", "pixel_unshuffle: @", "upsample: {scale_factor: @}",
    )),
    *(("[18, 6, 6]", layer) for layer in ("pixel_shuffle: @", "pixel_unshuffle: @", "channel_shuffle: @", "group_norm: @")),
    ("[6, 12]", "multi_head_attention: @"), ("[4, 4, 12]", "window_attention: {num_heads: @, window_size: 2}"),
    ("[4, 4, 12]", "window_attention: {num_heads: 2, window_size: @}"),
    ("[4, 16]", f"conv1d: {{{CONV}, groups: @}}"), ("[4, 4, 8, 8]", f"conv3d: {{{CONV}, groups: @}}"), ("[4, 8, 8]", "max_pool2d: [@, 3]"),
]


def followed(template: str, found: Diagnostic, value: str) -> list[str]:
    """The texts that one may write after reading the hint; none where it names no value."""
    if found.fix is not None:
        return [applied(template.replace("@", value), found.fix)]
    meant = re.fullmatch(r"(?:write|set \w+ to) (\[.*?\]|\S+?)(?: or (\S+?))?(?:, .*)?", str(found.hint))
    return [] if meant is None else [template.replace("@", new) for new in meant.groups() if new is not None]


@pytest.mark.parametrize(("shape", "layer"), LAYERS)
def test_what_a_hint_proposes_is_accepted(shape: str, layer: str) -> None:
    ways = 0
    template = f"archspec: 1\ninput: {shape}\nstages:\n  out:\n    - {layer}\n"
    for value in VALUES:
        for found in archspec.check(template.replace("@", value)):
            for after in followed(template, found, value) if found.hint is not None else ():
                ways += 1
                assert archspec.check(after) == (), f"{found}\n{after}"
    assert ways >= 5


@pytest.mark.parametrize(("value", "hint"), [
    ("2.5", "write 2"), ("-3", "write 2 or 4"), ("3", "set groups to 2 or 4"), ("40", "set groups to 4"), ("'4'", "write 4 without quotes"),
    ("'3'", "write 2 or 4"), ("0", "write 1, the least"), ("3.0", "write 2 or 4"),
])
def test_groups_that_divide_both_channels(value: str, hint: str) -> None:
    text = f"archspec: 1\ninput: [4, 8, 8]\nstages: {{a: [conv2d: {{out_channels: 4, kernel_size: 3, groups: {value}}}]}}\n"
    assert [d.hint for d in archspec.check(text)] == [hint]


def test_the_mistakes_of_other_fields_do_not_count() -> None:
    text = "archspec: 1\ninput: [4, 8, 8]\nstages: {a: [conv2d: {out_channels: 4, kernel_size: 0, groups: 2.5, bias: 7}]}\n"
    hints = {d.message.split("`")[1]: d.hint for d in archspec.check(text)}
    assert hints == {"kernel_size": "write 1, the least", "groups": "write 2", "bias": None}


def test_an_input_that_no_value_suits_decides_nothing() -> None:
    text = "archspec: 1\ninput: [8]\nstages: {a: [max_pool2d: 2.5]}\n"
    assert [d.hint for d in archspec.check(text) if d.code == "SPEC012"] == ["write 2 or 3"]
