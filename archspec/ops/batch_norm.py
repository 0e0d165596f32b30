"""Normalisation over the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from archspec.diagnostics.hints import WriteOp
from archspec.ops.base import Op, Probability, register_op
from archspec.ops.fields import PositiveFloat
from archspec.types import Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn


class BatchNorm(Op):
    """What both have: running statistics, and a learned factor and offset for each channel, which is dim 1."""

    eps: PositiveFloat = Field(1e-5, description="added to the variance")
    momentum: Probability | None = Field(
        0.1, description="weight of a new batch in the running statistics; null for a plain average"
    )
    affine: bool = Field(True, description="learn a factor and an offset per channel")
    track_running_stats: bool = Field(True, description="keep running statistics for evaluation")

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        channels = x.shape[1]
        return Cost(
            params=2 * channels * self.affine,
            buffers=(2 * channels + 1) * self.track_running_stats,
            elementwise_flops=2 * x.numel,
        )


@register_op
class BatchNorm2d(BatchNorm):
    """Normalise each channel over batch, height and width (Ioffe & Szegedy 2015, algorithm 1).

    Shapes: (N, C, H, W) -> the same.
    Cost: 2 elementwise FLOPs per element (scale and shift with the running statistics); 2*C parameters if
        affine; 2*C + 1 buffers (running mean, running variance, counter) if track_running_stats.
    Errors: none beyond the input's rank.
    """

    op = "batch_norm2d"
    ndim = 4

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (x,)

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.BatchNorm2d(x.shape[1], self.eps, self.momentum, self.affine, self.track_running_stats)


@register_op
class BatchNorm1d(BatchNorm):
    """Normalise each feature over the batch, or each channel over batch and length (Ioffe & Szegedy 2015).

    Shapes: (N, C) or (N, C, L) -> the same.
    Cost: 2 elementwise FLOPs per element (scale and shift with the running statistics); 2*C parameters if
        affine; 2*C + 1 buffers (running mean, running variance, counter) if track_running_stats.
    Errors: ShapeError for an input of another rank.
    """

    op = "batch_norm1d"

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        if x.ndim not in (2, 3):
            raise ShapeError(
                f"needs (features) or (channels, length), got {x.ndim - 1} dimensions",
                hint=WriteOp("batch_norm2d") if x.ndim == 4 else None, partial=x,
            )
        return (x,)

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.BatchNorm1d(x.shape[1], self.eps, self.momentum, self.affine, self.track_running_stats)
