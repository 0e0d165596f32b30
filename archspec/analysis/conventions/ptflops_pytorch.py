"""ptflops 0.7.5 with backend "pytorch", its default: a rule for each class of module, and again for some functions.

Read from `ptflops/pytorch_ops.py` and `pytorch_engine.py`. A module such as ReLU calls a function that it counts too.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Final

from archspec.analysis.conventions.model import Convention, Count, by_call
from archspec.analysis.conventions.modules import POOLS, Call, Module

_NO_RULE: Final = "ptflops has no rule for it"


def _product(module: Module) -> tuple[float, str]:
    bias = prod(module.output) if "bias" in module.parameters else 0
    return module.macs + bias, "a bias counts 1 per output element"


def _output(module: Module) -> tuple[float, str]:
    return prod(module.output), "it counts 1 per element"


def _input(module: Module) -> tuple[float, str]:
    return prod(module.inputs[0]), "a pool counts 1 per input element"


def _norm(module: Module) -> tuple[float, str]:
    twice = getattr(module.op, "affine", False)
    return prod(module.output) * (2 if twice else 1), "a norm counts 1 per element, 2 with `affine`"


Rule = Callable[[Module], tuple[float, str]]


def _in_each_rank(name: str, rule: Rule) -> dict[str, Rule]:
    return {f"{name}{rank}d": rule for rank in (1, 2, 3)}


_POOLS: Final = ("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool")
_MODULES: Final[dict[str, Rule]] = {
    "Linear": _product, **_in_each_rank("Conv", _product), **_in_each_rank("ConvTranspose", _product),
    **dict.fromkeys(("ReLU", "PReLU", "ELU", "LeakyReLU", "ReLU6", "GELU", "Upsample"), _output),
    **{key: rule for name in _POOLS for key, rule in _in_each_rank(name, _input).items()},
    **_in_each_rank("BatchNorm", _norm), **_in_each_rank("InstanceNorm", _norm), "GroupNorm": _norm, "LayerNorm": _norm,
}
_NUMEL: Final = frozenset((
    "F.relu", "F.prelu", "F.elu", "F.gelu", "F.silu", "F.softmax", "Tensor.mul", "Tensor.add",
    *[f"F.{kind}_pool{rank}d" for kind in POOLS for rank in (1, 2, 3)],
))


def _function(module: Module, call: Call) -> tuple[float, str] | None:
    if call.name == "F.interpolate":
        return _resize(module, call), "its function counts 1 per element of the output that it expects"
    return (prod(call.inputs[0]), "its function counts 1 per input element") if call.name in _NUMEL else None


def _resize(module: Module, call: Call) -> int:
    size: tuple[int, ...] | None = getattr(module.op, "size")  # noqa: B009 (of this op)
    if size is not None:
        return prod(size) * prod(call.inputs[0][:2])
    factors: tuple[float, ...] = getattr(module.op, "scale_factor")  # noqa: B009
    return prod(call.inputs[0]) * prod(map(int, factors))  # numpy's product in int64


def _count(module: Module) -> list[Count]:
    rule = _MODULES.get(module.name)
    if rule is None:
        return by_call(module, _function, _NO_RULE)
    number, reason = rule(module)
    again = [(call, found) for call in module.calls if (found := _function(module, call)) is not None]
    return [
        Count(module.name, number, module.macs, module.elementwise_flops, reason),
        *[Count(call.name, amount, 0, 0, f"counted twice: {why}") for call, (amount, why) in again],
    ]


PTFLOPS_PYTORCH = Convention(
    "ptflops-pytorch", "ptflops 0.7.5", '"MACs"', 1, _count,
    "get_model_complexity_info(model, shape, as_strings=False)", one_sample=True,
)
