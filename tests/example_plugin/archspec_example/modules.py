"""The torch module of the op."""

import torch
from torch import Tensor, nn


class ChannelGate(nn.Module):
    """Multiply each channel by the sigmoid of a learned number: (N, C, …) -> the same."""

    def __init__(self, channels: int, sharpness: float) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(channels))
        self.sharpness = sharpness

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.sharpness * self.gate)
        return x * gate.reshape(-1, *[1] * (x.ndim - 2))
