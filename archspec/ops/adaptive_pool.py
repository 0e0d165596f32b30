"""Pooling to a given size, over sequences, images and volumes."""

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from typing_extensions import override

from archspec.ops.base import register_op
from archspec.ops.ranks import Ranked, Sizes
from archspec.ops.reach import SAME, Reach, adaptive
from archspec.ops.traits import AffectsSpace
from archspec.types import Cost, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


class _ToSize(Ranked):
    """What gives each channel a size of its own. Output i of H' sees the input from floor(i*H/H') to ceil((i+1)*H/H').

    Shapes: (N, C, …) -> (N, C, *output_size).
    Cost: one elementwise FLOP per input element (windows that overlap count once).
    Errors: none beyond the input's rank.
    """

    keeps_places: ClassVar[bool] = False  # of the largest values, for backward

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (TensorType((*x.shape[:2], *self._size()), x.dtype),)

    def _size(self) -> tuple[int, ...]:
        raise NotImplementedError

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        size = tape.outputs[0].shape[2:]
        if self.keeps_places:
            return tape.max_pool(self.op, x, size, flops=x.numel)
        if set(size) == {1}:  # torch computes this case as a mean
            return tape.mean(x)
        return tape.avg_pool(self.op, x, size, flops=x.numel)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        sizes = zip(x.shape[2:], y.shape[2:], strict=True)
        return (Reach((None, (1, SAME), *[(d, adaptive(*each)) for d, each in enumerate(sizes, start=2)])),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        module: nn.Module = getattr(nn, self.torch_name)(self._size())
        return module


class AdaptivePool(_ToSize):
    """Pooling to output_size, in any rank."""

    main = "output_size"

    output_size: AffectsSpace[Sizes] = Field(description="size of the output, an integer or [height, width]")

    @override
    def _size(self) -> tuple[int, ...]:
        return self.output_size


class GlobalPool(_ToSize):
    """Pooling of each channel to one value, in any rank."""

    @override
    def _size(self) -> tuple[int, ...]:
        return (1,) * self.rank

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        module: nn.Module = getattr(nn, self.torch_name)(1)
        return module


@register_op
class AdaptiveAvgPool2d(AdaptivePool):
    """The mean of each of output_size windows that together cover the input.

    Shapes: (N, C, H, W) -> (N, C, *output_size).
    Cost: one elementwise FLOP per input element (windows that overlap count once).
    Errors: none beyond the input's rank.
    """

    op = "adaptive_avg_pool2d"
    rank = 2
    torch_name = "AdaptiveAvgPool2d"


@register_op
class AdaptiveAvgPool1d(AdaptivePool):
    """The mean of each of output_size windows that together cover the sequence.

    Shapes: (N, C, L) -> (N, C, *output_size).
    Cost: one elementwise FLOP per input element (windows that overlap count once).
    Errors: none beyond the input's rank.
    """

    op = "adaptive_avg_pool1d"
    rank = 1
    torch_name = "AdaptiveAvgPool1d"


@register_op
class AdaptiveAvgPool3d(AdaptivePool):
    """The mean of each of output_size windows that together cover the volume.

    Shapes: (N, C, D, H, W) -> (N, C, *output_size).
    Cost: one elementwise FLOP per input element (windows that overlap count once).
    Errors: none beyond the input's rank.
    """

    op = "adaptive_avg_pool3d"
    rank = 3
    torch_name = "AdaptiveAvgPool3d"


@register_op
class AdaptiveMaxPool2d(AdaptivePool):
    """The largest value of each of output_size windows that together cover the input.

    Shapes: (N, C, H, W) -> (N, C, *output_size).
    Cost: one elementwise FLOP per input element (windows that overlap count once).
    Errors: none beyond the input's rank.
    """

    op = "adaptive_max_pool2d"
    rank = 2
    torch_name = "AdaptiveMaxPool2d"
    keeps_places = True


@register_op
class AdaptiveMaxPool1d(AdaptivePool):
    """The largest value of each of output_size windows that together cover the sequence.

    Shapes: (N, C, L) -> (N, C, *output_size).
    Cost: one elementwise FLOP per input element (windows that overlap count once).
    Errors: none beyond the input's rank.
    """

    op = "adaptive_max_pool1d"
    rank = 1
    torch_name = "AdaptiveMaxPool1d"
    keeps_places = True


@register_op
class AdaptiveMaxPool3d(AdaptivePool):
    """The largest value of each of output_size windows that together cover the volume.

    Shapes: (N, C, D, H, W) -> (N, C, *output_size).
    Cost: one elementwise FLOP per input element (windows that overlap count once).
    Errors: none beyond the input's rank.
    """

    op = "adaptive_max_pool3d"
    rank = 3
    torch_name = "AdaptiveMaxPool3d"
    keeps_places = True


@register_op
class GlobalAvgPool2d(GlobalPool):
    """The mean of each channel (Lin et al. 2013, "Network in network", section 3.2).

    Shapes: (N, C, H, W) -> (N, C, 1, 1).
    Cost: one elementwise FLOP per input element.
    Errors: none beyond the input's rank.
    """

    op = "global_avg_pool2d"
    aliases = ("gap",)
    rank = 2
    torch_name = "AdaptiveAvgPool2d"


@register_op
class GlobalAvgPool1d(GlobalPool):
    """The mean of each channel of a sequence.

    Shapes: (N, C, L) -> (N, C, 1).
    Cost: one elementwise FLOP per input element.
    Errors: none beyond the input's rank.
    """

    op = "global_avg_pool1d"
    rank = 1
    torch_name = "AdaptiveAvgPool1d"


@register_op
class GlobalAvgPool3d(GlobalPool):
    """The mean of each channel of a volume.

    Shapes: (N, C, D, H, W) -> (N, C, 1, 1, 1).
    Cost: one elementwise FLOP per input element.
    Errors: none beyond the input's rank.
    """

    op = "global_avg_pool3d"
    rank = 3
    torch_name = "AdaptiveAvgPool3d"


@register_op
class GlobalMaxPool2d(GlobalPool):
    """The largest value of each channel (Oquab et al. 2015, section 3).

    Shapes: (N, C, H, W) -> (N, C, 1, 1).
    Cost: one elementwise FLOP per input element.
    Errors: none beyond the input's rank.
    """

    op = "global_max_pool2d"
    rank = 2
    torch_name = "AdaptiveMaxPool2d"
    keeps_places = True


@register_op
class GlobalMaxPool1d(GlobalPool):
    """The largest value of each channel of a sequence.

    Shapes: (N, C, L) -> (N, C, 1).
    Cost: one elementwise FLOP per input element.
    Errors: none beyond the input's rank.
    """

    op = "global_max_pool1d"
    rank = 1
    torch_name = "AdaptiveMaxPool1d"
    keeps_places = True


@register_op
class GlobalMaxPool3d(GlobalPool):
    """The largest value of each channel of a volume.

    Shapes: (N, C, D, H, W) -> (N, C, 1, 1, 1).
    Cost: one elementwise FLOP per input element.
    Errors: none beyond the input's rank.
    """

    op = "global_max_pool3d"
    rank = 3
    torch_name = "AdaptiveMaxPool3d"
    keeps_places = True
