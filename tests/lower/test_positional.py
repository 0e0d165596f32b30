"""Arguments that are listed as PyTorch's are: the hint writes the layer that PyTorch makes of them."""

from __future__ import annotations

import re

import pytest
from torch import nn

import archspec
from tests.hints import applied

INPUTS = {"image": "[3, 28, 28]", "sequence": "[16, 64]", "vector": "[32]", "tokens": "{tokens: {shape: [16], dtype: int64, below: 100}}"}


def mended(op: str, arguments: list[object], kind: str) -> tuple[str, nn.Module]:
    """The hint of the only mistake, and the layer of the spec that it makes."""
    listed = str(arguments).replace("True", "true").replace("False", "false")
    spec = f"archspec: 1\ninput: {INPUTS[kind]}\nstages: {{a: [{op}: {listed}]}}\n"
    (found,) = archspec.check(spec)
    assert found.code in ("SPEC012", "SPEC021") and found.fix is not None
    model = archspec.build(applied(spec, found.fix))
    return str(found.hint), next(module for module in model.modules() if not list(module.children()))


def plain(module: nn.Module) -> str:
    """The module as text, with `3` for `(3, 3)`, and without `inplace`, which changes no value."""
    return re.sub(r", inplace=\w+", "", re.sub(r"\((\d+), \1\)", r"\1", repr(module)))


@pytest.mark.parametrize(("op", "arguments", "kind", "module"), [
    ("linear", [32, 10], "vector", nn.Linear), ("linear", [64, 10, False], "sequence", nn.Linear),
    ("conv2d", [3, 64, 3], "image", nn.Conv2d), ("conv2d", [3, 64, 3, 2, 1], "image", nn.Conv2d),
    ("conv2d", [3, 64, [3, 5], 1, [1, 2]], "image", nn.Conv2d), ("conv1d", [16, 8, 3], "sequence", nn.Conv1d),
    ("conv_transpose2d", [3, 8, 2, 2], "image", nn.ConvTranspose2d), ("max_pool2d", [3, 2, 1], "image", nn.MaxPool2d),
    ("avg_pool2d", [3, 1, 1], "image", nn.AvgPool2d), ("group_norm", [1, 3], "image", nn.GroupNorm),
    ("group_norm", [4, 16], "sequence", nn.GroupNorm), ("dropout", [0.5, True], "image", nn.Dropout),
    ("leaky_relu", [0.1, True], "image", nn.LeakyReLU), ("embedding", [100, 8], "tokens", nn.Embedding),
])
def test_the_layer_is_that_of_pytorch(op, arguments, kind, module):
    hint, made = mended(op, arguments, kind)
    wanted = module(*[tuple(x) if isinstance(x, list) else x for x in arguments])
    assert plain(made) == plain(wanted)
    assert ("is inferred" in hint) == (op in ("linear", "embedding", "group_norm") or op.startswith("conv"))


def test_what_was_meant_for_another_input_is_told_too():
    hint, made = mended("linear", [128, 10], "vector")
    assert hint == "write `linear: 10`: the input's size is inferred; two layers are `linear: 128` and `linear: 10`"
    assert (made.in_features, made.out_features) == (32, 10)
    hint, made = mended("conv2d", [16, 64, 3], "image")  # a stride of 3 and a window of 64 would not fit
    assert (made.in_channels, made.out_channels, made.kernel_size) == (3, 64, (3, 3))


def test_the_order_of_the_fields_where_nothing_is_left_out():
    hint, made = mended("conv2d", [64, 3], "image")
    assert hint == "write `conv2d: {out_channels: 64, kernel_size: 3}`"
    assert (made.out_channels, made.kernel_size) == (64, (3, 3))


@pytest.mark.parametrize(("width", "length"), [(64, 16), (64, 8), (32, 16)])
def test_attention_has_the_width_of_its_input(width, length):
    spec = f"archspec: 1\ninput: [{length}, {width}]\nstages: {{a: [multi_head_attention: [64, 8]]}}\n"
    (found,) = archspec.check(spec)
    assert found.hint == "write `multi_head_attention: 8`: the input's size (64) is inferred"
    assert archspec.check(applied(spec, found.fix)) == ()


@pytest.mark.parametrize(("op", "arguments", "kind"), [
    ("conv2d", "[3, 64]", "image"), ("conv1d", "[16, 32]", "sequence"), ("conv_transpose2d", "[3, 16]", "image"),
])
def test_channels_without_a_window(op, arguments, kind):
    """Two numbers of channels are no window: the hint says what lacks, which no program knows."""
    (found,) = archspec.check(f"archspec: 1\ninput: {INPUTS[kind]}\nstages: {{a: [{op}: {arguments}]}}\n")
    channels, out = re.findall(r"\d+", arguments)
    assert found.hint == f"write `{op}: {{out_channels: {out}, kernel_size: …}}`: the input's size ({channels}) is inferred"
    assert found.fix is None


@pytest.mark.parametrize(("op", "arguments", "layer"), [
    ("conv2d", "[$c, $w, 3]", "conv2d: {out_channels: $w, kernel_size: 3}"),
    ("conv2d", "[3, $(2 * w), $k, 1, $(k // 2)]",
     "conv2d: {out_channels: $(2 * w), kernel_size: $k, stride: 1, padding: $(k // 2)}"),
    ("conv2d", '[$c, "$(max(w, 4))", [$k, 5]]', 'conv2d: {out_channels: "$(max(w, 4))", kernel_size: [$k, 5]}'),
    ("conv2d", "[$w, $k]", "conv2d: {out_channels: $w, kernel_size: $k}"),
    ("batch_norm2d", "[$w, $c]", None), ("conv2d", "[$c, $w]", None),
])
def test_arguments_that_are_names_stay_names(op, arguments, layer):
    names = "vars: {c: 3, w: 16, k: 3}\n"
    spec = f"archspec: 1\ninput: [3, 28, 28]\n{names}stages: {{a: [{op}: {arguments}]}}\n"
    found = next(one for one in archspec.check(spec) if one.code in ("SPEC012", "SPEC021"))
    if layer is None:
        assert "$" in found.hint or "alone" in found.hint
        return
    assert found.hint.startswith(f"write `{layer}`")
    assert not [one for one in archspec.check(applied(spec, found.fix)) if one.code != "SPEC025"]


def test_names_in_a_block():
    block = "blocks: {b: {params: {c: int, o: int}, body: [conv2d: [$c, $o, 3]]}}\n"
    spec = f"archspec: 1\ninput: [3, 28, 28]\n{block}stages: {{a: [b: [3, 8]]}}\n"
    (found,) = archspec.check(spec)
    assert found.hint == "write `conv2d: {out_channels: $o, kernel_size: 3}`: the input's size (3) is inferred"
    assert {one.code for one in archspec.check(applied(spec, found.fix))} == {"SPEC025"}  # nothing uses `c` any more
