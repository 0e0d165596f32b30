"""Pooling over sequences, images and volumes."""

from math import prod
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from archspec.diagnostics.hints import SetFields, lower_to, set_to
from archspec.ops.base import register_op
from archspec.ops.fields import clash
from archspec.ops.ranks import Margins, Ranked, Sizes
from archspec.ops.traits import AffectsNothing, AffectsSpace, Windowed
from archspec.ops.windows import Window, Windows, pair_text, slide
from archspec.text import sizes_text
from archspec.types import UNKNOWN, Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


class _SlidingPool(Ranked):
    """What max and average pooling share."""

    main = "kernel_size"
    traits = (Windowed(),)

    kernel_size: AffectsSpace[Sizes] = Field(description="size of the window, an integer or [height, width]")
    stride: AffectsSpace[Sizes] = Field(
        cast(Any, None), validate_default=True, description="step of the window; kernel_size by default"
    )
    padding: AffectsSpace[Margins] = Field(
        (0,), description="padding at each side, at most half of kernel_size"
    )
    ceil_mode: AffectsSpace[bool] = Field(
        False, description="keep a last window that extends past the end, instead of dropping it"
    )

    @field_validator("stride", mode="before")
    @classmethod
    def _kernel_size_by_default(cls, stride: Any, info: ValidationInfo) -> Any:
        return info.data.get("kernel_size", 1) if stride is None else stride

    @field_validator("padding", mode="before")
    @classmethod
    def _a_number(cls, padding: Any, info: ValidationInfo) -> Any:
        kernel = info.data.get("kernel_size")
        if kernel is not None and padding in ("same", "valid"):
            half = [(k - 1) // 2 if padding == "same" else 0 for k in kernel]
            raise clash(f"padding `{padding}` exists for convolutions only", set_to("padding", pair_text(half)))
        return padding

    @field_validator("padding")
    @classmethod
    def _at_most_half_the_kernel(cls, padding: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        kernel = info.data.get("kernel_size")
        if kernel is not None and any(p > k // 2 for p, k in zip(padding, kernel, strict=True)):
            half = f"half of kernel_size ({pair_text(kernel)})"
            raise clash(f"padding ({pair_text(padding)}) must be at most {half}")
        return padding

    @property
    def windows(self) -> Windows:
        """The window's geometry along each axis."""
        dilations = getattr(self, "dilation", (1,) * self.rank)
        axes = zip(self.kernel_size, self.stride, dilations, self.padding, strict=True)
        return tuple([Window(kernel, stride, d, pad, pad, self.ceil_mode) for kernel, stride, d, pad in axes])

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        half = tuple([kernel // 2 for kernel in self.kernel_size])
        return (slide(x, x.shape[1], self.windows, half, half_kernel=True),)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=y.numel * prod(self.kernel_size))


class MaxPool(_SlidingPool):
    """The largest value of each window, in any rank.

    Shapes: (N, C, …) -> (N, C, …), each further dim as that of max_pool2d.
    Cost: an elementwise FLOP for each element of a window, for each output.
    Errors: ShapeError if the window does not fit.
    """

    dilation: AffectsSpace[Sizes] = Field((1,), description="distance between the window's taps")

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        (y,) = tape.outputs
        flops = y.numel * prod(self.kernel_size)
        places = self.rank > 1 or tape.cuda  # a CPU needs none of a sequence's unless it computes a gradient
        return tape.max_pool(self.op, x, y.shape[2:], flops=flops, keeps_places=places)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        module: nn.Module = getattr(nn, self.torch_name)(
            self.kernel_size, self.stride, self.padding, self.dilation, ceil_mode=self.ceil_mode
        )
        return module


@register_op
class MaxPool2d(MaxPool):
    """The largest value of each window.

    Shapes: (N, C, H, W) -> (N, C, H', W'),
        H' = (H + 2*padding - dilation*(kernel_size-1) - 1) // stride + 1; with ceil_mode the quotient is
        rounded up, but the last window must start inside the input or the padding before it. W' likewise.
    Cost: kernel_h*kernel_w elementwise FLOPs per output.
    Errors: ShapeError if H' or W' < 1.
    """

    op = "max_pool2d"
    aliases = ("maxpool",)
    rank = 2
    torch_name = "MaxPool2d"


@register_op
class MaxPool1d(MaxPool):
    """The largest value of each window of a sequence.

    Shapes: (N, C, L) -> (N, C, L'), L' = (L + 2*padding - dilation*(kernel_size-1) - 1) // stride + 1; with
        ceil_mode as in max_pool2d.
    Cost: kernel_size elementwise FLOPs per output.
    Errors: ShapeError if L' < 1.
    """

    op = "max_pool1d"
    rank = 1
    torch_name = "MaxPool1d"


@register_op
class MaxPool3d(MaxPool):
    """The largest value of each window of a volume.

    Shapes: (N, C, D, H, W) -> (N, C, D', H', W'), each as H' of max_pool2d.
    Cost: kernel_d*kernel_h*kernel_w elementwise FLOPs per output.
    Errors: ShapeError if D', H' or W' < 1.
    """

    op = "max_pool3d"
    rank = 3
    torch_name = "MaxPool3d"


class AvgPool(_SlidingPool):
    """The mean of each window, in any rank.

    Shapes: (N, C, …) -> (N, C, …), each further dim as that of avg_pool2d.
    Cost: an elementwise FLOP for each element of a window, for each output.
    Errors: ShapeError if the window does not fit.
    """

    count_include_pad: AffectsNothing[bool] = Field(True, description="count the padding's zeros in the mean")

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        (y,) = tape.outputs
        return tape.avg_pool(self.op, x, y.shape[2:], flops=y.numel * prod(self.kernel_size))

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        module: nn.Module = getattr(nn, self.torch_name)(
            self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )
        return module


@register_op
class AvgPool2d(AvgPool):
    """The mean of each window.

    Shapes: (N, C, H, W) -> (N, C, H', W'), H' = (H + 2*padding - kernel_size) // stride + 1;
        with ceil_mode as in max_pool2d. W' likewise.
    Cost: kernel_h*kernel_w elementwise FLOPs per output.
    Errors: ShapeError if H' or W' < 1.
    """

    op = "avg_pool2d"
    aliases = ("avgpool",)
    rank = 2
    torch_name = "AvgPool2d"


@register_op
class AvgPool1d(AvgPool):
    """The mean of each window of a sequence.

    Shapes: (N, C, L) -> (N, C, L'), L' = (L + 2*padding - kernel_size) // stride + 1; with ceil_mode as in
        max_pool2d.
    Cost: kernel_size elementwise FLOPs per output.
    Errors: ShapeError if L' < 1.
    """

    op = "avg_pool1d"
    rank = 1
    torch_name = "AvgPool1d"


@register_op
class AvgPool3d(AvgPool):
    """The mean of each window of a volume.

    Shapes: (N, C, D, H, W) -> (N, C, D', H', W'), each as H' of avg_pool2d.
    Cost: kernel_d*kernel_h*kernel_w elementwise FLOPs per output.
    Errors: ShapeError if a window is larger than the input without its padding, which PyTorch refuses in this rank.
    """

    op = "avg_pool3d"
    rank = 3
    torch_name = "AvgPool3d"

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        pairs = list(zip(x.shape[2:], self.kernel_size, strict=True))
        if any(size < kernel for size, kernel in pairs):
            fitting = [size if size < kernel else kernel for size, kernel in pairs]
            margins = zip(self.padding, fitting, strict=True)
            padding = [pad if pad <= kernel // 2 else kernel // 2 for pad, kernel in margins]
            remedy = lower_to("kernel_size", pair_text(fitting))
            if tuple(padding) != self.padding:
                words = f"{remedy}, padding to {pair_text(padding)}"
                remedy = SetFields(words, kernel_size=pair_text(fitting), padding=pair_text(padding))
            raise ShapeError(
                f"{sizes_text(self.kernel_size)} window is larger than a {sizes_text(x.shape[2:])} input",
                field="kernel_size", hint=remedy, code="SHAPE101",
                partial=TensorType((*x.shape[:2], *[UNKNOWN] * 3), x.dtype),
            )
        return super().infer(x)
