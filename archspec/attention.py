"""The torch modules of attention. Import it only to build a model: it imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override


class MultiHeadAttention(nn.Module):
    """Attention of x (N, L, E) to itself or to a memory (N, S, E), with the tensors of nn.MultiheadAttention.

    Source: Vaswani et al. 2017, "Attention is all you need", section 3.2.2.
    """

    if TYPE_CHECKING:
        in_proj_bias: nn.Parameter | None

    def __init__(
        self, width: int, num_heads: int, *, bias: bool = True, dropout: float = 0.0, causal: bool = False
    ) -> None:
        super().__init__()
        self.width = width
        self.num_heads = num_heads
        self.dropout = dropout
        self.causal = causal
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.register_parameter("in_proj_bias", nn.Parameter(torch.zeros(3 * width)) if bias else None)
        self.out_proj = nn.Linear(width, width, bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as nn.MultiheadAttention does."""
        nn.init.xavier_uniform_(self.in_proj_weight)
        self.out_proj.reset_parameters()
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                nn.init.zeros_(bias)

    @override
    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        if memory is None:
            query, key, value = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        else:
            weight, bias = self.in_proj_weight, self.in_proj_bias
            first, rest = (None, None) if bias is None else (bias[: self.width], bias[self.width :])
            query = F.linear(x, weight[: self.width], first)
            key, value = F.linear(memory, weight[self.width :], rest).chunk(2, -1)
        dropout = self.dropout if self.training else 0.0
        heads = F.scaled_dot_product_attention(
            self._heads(query), self._heads(key), self._heads(value), dropout_p=dropout, is_causal=self.causal
        )
        y: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2))
        return y

    def _heads(self, x: Tensor) -> Tensor:
        """(N, L, E) -> (N, heads, L, E / heads)."""
        return x.view(x.shape[0], x.shape[1], self.num_heads, self.width // self.num_heads).transpose(1, 2)

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"{self.width}, num_heads={self.num_heads}, dropout={self.dropout}, causal={self.causal}"


class WindowAttention(nn.Module):
    """Attention within windows of (N, H, W, C), which may be shifted, with a learned bias for relative positions.

    Source: Liu et al. 2021, "Swin Transformer", section 3.2. Its tensors are those of torchvision's
    ShiftedWindowAttention.
    """

    if TYPE_CHECKING:
        relative_position_index: Tensor

    def __init__(
        self, channels: int, num_heads: int, window_size: tuple[int, int], shift_size: tuple[int, int] = (0, 0), *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.window_size = window_size
        self.shift_size = shift_size
        height, width = window_size
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * height - 1) * (2 * width - 1), num_heads))
        self.register_buffer("relative_position_index", relative_positions(height, width))
        self.qkv = nn.Linear(channels, 3 * channels, bias)
        self.proj = nn.Linear(channels, channels, bias)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    @override
    def forward(self, x: Tensor) -> Tensor:
        n, height, width, channels = x.shape
        rows, columns = self.window_size
        below, right = -height % rows, -width % columns
        down = 0 if rows >= height + below else self.shift_size[0]
        across = 0 if columns >= width + right else self.shift_size[1]
        x = F.pad(x, [0, 0, 0, right, 0, below]).roll([-down, -across], [1, 2])
        vertical, horizontal = (height + below) // rows, (width + right) // columns
        x = x.view(n, vertical, rows, horizontal, columns, channels).transpose(2, 3)
        x = x.reshape(n, vertical * horizontal, rows * columns, channels)
        x = self._attend(x, self._bias(vertical, horizontal, down, across))
        x = x.view(n, vertical, horizontal, rows, columns, channels).transpose(2, 3)
        x = x.reshape(n, height + below, width + right, channels).roll([down, across], [1, 2])
        return x[:, :height, :width]

    def _attend(self, x: Tensor, bias: Tensor) -> Tensor:
        """Attention within each window: (N, windows, places, C) -> the same."""
        n, windows, places, channels = x.shape
        heads = self.qkv(x).view(n, windows, places, 3, self.num_heads, -1).permute(3, 0, 1, 4, 2, 5)
        y = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], attn_mask=bias.to(heads.dtype))
        y = y.transpose(2, 3).reshape(n, windows, places, channels)  # frees the other before the projection
        projected: Tensor = self.proj(y)
        return projected

    def _bias(self, vertical: int, horizontal: int, down: int, across: int) -> Tensor:
        """What is added to the scores: (windows or 1, heads, places, places)."""
        rows, columns = self.window_size
        places = rows * columns
        table = self.relative_position_bias_table[self.relative_position_index]
        bias = table.view(places, places, self.num_heads).permute(2, 0, 1).unsqueeze(0)
        if down + across == 0:
            return bias
        region = self._regions(vertical * rows, rows, down).unsqueeze(1) * 3
        region = region + self._regions(horizontal * columns, columns, across)
        region = region.view(vertical, rows, horizontal, columns).transpose(1, 2).reshape(-1, 1, 1, places)
        apart = region != region.transpose(2, 3)  # places that are no neighbours in the image
        return bias - 100.0 * apart

    def _regions(self, size: int, window: int, shift: int) -> Tensor:
        """For each place of a shifted axis, which part of the image it is from: 0 to 2."""
        place = torch.arange(size, device=self.relative_position_index.device)
        return (place >= size - window).long() + (place >= size - shift).long()

    def extra_repr(self) -> str:
        """The module's arguments, for `print(model)`."""
        return f"num_heads={self.num_heads}, window_size={self.window_size}, shift_size={self.shift_size}"


def relative_positions(height: int, width: int) -> Tensor:
    """For each pair of places in a window, the row of its bias in the table: (height*width)**2 integers."""
    places = torch.cartesian_prod(torch.arange(height), torch.arange(width))
    apart = places[:, None] - places[None, :] + torch.tensor([height - 1, width - 1])
    return (apart[..., 0] * (2 * width - 1) + apart[..., 1]).flatten()
