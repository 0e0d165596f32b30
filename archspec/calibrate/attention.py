"""Fused attention to measure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import torch
import torch.nn.functional as F

from archspec.calibrate.sample import Place, Run, Sample, sample

# Sequences times heads, tokens, width of a head: of small windows, of vision transformers, of long sequences.
_SHAPES: Final = (
    (8, 16, 16), (64, 49, 32), (12, 64, 64), (24, 197, 64), (96, 197, 64), (8, 512, 64), (16, 256, 32), (2, 1024, 64),
    (12, 64, 32), (48, 64, 32), (12, 197, 64), (192, 49, 32), (24, 49, 32), (48, 100, 64), (24, 17, 64), (192, 16, 16),
    (6, 128, 64), (32, 128, 32), (96, 64, 64), (4, 32, 32), (16, 256, 64), (12, 160, 64), (32, 192, 32), (24, 130, 32),
)
# A GPU has work for many more at once.
_LARGE: Final = ((768, 197, 64), (4096, 49, 32), (192, 512, 64), (96, 1024, 64))


def attentions(place: Place) -> Iterator[Sample]:
    """Forward and backward passes of attention in one kernel."""
    width = place.dtype.itemsize
    for heads, tokens, size in _SHAPES + (_LARGE if place.device.type == "cuda" else ()):
        scores, count = heads * tokens * tokens, heads * tokens * size
        sums, geometry = (heads * tokens, 4), (heads * tokens, tokens, size)
        yield sample(
            "flash_attention", place, partial(_attention, place, heads, tokens, size), [(4 * count, width), sums],
            macs=2 * scores * size, flops=4 * scores, geometry=geometry,
        )
        yield sample(
            "flash_attention_backward", place, partial(_attention, place, heads, tokens, size, backward=True),
            [(8 * count, width), sums], macs=4 * scores * size, flops=8 * scores, geometry=geometry,
        )


def _attention(place: Place, heads: int, tokens: int, size: int, *, backward: bool = False) -> Run:
    q, k, v, gradient = (place.tensor(1, heads, tokens, size) for _ in range(4))
    if not backward:
        return partial(F.scaled_dot_product_attention, q, k, v)
    with torch.enable_grad():
        q, k, v = (x.clone().requires_grad_() for x in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v)
    return partial(torch.autograd.grad, y, (q, k, v), gradient, retain_graph=True)
