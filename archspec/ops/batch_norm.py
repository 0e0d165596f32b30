"""Normalisation over the batch."""

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from archspec.diagnostics.hints import Remedy
from archspec.ops.base import Probability, register_op
from archspec.ops.fields import PositiveFloat
from archspec.ops.parameters import ParamSpec, buffer, learned
from archspec.ops.ranks import Ranked
from archspec.ops.reach import Reach, same
from archspec.ops.traits import AffectsNothing, Affine, KeepsLayout, Normalises
from archspec.types import Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


def norm_parameters(channels: int, *, affine: bool, running: bool) -> dict[str, ParamSpec]:
    """A learned factor and offset for each channel, and its running statistics."""
    factor = {"weight": learned(channels, init=1.0), "bias": learned(channels, init=0.0)}
    statistics = {
        "running_mean": buffer(channels), "running_var": buffer(channels, init=1.0),
        "num_batches_tracked": buffer(dtype="int64"),
    }
    return (factor if affine else {}) | (statistics if running else {})


class RunningNorm(Ranked):
    """What batch and instance norms have: running statistics, and a factor and an offset for each channel (dim 1)."""

    eps: AffectsNothing[float]
    momentum: AffectsNothing[float | None]
    affine: AffectsNothing[bool]
    track_running_stats: AffectsNothing[bool]

    @override
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        return norm_parameters(x.shape[1], affine=self.affine, running=self.track_running_stats)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        return (same(x.ndim, () if self.track_running_stats else range(2, x.ndim)),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        fields = (self.eps, self.momentum, self.affine, self.track_running_stats)
        module: nn.Module = getattr(nn, self.torch_name)(x.shape[1], *fields)
        return module


class BatchNorm(RunningNorm):
    """What all ranks have: each channel is normalised over the batch and all positions."""

    traits = (Normalises(batch=True), Affine(), KeepsLayout())

    eps: AffectsNothing[PositiveFloat] = Field(1e-5, description="added to the variance")
    momentum: AffectsNothing[Probability | None] = Field(
        0.1, description="weight of a new batch in the running statistics; null for a plain average"
    )
    affine: AffectsNothing[bool] = Field(True, description="learn a factor and an offset per channel")
    track_running_stats: AffectsNothing[bool] = Field(True, description="keep running statistics for evaluation")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (x,)

    @override
    def for_rank(self, ndim: int) -> Remedy | None:
        return super().for_rank(3 if ndim == 2 else ndim)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=2 * x.numel)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        weights = tape.weights
        running = (weights["running_mean"], weights["running_var"]) if self.track_running_stats else None
        batch = tape.training or running is None
        return tape.batch_norm(x, weights.get("weight"), weights.get("bias"), running, batch=batch)


@register_op
class BatchNorm2d(BatchNorm):
    """Normalise each channel over batch, height and width (Ioffe & Szegedy 2015, algorithm 1).

    Shapes: (N, C, H, W) -> the same.
    Cost: 2 elementwise FLOPs per element (scale and shift with the running statistics); 2*C parameters if
        affine; 2*C + 1 buffers (running mean, running variance, counter) if track_running_stats.
    Errors: none beyond the input's rank.
    """

    op = "batch_norm2d"
    aliases = ("batchnorm", "batch_norm", "bn")
    rank = 2
    torch_name = "BatchNorm2d"


@register_op
class BatchNorm1d(BatchNorm):
    """Normalise each feature over the batch, or each channel over batch and length (Ioffe & Szegedy 2015).

    Shapes: (N, C) or (N, C, L) -> the same.
    Cost: 2 elementwise FLOPs per element (scale and shift with the running statistics); 2*C parameters if
        affine; 2*C + 1 buffers (running mean, running variance, counter) if track_running_stats.
    Errors: ShapeError for an input of another rank.
    """

    op = "batch_norm1d"
    rank = 1
    ndim = None
    torch_name = "BatchNorm1d"

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        if x.ndim not in (2, 3):
            raise ShapeError(
                f"needs (features) or (channels, length), got {x.ndim - 1} dimensions",
                hint=self.for_rank(x.ndim), partial=x,
            )
        return (x,)


@register_op
class BatchNorm3d(BatchNorm):
    """Normalise each channel over batch, depth, height and width (Ioffe & Szegedy 2015, algorithm 1).

    Shapes: (N, C, D, H, W) -> the same.
    Cost: 2 elementwise FLOPs per element (scale and shift with the running statistics); 2*C parameters if
        affine; 2*C + 1 buffers (running mean, running variance, counter) if track_running_stats.
    Errors: none beyond the input's rank.
    """

    op = "batch_norm3d"
    rank = 3
    torch_name = "BatchNorm3d"
