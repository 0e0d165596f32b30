"""The torch modules of merges. Each takes a list of tensors. Import it only to build a model: it imports torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override


class Add(nn.Module):
    """The sum of all inputs, broadcast. It takes a list: TorchScript has no `*inputs`."""

    @override
    def forward(self, inputs: list[Tensor]) -> Tensor:
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total


class Mul(nn.Module):
    """The product of all inputs, broadcast. It takes a list, see `Add`."""

    @override
    def forward(self, inputs: list[Tensor]) -> Tensor:
        product = inputs[0]
        for other in inputs[1:]:
            product = product * other
        return product


class Sub(nn.Module):
    """The first input minus the second, broadcast. It takes a list, see `Add`."""

    @override
    def forward(self, inputs: list[Tensor]) -> Tensor:
        return inputs[0] - inputs[1]


class Div(nn.Module):
    """The first input divided by the second, broadcast. It takes a list, see `Add`."""

    @override
    def forward(self, inputs: list[Tensor]) -> Tensor:
        return inputs[0] / inputs[1]


class MatMul(nn.Module):
    """The matrix product of two inputs, (…, L, K) and (…, K, M) -> (…, L, M). It takes a list, see `Add`."""

    @override
    def forward(self, inputs: list[Tensor]) -> Tensor:
        return inputs[0] @ inputs[1]


class _AlongDim(nn.Module):
    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"dim={self.dim}"


class Concat(_AlongDim):
    """All inputs, one after another along `dim`. It takes a list, see `Add`."""

    @override
    def forward(self, inputs: list[Tensor]) -> Tensor:
        return torch.cat(inputs, self.dim)


class Stack(_AlongDim):
    """All inputs along a new dimension `dim`. It takes a list, see `Add`."""

    @override
    def forward(self, inputs: list[Tensor]) -> Tensor:
        return torch.stack(inputs, self.dim)


class Attention(nn.Module):
    """Scaled dot-product attention of a list [query, key, value] or [query, key, value, bias].

    Source: Vaswani et al. 2017, "Attention is all you need", section 3.2.1.
    """

    def __init__(self, *, causal: bool = False, scale: float | None = None) -> None:
        super().__init__()
        self.causal = causal
        self.scale = scale

    @override
    def forward(self, inputs: list[Tensor]) -> Tensor:
        bias = inputs[3] if len(inputs) > 3 else None
        return F.scaled_dot_product_attention(
            inputs[0], inputs[1], inputs[2], attn_mask=bias, is_causal=self.causal, scale=self.scale
        )

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"causal={self.causal}, scale={self.scale}"
