"""fvcore.nn.FlopCountAnalysis of fvcore 0.1.5.post20221221: a "flop" is one multiply-add.

Read from `fvcore/nn/flop_count.py` and `jit_handles.py`. It traces the model, so it sees functions, not modules.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Final

from archspec.analysis.conventions.model import Convention, Count, by_call
from archspec.analysis.conventions.modules import Call, Module

Rule = Callable[[Module, Call], tuple[float, str]]


def _product(_: Module, call: Call) -> tuple[float, str]:
    return call.macs, ""


def _convolution(module: Module, call: Call) -> tuple[float, str]:
    named = isinstance(getattr(module.op, "padding", 0), str) and getattr(module.op, "padding_mode", "") == "zeros"
    reason = "a convolution with padding `same` or `valid` is traced as a function without a rule"
    return (0, reason) if named else (call.macs, "")


def _matmul(_: Module, call: Call) -> tuple[float, str]:
    a, b = call.inputs
    return prod(a) * b[-1], "a dim of 1 that is broadcast counts once"


def _batch_norm(module: Module, call: Call) -> tuple[float, str]:
    affine = "weight" in module.parameters
    if not getattr(module.op, "track_running_stats", True):
        return _norm(module, call)
    return prod(call.output) * (2 if affine else 1), "a batch norm counts 2 per element, 1 without factor and offset"


def _norm(module: Module, call: Call) -> tuple[float, str]:
    affine = "weight" in module.parameters
    return prod(call.output) * (5 if affine else 4), "a norm counts 5 per element, 4 without a factor"


def _adaptive_mean(_: Module, call: Call) -> tuple[float, str]:
    return prod(call.inputs[0]), "an adaptive average pool counts 1 per input element"


def _resize(module: Module, call: Call) -> tuple[float, str] | None:
    mode: str = getattr(module.op, "mode")  # noqa: B009 (of this op)
    if mode == "bilinear":
        return 4 * prod(call.output), "bilinear resizing counts 4 per output element"
    if mode == "nearest":
        return prod(call.output), "nearest resizing counts 1 per output element"
    return None


_RULES: Final[dict[str, Callable[[Module, Call], tuple[float, str] | None]]] = {
    "F.linear": _product, **{f"F.conv{kind}{rank}d": _convolution for kind in ("", "_transpose") for rank in (1, 2, 3)},
    "Tensor.__matmul__": _matmul, "F.batch_norm": _batch_norm, "F.layer_norm": _norm, "F.group_norm": _norm,
    "F.instance_norm": _norm, "F.adaptive_avg_pool2d": _adaptive_mean, "F.interpolate": _resize,
}


def _amount(module: Module, call: Call) -> tuple[float, str] | None:
    rule = _RULES.get(call.name)
    return None if rule is None else rule(module, call)


def _count(module: Module) -> list[Count]:
    return by_call(module, _amount, "fvcore has no rule for it")


FVCORE = Convention(
    "fvcore", "fvcore 0.1.5.post20221221", "flops (multiply-adds)", 1, _count,
    "FlopCountAnalysis(model.eval(), x).total()",
)
