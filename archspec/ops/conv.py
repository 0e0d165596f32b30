"""Convolution and transposed convolution of sequences, images and volumes."""

from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from archspec.diagnostics.hints import SetFields, lower_to, set_to
from archspec.ops.axes import dim_name
from archspec.ops.base import PositiveInt, register_op
from archspec.ops.fields import clash, set_to_divisor
from archspec.ops.parameters import ParamSpec, projection
from archspec.ops.ranks import Margins, PerAxis, Ranked, Sizes
from archspec.ops.reach import Reach, transposed
from archspec.ops.traits import AffectsChannels, AffectsNothing, AffectsSpace, Convolves, Windowed
from archspec.ops.windows import Window, Windows, pair_text, slide
from archspec.text import sizes_text
from archspec.types import UNKNOWN, Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor

_RULE = "a non-negative integer, a pair [height, width] of them, `same` or `valid`"
ConvPadding = Annotated[tuple[int, ...] | Literal["same", "valid"], PerAxis(0, words=("same", "valid"), rule=_RULE)]


class _GroupedOp(Ranked):
    """What both convolutions share: weights (out_channels, kernel_size), split into groups."""

    out_channels: AffectsChannels[PositiveInt] = Field(description="number of output channels")
    kernel_size: AffectsSpace[Sizes] = Field(description="size of the window, an integer or [height, width]")
    stride: AffectsSpace[Sizes] = Field((1,), description="step of the window, an integer or [height, width]")

    def _check_channels(self, x: TensorType, groups: int, partial: TensorType) -> None:
        channels = x.shape[1]
        if channels % groups:
            raise ShapeError(
                f"in_channels ({channels}) is not divisible by groups ({groups})",
                field="groups", hint=set_to_divisor("groups", groups, channels, self.out_channels),
                partial=partial,
            )


