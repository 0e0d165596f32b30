"""Normalisation of each channel of each sample."""

from math import prod
from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from archspec.diagnostics.hints import WriteLayer
from archspec.ops.base import Probability, register_op
from archspec.ops.batch_norm import RunningNorm
from archspec.ops.fields import NonNegativeFloat
from archspec.ops.norm import wider
from archspec.ops.traits import AffectsNothing, KeepsLayout, Normalises
from archspec.types import Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


class InstanceNorm(RunningNorm):
    """What all ranks have: each channel of a sample is normalised over all its positions."""

    traits = (Normalises(), KeepsLayout())

    eps: AffectsNothing[NonNegativeFloat] = Field(1e-5, description="added to the variance")
    momentum: AffectsNothing[Probability] = Field(0.1, description="weight of a new batch in the running statistics")
    affine: AffectsNothing[bool] = Field(False, description="learn a factor and an offset per channel")
    track_running_stats: AffectsNothing[bool] = Field(False, description="keep running statistics for evaluation")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        if prod(x.shape[2:]) == 1:
            hint = wider(x, WriteLayer("group_norm: 1", "which normalises over all channels"))
            one = "one pixel" if self.rank == 2 else "one value"
            raise ShapeError(f"{one} per channel has no variance", hint=hint, partial=x)
        return (x,)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel * (5 + 2 * self.affine))

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        weights = tape.weights
        running = (weights["running_mean"], weights["running_var"]) if self.track_running_stats else None
        batch = tape.training or running is None
        return tape.instance_norm(x, weights.get("weight"), weights.get("bias"), running, batch=batch)


@register_op
class InstanceNorm2d(InstanceNorm):
    """Normalise each channel of each image over height and width (Ulyanov et al. 2016).

    Shapes: (N, C, H, W) -> the same.
    Cost: per element 1 elementwise FLOP for the mean, 2 for the variance, 2 to normalise, 2 if affine;
        2*C parameters if affine; 2*C + 1 buffers if track_running_stats.
    Errors: ShapeError if the image is one pixel, which has no variance.
    """

    op = "instance_norm2d"
    aliases = ("in", "instancenorm")
    rank = 2
    torch_name = "InstanceNorm2d"


@register_op
class InstanceNorm1d(InstanceNorm):
    """Normalise each channel of each sequence over its length (Ulyanov et al. 2016).

    Shapes: (N, C, L) -> the same.
    Cost: per element 1 elementwise FLOP for the mean, 2 for the variance, 2 to normalise, 2 if affine;
        2*C parameters if affine; 2*C + 1 buffers if track_running_stats.
    Errors: ShapeError if the sequence is one position, which has no variance.
    """

    op = "instance_norm1d"
    rank = 1
    torch_name = "InstanceNorm1d"


@register_op
class InstanceNorm3d(InstanceNorm):
    """Normalise each channel of each volume over depth, height and width (Ulyanov et al. 2016).

    Shapes: (N, C, D, H, W) -> the same.
    Cost: per element 1 elementwise FLOP for the mean, 2 for the variance, 2 to normalise, 2 if affine;
        2*C parameters if affine; 2*C + 1 buffers if track_running_stats.
    Errors: ShapeError if the volume is one voxel, which has no variance.
    """

    op = "instance_norm3d"
    rank = 3
    torch_name = "InstanceNorm3d"
