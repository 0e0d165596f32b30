"""ptflops 0.7.5 with backend "aten": multiply-adds and biases of the products that run on a CPU.

Read from `ptflops/aten_ops.py` and `aten_engine.py`.
"""

from __future__ import annotations

from math import prod

from archspec.analysis.conventions.model import Convention, Count, by_call
from archspec.analysis.conventions.modules import Call, Module


def _amount(_: Module, call: Call) -> tuple[float, str] | None:
    if call.kernel in ("convolution", "addmm") and call.bias:
        return call.macs + prod(call.output), "a bias counts 1 per output element"
    if call.kernel and call.kernel != "flash_attention":
        return call.macs, ""
    return None


def _count(module: Module) -> list[Count]:
    return by_call(module, _amount, "it counts convolutions and matrix products only")


PTFLOPS_ATEN = Convention(
    "ptflops-aten", "ptflops 0.7.5", "MACs", 1, _count,
    'get_model_complexity_info(model, shape, as_strings=False, backend="aten"), on a CPU', one_sample=True,
)