def _divides_out_channels(groups: int, info: ValidationInfo) -> int:
    out_channels = info.data.get("out_channels")
    if out_channels is not None and out_channels % groups:
        multiple = -(-out_channels // groups) * groups
        raise clash(
            f"out_channels ({out_channels}) is not divisible by groups ({groups})", set_to("out_channels", multiple)
        )
    return groups


class Conv(_GroupedOp):
    """Cross-correlation in any rank.

    Shapes: (N, C, …) -> (N, out_channels, …), each further dim as that of conv2d.
    Cost: (outputs)*(C/groups)*(elements of the window) MACs; bias not counted.
    Errors: ShapeError as conv2d.
    """

    traits = (Convolves(), Windowed())

    padding: AffectsSpace[ConvPadding] = Field(
        (0,), description="padding at each side: an integer, [height, width], `same` or `valid` (none)"
    )
    dilation: AffectsSpace[Sizes] = Field((1,), description="distance between the window's taps")
    groups: AffectsNothing[PositiveInt] = Field(
        1, description="number of independent groups of channels; C for depthwise"
    )
    bias: AffectsNothing[bool] = Field(True, description="add a learned bias to every output channel")
    padding_mode: AffectsNothing[Literal["zeros", "reflect", "replicate", "circular"]] = Field(
        "zeros", description="what the padding holds"
    )

    _groups_divide = field_validator("groups")(_divides_out_channels)

    @field_validator("padding")
    @classmethod
    def _same_needs_stride_1(cls, padding: Any, info: ValidationInfo) -> Any:
        if padding == "same" and any(step != 1 for step in info.data.get("stride", ())):
            half = [k // 2 for k in info.data.get("kernel_size", ())]
            rule = f"padding `same` needs stride 1, not {pair_text(info.data['stride'])}"
            raise clash(rule, set_to("padding", pair_text(half)) if half else None)
        return padding

    @property
    def windows(self) -> Windows:
        """The window's geometry along each axis, `same` and `valid` resolved as torch does."""
        return tuple(map(self._window, range(self.rank)))

    def _window(self, i: int) -> Window:
        kernel, stride, dilation = self.kernel_size[i], self.stride[i], self.dilation[i]
        if self.padding == "same":
            total = dilation * (kernel - 1)
            return Window(kernel, stride, dilation, before=total // 2, after=total - total // 2)
        pad = 0 if isinstance(self.padding, str) else self.padding[i]
        return Window(kernel, stride, dilation, before=pad, after=pad)

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        limits = self._padding_limits(x)
        y = slide(x, self.out_channels, self.windows, limits)
        self._check_channels(x, self.groups, y)
        if limits is not None:
            self._check_padding(x, limits, y)
        return (y,)

    def _check_padding(self, x: TensorType, limits: tuple[int, ...], partial: TensorType) -> None:
        for i, window in enumerate(self.windows):
            most = max(window.before, window.after)
            if most > limits[i]:
                rule = "smaller than" if self.padding_mode == "reflect" else "at most"
                name = "length" if self.rank == 1 else dim_name(2 + i, x.ndim)
                raise ShapeError(
                    f"{self.padding_mode} padding ({most}) must be {rule} {name} ({x.shape[2 + i]})",
                    field="padding_mode",
                    hint=SetFields("set padding_mode to zeros or replicate", padding_mode="zeros"),
                    partial=partial,
                )

    def _padding_limits(self, x: TensorType) -> tuple[int, ...] | None:
        sizes = x.shape[2:]
        if self.padding_mode == "reflect":
            return tuple([size - 1 for size in sizes])
        return sizes if self.padding_mode == "circular" else None

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(macs=y.numel * (x.shape[1] // self.groups) * prod(self.kernel_size))

    @override
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        shape = (self.out_channels, x.shape[1] // self.groups, *self.kernel_size)
        return projection(shape, self.out_channels, bias=self.bias)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        weights, (y,) = tape.weights, tape.outputs
        if self.padding_mode != "zeros":
            x = tape.padded(self.padding_mode, x, [window.before + window.after for window in self.windows])
        elif self.padding == "same" and any(window.before != window.after for window in self.windows):
            # torch pads by the difference, and the convolution by the same at both ends
            margins = [window.after - window.before for window in self.windows]
            x = tape.padded("zeros", x if tape.cuda else tape.lower(x)[0], margins)
        return tape.convolution(
            x, weights["weight"], weights.get("bias"), y.shape[2:], self.stride, self.dilation, groups=self.groups
        )

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        module: nn.Module = getattr(nn, self.torch_name)(
            x.shape[1], self.out_channels, self.kernel_size, self.stride, self.padding, self.dilation,
            self.groups, self.bias, self.padding_mode,
        )
        return module


@register_op
class Conv2d(Conv):
    """2-D cross-correlation over an NCHW activation (Dumoulin & Visin 2016, section 2).

    Shapes: (N, C, H, W) -> (N, out_channels, H', W'),
        H' = (H + 2*padding - dilation*(kernel_size-1) - 1) // stride + 1; W' likewise. `same` keeps H and W.
    Cost: N*H'*W'*out_channels*(C/groups)*kernel_h*kernel_w MACs; bias not counted.
    Errors: ShapeError if groups does not divide C, if H' or W' < 1, or if reflect or circular padding
        exceeds the input.
    """

    op = "conv2d"
    aliases = ("conv",)
    rank = 2
    torch_name = "Conv2d"


@register_op
class Conv1d(Conv):
    """1-D cross-correlation over a sequence, channels first (Dumoulin & Visin 2016, section 2).

    Shapes: (N, C, L) -> (N, out_channels, L'),
        L' = (L + 2*padding - dilation*(kernel_size-1) - 1) // stride + 1. `same` keeps L.
    Cost: N*L'*out_channels*(C/groups)*kernel_size MACs; bias not counted.
    Errors: ShapeError if groups does not divide C, if L' < 1, or if reflect or circular padding exceeds the input.
    """

    op = "conv1d"
    rank = 1
    torch_name = "Conv1d"


@register_op
class Conv3d(Conv):
    """3-D cross-correlation over a volume or video (Tran et al. 2015, section 3).

    Shapes: (N, C, D, H, W) -> (N, out_channels, D', H', W'),
        D' = (D + 2*padding - dilation*(kernel_size-1) - 1) // stride + 1; H', W' likewise. `same` keeps them.
    Cost: N*D'*H'*W'*out_channels*(C/groups)*kernel_d*kernel_h*kernel_w MACs; bias not counted.
    Errors: ShapeError if groups does not divide C, if D', H' or W' < 1, or if circular or reflect padding exceeds
        the input.
    """

    op = "conv3d"
    rank = 3
    torch_name = "Conv3d"


class ConvTranspose(_GroupedOp):
    """Transposed convolution in any rank.

    Shapes: (N, C, …) -> (N, out_channels, …), each further dim as that of conv_transpose2d.
    Cost: (inputs)*(out_channels/groups)*(elements of the window) MACs, cut-off positions included; bias not counted.
    Errors: ShapeError as conv_transpose2d.
    """

    traits = (Convolves(),)

    padding: AffectsSpace[Margins] = Field((0,), description="elements cut off at each side of the output")
    dilation: AffectsSpace[Sizes] = Field((1,), description="distance between the window's taps")
    output_padding: AffectsSpace[Margins] = Field(
        (0,), description="added to one side of the output; smaller than stride or dilation"
    )
    groups: AffectsNothing[PositiveInt] = Field(1, description="number of independent groups of channels")
    bias: AffectsNothing[bool] = Field(True, description="add a learned bias to every output channel")

    _groups_divide = field_validator("groups")(_divides_out_channels)

    @field_validator("output_padding")
    @classmethod
    def _smaller_than_stride_or_dilation(cls, pads: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if "stride" in info.data and "dilation" in info.data:
            for pad, stride, dilation in zip(pads, info.data["stride"], info.data["dilation"], strict=True):
                if pad >= max(stride, dilation):
                    rule = f"smaller than stride ({stride}) or dilation ({dilation})"
                    raise clash(f"output_padding ({pad}) must be {rule}")
        return pads

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        n, _, *sizes = x.shape
        full = [self._uncut(size, i) for i, size in enumerate(sizes)]
        out = [size - 2 * pad for size, pad in zip(full, self.padding, strict=True)]
        y = TensorType((n, self.out_channels, *(UNKNOWN if size < 1 else size for size in out)), x.dtype)
        if any(size < 1 for size in out):
            lower = [(f - 1) // 2 if o < 1 else p for f, o, p in zip(full, out, self.padding, strict=True)]
            raise ShapeError(
                f"padding {pair_text(self.padding)} leaves nothing of a {sizes_text(full)} output",
                field="padding", hint=lower_to("padding", pair_text(lower)),
                code="SHAPE101",
                partial=y,
            )
        self._check_channels(x, self.groups, y)
        return (y,)

    def _uncut(self, size: int, i: int) -> int:
        """The output's size on axis i before padding is cut off."""
        window = self.dilation[i] * (self.kernel_size[i] - 1) + 1
        return (size - 1) * self.stride[i] + window + self.output_padding[i]

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(macs=x.numel * (self.out_channels // self.groups) * prod(self.kernel_size))

    @override
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        shape = (x.shape[1], self.out_channels // self.groups, *self.kernel_size)
        return projection(shape, self.out_channels, bias=self.bias)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        weights, (y,) = tape.weights, tape.outputs
        uneven = any(more >= step for more, step in zip(self.output_padding, self.stride, strict=True))
        return tape.convolution(
            x, weights["weight"], weights.get("bias"), y.shape[2:], self.stride, self.dilation,
            groups=self.groups, transposed=True, uneven=uneven,
        )

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        fields = zip(self.kernel_size, self.stride, self.dilation, self.padding, strict=True)
        return (Reach((None, None, *[(d, transposed(*each)) for d, each in enumerate(fields, start=2)])),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        module: nn.Module = getattr(nn, self.torch_name)(
            x.shape[1], self.out_channels, self.kernel_size, self.stride, self.padding, self.output_padding,
            self.groups, self.bias, self.dilation,
        )
        return module


@register_op
class ConvTranspose2d(ConvTranspose):
    """Transposed convolution, the gradient of conv2d by its input (Dumoulin & Visin 2016, section 4).

    Shapes: (N, C, H, W) -> (N, out_channels, H', W'),
        H' = (H-1)*stride - 2*padding + dilation*(kernel_size-1) + output_padding + 1; W' likewise.
    Cost: N*H*W*C*(out_channels/groups)*kernel_h*kernel_w MACs, cut-off positions included; bias not counted.
    Errors: ShapeError if groups does not divide C, or H' or W' < 1.
    """

    op = "conv_transpose2d"
    aliases = ("deconv", "deconv2d", "transposed_conv2d")
    rank = 2
    torch_name = "ConvTranspose2d"


@register_op
class ConvTranspose1d(ConvTranspose):
    """Transposed convolution of a sequence, the gradient of conv1d by its input.

    Shapes: (N, C, L) -> (N, out_channels, L'),
        L' = (L-1)*stride - 2*padding + dilation*(kernel_size-1) + output_padding + 1.
    Cost: N*L*C*(out_channels/groups)*kernel_size MACs, cut-off positions included; bias not counted.
    Errors: ShapeError if groups does not divide C, or L' < 1.
    """

    op = "conv_transpose1d"
    aliases = ("deconv1d", "transposed_conv1d")
    rank = 1
    torch_name = "ConvTranspose1d"


@register_op
class ConvTranspose3d(ConvTranspose):
    """Transposed convolution of a volume, the gradient of conv3d by its input.

    Shapes: (N, C, D, H, W) -> (N, out_channels, D', H', W'),
        D' = (D-1)*stride - 2*padding + dilation*(kernel_size-1) + output_padding + 1; H', W' likewise.
    Cost: N*D*H*W*C*(out_channels/groups)*kernel_d*kernel_h*kernel_w MACs, cut-off positions included; bias not counted.
    Errors: ShapeError if groups does not divide C, or D', H' or W' < 1.
    """

    op = "conv_transpose3d"
    aliases = ("deconv3d", "transposed_conv3d")
    rank = 3
    torch_name = "ConvTranspose3d"
