"""thop 0.1.1.post2209072238: a rule for each class of module.

Read from `thop/profile.py`, `thop/vision/basic_hooks.py` and `calc_func.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Final

from archspec.analysis.conventions.model import Convention, Count, by_module
from archspec.analysis.conventions.modules import Module

Rule = Callable[[Module], tuple[float, str]]


def _product(module: Module) -> tuple[float, str]:
    return module.macs, ""


def _transposed(module: Module) -> tuple[float, str]:
    groups: int = getattr(module.op, "groups")  # noqa: B009 (of this op)
    window = module.parameters["weight"][2:]
    number = prod(module.output) * (module.inputs[0][1] // groups) * prod(window)
    return number, "a transposed convolution is counted at each output, not at each input"


def _norm(module: Module) -> tuple[float, str]:
    affine = getattr(module.op, "affine", False) or getattr(module.op, "elementwise_affine", False)
    return prod(module.output) * (4 if affine else 2), "a norm counts 4 per element, 2 without factor and offset"


def _prelu(module: Module) -> tuple[float, str]:
    return prod(module.output), "it counts 1 per element"


def _softmax(module: Module) -> tuple[float, str]:
    dim: int = getattr(module.op, "dim")  # noqa: B009 (of this op)
    numel, size = prod(module.output), module.output[dim]
    return numel // size * (3 * size - 1), "a softmax of n values counts 3n - 1"


def _mean(module: Module) -> tuple[float, str]:
    return prod(module.output), "an average pool counts 1 per output element"


def _adaptive_mean(module: Module) -> tuple[float, str]:
    window = 1.0
    for size, made in zip(module.inputs[0][2:], module.output[2:], strict=True):
        window *= size / made
    return int((window + 1) * prod(module.output)), "an adaptive average pool counts window + 1 per output element"


_RESIZE: Final = {"nearest": 1, "bilinear": 11, "bicubic": 224 + 35}


def _resize(module: Module) -> tuple[float, str]:
    mode: str = getattr(module.op, "mode")  # noqa: B009 (of this op)
    return _RESIZE[mode] * prod(module.output), "resizing counts 1 (nearest), 11 or 259 (bicubic) per output element"


def _zero(_: Module) -> tuple[float, str]:
    return 0, "thop counts it as 0"


def _in_each_rank(name: str, rule: Rule) -> dict[str, Rule]:
    return {f"{name}{rank}d": rule for rank in (1, 2, 3)}


_RULES: Final[dict[str, Rule]] = {
    "Linear": _product, **_in_each_rank("Conv", _product), **_in_each_rank("ConvTranspose", _transposed),
    **_in_each_rank("BatchNorm", _norm), **_in_each_rank("InstanceNorm", _norm), "LayerNorm": _norm,
    "PReLU": _prelu, "Softmax": _softmax, "Upsample": _resize, **_in_each_rank("AvgPool", _mean),
    **_in_each_rank("AdaptiveAvgPool", _adaptive_mean), **_in_each_rank("MaxPool", _zero),
    **_in_each_rank("AdaptiveMaxPool", _zero), "ReLU": _zero, "ReLU6": _zero, "LeakyReLU": _zero,
}


def _count(module: Module) -> list[Count]:
    return by_module(module, _RULES.get(module.name), "thop has no rule for its class")


THOP = Convention("thop", "thop 0.1.1.post2209072238", "MACs", 1, _count, "profile(model, inputs=(x,))[0]")
