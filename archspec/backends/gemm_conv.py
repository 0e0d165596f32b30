"""Convolutions of small maps as matrix products on a CPU.

oneDNN's kernels are designed for maps with many positions. For a convolution with few positions and many channels,
the weight gradient takes two to five times as long as an equivalent matrix product.
"""

from __future__ import annotations

from math import prod
from typing import Any, Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW: Final = 16  # the most positions of an output map for which a matrix product is faster


class GemmConv2d(nn.Conv2d):
    """A convolution whose windows become the rows of a matrix (Chellapilla et al. 2006, section 3).

    The result equals that of nn.Conv2d except for the order of sums. Activations are stored as NHWC.
    Only for one group, no dilation, and zero padding.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) → (N, C_out, H', W')."""
        weight, bias = self.weight, self.bias
        kind = x.device.type
        if torch.is_autocast_enabled(kind):
            dtype = torch.get_autocast_dtype(kind)
            x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
        result: Tensor = _Product.apply(x, weight, bias, self.stride, self.padding)
        return result

    @staticmethod
    def suits(layer: nn.Module, inputs: tuple[int, ...], outputs: tuple[int, ...], *, channels_last: bool) -> bool:
        """Whether this is the faster way to compute a layer with these shapes (N, C, H, W)."""
        small = channels_last and type(layer) is nn.Conv2d and prod(outputs[2:]) <= FEW
        return small and can_be_gemm(cast("nn.Conv2d", layer))


def can_be_gemm(layer: nn.Conv2d) -> bool:
    """Whether GemmConv2d covers this convolution."""
    plain = layer.groups == 1 and set(layer.dilation) == {1} and layer.padding_mode == "zeros"
    return plain and not isinstance(layer.padding, str)


def windows(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...]) -> Tensor:
    """(N, C, H, W) → (N, H', W', kernel height, kernel width, C), a view of the padded images if possible."""
    nhwc = x.permute(0, 2, 3, 1)
    vertical, horizontal = padding
    if vertical or horizontal:
        nhwc = F.pad(nhwc, (0, 0, horizontal, horizontal, vertical, vertical))
    return nhwc.unfold(1, kernel[0], stride[0]).unfold(2, kernel[1], stride[1]).permute(0, 1, 2, 4, 5, 3)


class _Product(torch.autograd.Function):
    """The convolution as an autograd function. All tensors have the same dtype."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, ...], padding: tuple[int, ...]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding, ctx.biased = stride, padding, bias is not None
        rows = windows(x, weight.shape[2:], stride, padding)
        size = rows.shape[:3]
        flat = rows.reshape(prod(size), -1)
        matrix = weight.permute(0, 2, 3, 1).reshape(len(weight), -1).t()
        product = flat @ matrix if bias is None else torch.addmm(bias, flat, matrix)
        return product.view(*size, -1).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        out, inputs, *kernel = weight.shape
        flat = gradient.permute(0, 2, 3, 1).reshape(-1, out)
        for_x = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            for_x = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, ctx.stride, ctx.padding, (1, 1), False, (0, 0), 1, (True, False, False)
            )[0]
        if ctx.needs_input_grad[1]:  # recompute the windows, which are several times as large as the images
            rows = windows(x, kernel, ctx.stride, ctx.padding).reshape(len(flat), -1)
            for_weight = (flat.t() @ rows).view(out, *kernel, inputs).permute(0, 3, 1, 2)
        if ctx.biased and ctx.needs_input_grad[2]:
            for_bias = flat.sum(0)
        return for_x, for_weight, for_bias, None, None
