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
