"""torchinfo 1.8.0: "mult-adds" from the parameters `weight` and `bias` of each module without children.

Read from `torchinfo/layer_info.py` (calculate_macs) and `model_statistics.py`.
"""

from __future__ import annotations

from math import prod

from archspec.analysis.conventions.model import Convention, Count
from archspec.analysis.conventions.modules import Module

_CONV = "a bias counts 1 per output element"
_EACH = "each parameter counts once per sample, wherever else it is used"
_CHILDREN = "what a module with children computes itself counts 0"


def _count(module: Module) -> list[Count]:
    number, reason = 0, "it counts only parameters called weight or bias"
    if module.children:
        return [Count(module.name, 0, module.macs, module.elementwise_flops, _CHILDREN)]
    places = prod(module.output[:1] + module.output[2:])
    for name, shape in module.parameters.items():
        if name in ("weight", "bias"):
            conv = "Conv" in module.name
            number += prod(shape) * (places if conv else module.output[0])
            reason = _CONV if conv else _EACH
        elif "weight" in name or "bias" in name:
            number += prod(shape) * prod(module.output[:2])
            reason = _EACH
    if "ConvTranspose" in module.name:
        reason = "a transposed convolution is counted at each output, not at each input, and so is its bias"
    return [Count(module.name, number, module.macs, module.elementwise_flops, reason)]


TORCHINFO = Convention(
    "torchinfo", "torchinfo 1.8.0", "mult-adds", 1, _count, "summary(model, input_data=x, verbose=0).total_mult_adds"
)
