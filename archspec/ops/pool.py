"""Pooling over NCHW activations."""

from math import prod
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from archspec.ops.base import NonNegativePair, Op, PositivePair, register_op
from archspec.ops.fields import clash
from archspec.ops.traits import AffectsNothing, AffectsSpace, Windowed
from archspec.ops.windows import Window, Windows, pair_text, slide
from archspec.types import Cost, TensorType

if TYPE_CHECKING:
    from torch import nn


class _SlidingPool(Op):
    """What max and average pooling share."""

    ndim = 4
    main = "kernel_size"
    traits = (Windowed(),)

    kernel_size: AffectsSpace[PositivePair] = Field(description="size of the window, an integer or [height, width]")
    stride: AffectsSpace[PositivePair] = Field(
        cast(Any, None), validate_default=True, description="step of the window; kernel_size by default"
    )
    padding: AffectsSpace[NonNegativePair] = Field(
        (0, 0), description="padding at each side, at most half of kernel_size"
    )
    ceil_mode: AffectsSpace[bool] = Field(
        False, description="keep a last window that extends past the end, instead of dropping it"
    )

    @field_validator("stride", mode="before")
    @classmethod
    def _kernel_size_by_default(cls, stride: Any, info: ValidationInfo) -> Any:
        return info.data.get("kernel_size", 1) if stride is None else stride

    @field_validator("padding")
    @classmethod
    def _at_most_half_the_kernel(cls, padding: tuple[int, int], info: ValidationInfo) -> tuple[int, int]:
        kernel = info.data.get("kernel_size")
        if kernel is not None and any(p > k // 2 for p, k in zip(padding, kernel, strict=True)):
            half = f"half of kernel_size ({pair_text(kernel)})"
            raise clash(f"padding ({pair_text(padding)}) must be at most {half}")
        return padding

    @property
    def windows(self) -> Windows:
        """The window's geometry along height and width."""
        return self._window(0), self._window(1)

    def _window(self, i: int, dilation: int = 1) -> Window:
        pad = self.padding[i]
        return Window(self.kernel_size[i], self.stride[i], dilation, pad, pad, self.ceil_mode)

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        h, w = self.kernel_size
        return (slide(x, x.shape[1], self.windows, (h // 2, w // 2), half_kernel=True),)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=y.numel * prod(self.kernel_size))


@register_op
class MaxPool2d(_SlidingPool):
    """The largest value of each window.

    Shapes: (N, C, H, W) -> (N, C, H', W'),
        H' = (H + 2*padding - dilation*(kernel_size-1) - 1) // stride + 1; with ceil_mode the quotient is
        rounded up, but the last window must start inside the input or the padding before it. W' likewise.
    Cost: kernel_h*kernel_w elementwise FLOPs per output.
    Errors: ShapeError if H' or W' < 1.
    """

    op = "max_pool2d"
    aliases = ("maxpool",)

    dilation: AffectsSpace[PositivePair] = Field((1, 1), description="distance between the window's taps")

    @property
    def windows(self) -> Windows:
        """The window's geometry along height and width."""
        return self._window(0, self.dilation[0]), self._window(1, self.dilation[1])

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.MaxPool2d(
            self.kernel_size, self.stride, self.padding, self.dilation, ceil_mode=self.ceil_mode
        )


@register_op
class AvgPool2d(_SlidingPool):
    """The mean of each window.

    Shapes: (N, C, H, W) -> (N, C, H', W'), H' = (H + 2*padding - kernel_size) // stride + 1;
        with ceil_mode as in max_pool2d. W' likewise.
    Cost: kernel_h*kernel_w elementwise FLOPs per output.
    Errors: ShapeError if H' or W' < 1.
    """

    op = "avg_pool2d"
    aliases = ("avgpool",)

    count_include_pad: AffectsNothing[bool] = Field(True, description="count the padding's zeros in the mean")

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.AvgPool2d(
            self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class _AdaptivePool(Op):
    """Pooling to a given size: output i sees the input from floor(i*H/H') to ceil((i+1)*H/H')."""

    ndim = 4
    main = "output_size"

    output_size: AffectsSpace[PositivePair] = Field(description="size of the output, an integer or [height, width]")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (TensorType((*x.shape[:2], *self.output_size), x.dtype),)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel)


@register_op
class AdaptiveAvgPool2d(_AdaptivePool):
    """The mean of each of output_size windows that together cover the input.

    Shapes: (N, C, H, W) -> (N, C, *output_size).
    Cost: one elementwise FLOP per input element (windows that overlap count once).
    Errors: none beyond the input's rank.
    """

    op = "adaptive_avg_pool2d"

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.AdaptiveAvgPool2d(self.output_size)


@register_op
class AdaptiveMaxPool2d(_AdaptivePool):
    """The largest value of each of output_size windows that together cover the input.

    Shapes: (N, C, H, W) -> (N, C, *output_size).
    Cost: one elementwise FLOP per input element (windows that overlap count once).
    Errors: none beyond the input's rank.
    """

    op = "adaptive_max_pool2d"

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.AdaptiveMaxPool2d(self.output_size)


@register_op
class GlobalAvgPool2d(Op):
    """The mean of each channel (Lin et al. 2013, "Network in network", section 3.2).

    Shapes: (N, C, H, W) -> (N, C, 1, 1).
    Cost: one elementwise FLOP per input element.
    Errors: none beyond the input's rank.
    """

    op = "global_avg_pool2d"
    aliases = ("gap",)
    ndim = 4

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (TensorType((*x.shape[:2], 1, 1), x.dtype),)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.AdaptiveAvgPool2d(1)
