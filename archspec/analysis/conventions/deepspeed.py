"""The flops profiler of DeepSpeed 0.19.8: a rule for each of torch's functions; multiply-adds, and FLOPs.

Read from `deepspeed/profiling/flops_profiler/profiler.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Final

from archspec.analysis.conventions.model import Convention, Count, by_call
from archspec.analysis.conventions.modules import POOLS, Call, Module

_Pair = tuple[float, float, str]  # FLOPs, multiply-adds, and why they are not archspec's


def _linear(_: Module, call: Call) -> _Pair:
    return 2 * call.macs, call.macs, ""


def _convolution(module: Module, call: Call) -> _Pair:
    op: Any = module.op
    weight = module.parameters["weight"]
    places = call.inputs[0][0] * prod(map(_places, op.windows, call.inputs[0][2:], [op] * len(op.windows)))
    macs = prod(weight) * places
    bias = weight[0] * places if call.bias else 0
    reason = "a bias counts 1 per output element"
    if macs != call.macs:
        reason = "with `same` padding of an odd total it expects a smaller output"
    return 2 * macs + bias, macs, reason


def _places(window: Any, size: int, op: Any) -> int:
    """The size of an output as DeepSpeed computes it. What is not padded with zeros is padded before."""
    padding = window.before + window.after
    if op.padding == "same" and op.padding_mode == "zeros":
        padding = 2 * (padding // 2)
    return int((size + padding - window.span) // window.stride + 1)


def _transposed(_: Module, call: Call) -> _Pair:
    return 2 * call.macs + (prod(call.output) if call.bias else 0), call.macs, "a bias counts 1 per output element"


def _matmul(_: Module, call: Call) -> _Pair:
    a, b = call.inputs
    return 2 * prod(a) * b[-1], prod(a) * b[-1], "a dim of 1 that is broadcast counts once"


def _batch_norm(module: Module, call: Call) -> _Pair:
    if not getattr(module.op, "track_running_stats", True):
        return _norm(module, call)
    affine = "weight" in module.parameters
    return prod(call.output) * (2 if affine else 1), 0, "a batch norm counts 2 per element, 1 without factor and offset"


def _norm(module: Module, call: Call) -> _Pair:
    affine = "weight" in module.parameters
    return prod(call.output) * (5 if affine else 4), 0, "a norm counts 5 per element, 4 without a factor"


def _each(_: Module, call: Call) -> _Pair:
    return prod(call.inputs[0]), 0, "it counts 1 per input element"


def _resize(module: Module, call: Call) -> _Pair:
    size: tuple[int, ...] | None = getattr(module.op, "size")  # noqa: B009 (of this op)
    if size is not None:
        return prod(size), 0, "resizing to a size counts height × width once, for all samples and channels"
    factors: tuple[float, ...] = getattr(module.op, "scale_factor")  # noqa: B009
    return int(prod(call.inputs[0]) * prod(map(float, factors))), 0, "resizing counts 1 per output element"


_RULES: Final[dict[str, Callable[[Module, Call], _Pair]]] = {
    "F.linear": _linear, "F.scaled_dot_product_attention": _linear, "Tensor.__matmul__": _matmul,
    "F.batch_norm": _batch_norm, "F.layer_norm": _norm, "F.group_norm": _norm, "F.instance_norm": _norm,
    "F.interpolate": _resize,
    **{f"F.conv{rank}d": _convolution for rank in (1, 2, 3)},
    **{f"F.conv_transpose{rank}d": _transposed for rank in (1, 2, 3)},
    **{f"F.{kind}_pool{rank}d": _each for kind in POOLS for rank in (1, 2, 3)},
    **dict.fromkeys(
        ("F.relu", "F.prelu", "F.elu", "F.leaky_relu", "F.silu", "F.gelu", "F.softmax", "Tensor.mul", "Tensor.add"),
        _each,
    ),
}


def _counting(part: int, reason: str) -> Callable[[Module], list[Count]]:
    """The count of its FLOPs (0) or its multiply-adds (1)."""

    def amount(module: Module, call: Call) -> tuple[float, str] | None:
        rule = _RULES.get(call.name)
        if rule is None:
            return None
        found = rule(module, call)
        return (found[0], found[2]) if part == 0 else (found[1], found[2] if found[1] else reason)

    return lambda module: by_call(module, amount, reason)


_HOW: Final = "get_model_profile(model, args=[x], as_string=False)"
DEEPSPEED = Convention(
    "deepspeed", "DeepSpeed 0.19.8", "MACs", 1, _counting(1, "it counts MACs of products only"), _HOW
)
DEEPSPEED_FLOPS = Convention(
    "deepspeed", "DeepSpeed 0.19.8", "FLOPs", 2, _counting(0, "DeepSpeed has no rule for it"), _HOW
)
