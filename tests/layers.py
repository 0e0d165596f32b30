"""Networks for tests, layer by layer, as archspec builds them."""

from __future__ import annotations

from typing import Any

from torch import nn

from archspec.backends.built import build_layer
from archspec.ops import OPS, infer_outputs, make_op
from archspec.types import TensorType

Layer = str | dict[str, Any]


def conv(channels: int, kernel: int, **fields: Any) -> Layer:
    return {"conv2d": {"out_channels": channels, "kernel_size": kernel, **fields}}


def sequence(shape: tuple[int, ...], *layers: Layer) -> nn.Sequential:
    """The modules of some ops, named 0, 1, …; a layer is written as in a spec. shape: of one sample."""
    x, modules = TensorType((1, *shape)), []
    for layer in layers:
        ((name, fields),) = layer.items() if isinstance(layer, dict) else [(layer, {})]
        op = make_op(name, fields if isinstance(fields, dict) else {OPS[name].main or "": fields})
        modules.append(build_layer(op, (x,)))
        (x,) = infer_outputs(op, (x,))
    return nn.Sequential(*modules)
