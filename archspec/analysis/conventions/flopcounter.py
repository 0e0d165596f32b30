"""torch.utils.flop_counter.FlopCounterMode of torch 2.14: the products that run, 2 FLOPs for a multiply-add.

Read from `torch/utils/flop_counter.py`. On a CPU it misses an attention that runs as one kernel; on meta tensors
attention is made of products, which it counts.
"""

from __future__ import annotations

from archspec.analysis.conventions.model import Convention, Count, by_call
from archspec.analysis.conventions.modules import Call, Module


def _amount(_: Module, call: Call) -> tuple[float, str] | None:
    return (2 * call.macs, "") if call.macs else None


def _count(module: Module) -> list[Count]:
    return by_call(module, _amount, "element-wise work counts 0")


FLOPCOUNTER = Convention(
    "flopcounter", "torch.utils.flop_counter of torch 2.14.1", "FLOPs", 2, _count,
    "with torch.device('meta'): model.eval()(x) in FlopCounterMode()",
)
