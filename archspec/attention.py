"""The torch modules of attention. Import it only to build a model: it imports torch."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override


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
