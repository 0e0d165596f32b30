"""Ops that move values between channels, or from channels to pixels."""

from fractions import Fraction
from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from archspec.diagnostics.hints import GiveChannels
from archspec.ops.base import Op, PositiveInt, register_op
from archspec.ops.fields import set_to_divisor
from archspec.ops.reach import Reach, resampled, same, sliding
from archspec.ops.traits import AffectsNothing
from archspec.ops.windows import Window
from archspec.types import UNKNOWN, ShapeError, TensorType, is_unknown

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


@register_op
class ChannelShuffle(Op):
    """Interleave groups of channels (Zhang et al. 2017, ShuffleNet, section 3.1).

    Shapes: (N, C, H, W) -> the same.
    Cost: none.
    Errors: ShapeError if groups does not divide C.
    """

    op = "channel_shuffle"
    torch_name = "ChannelShuffle"
    main = "groups"
    ndim = 4

    groups: AffectsNothing[PositiveInt] = Field(description="number of groups of channels to interleave")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        channels = x.shape[1]
        if channels % self.groups:
            raise ShapeError(
                f"channels ({channels}) are not divisible by groups ({self.groups})",
                field="groups", hint=set_to_divisor("groups", self.groups, channels),
                partial=x,
            )
        return (x,)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        if not (tape.cuda or tape.meta):
            return tape.moved("channel_shuffle", x, x.shape)
        n, channels, *sizes = x.shape  # there is a kernel for CPUs alone
        y = tape.permute(tape.reshape(x, (n, self.groups, channels // self.groups, *sizes)), (0, 2, 1, 3, 4))
        return tape.reshape(tape.contiguous(y), x.shape)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        return (same(x.ndim, [1]),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.ChannelShuffle(self.groups)


def _channels(channels: int, divisor: int) -> int:
    """The channels that are probably meant: so many after the shuffle, or the next number that `divisor` divides."""
    return channels * divisor if channels < divisor else -(-channels // divisor) * divisor


@register_op
class PixelShuffle(Op):
    """Turn channels into resolution (Shi et al. 2016, ESPCN, section 3.2).

    Shapes: (N, C, H, W) -> (N, C/r², H*r, W*r) with r = upscale_factor.
    Cost: none.
    Errors: ShapeError if upscale_factor² does not divide C.
    """

    op = "pixel_shuffle"
    torch_name = "PixelShuffle"
    aliases = ("depth_to_space",)
    main = "upscale_factor"
    ndim = 4

    upscale_factor: PositiveInt = Field(description="factor by which height and width grow")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        n, c, h, w = x.shape
        r = self.upscale_factor
        if c % r**2:
            raise ShapeError(
                f"channels ({c}) are not divisible by upscale_factor² ({r**2})",
                field="upscale_factor", hint=GiveChannels(_channels(c, r**2)),
                partial=TensorType((n, UNKNOWN, h * r, w * r), x.dtype),
            )
        return (TensorType((n, c // r**2, h * r, w * r), x.dtype),)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.moved("pixel_shuffle", x, tape.outputs[0].shape, in_order=tape.cuda)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        cells = resampled(Fraction(1, self.upscale_factor), "nearest", corners=False)
        return (Reach((None, None, (2, cells), (3, cells))),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.PixelShuffle(self.upscale_factor)


@register_op
class PixelUnshuffle(Op):
    """Turn resolution into channels, the inverse of pixel_shuffle.

    Shapes: (N, C, H, W) -> (N, C*r², H/r, W/r) with r = downscale_factor.
    Cost: none.
    Errors: ShapeError if downscale_factor does not divide H and W.
    """

    op = "pixel_unshuffle"
    torch_name = "PixelUnshuffle"
    aliases = ("space_to_depth",)
    main = "downscale_factor"
    ndim = 4

    downscale_factor: PositiveInt = Field(description="factor by which height and width shrink")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        n, c, h, w = x.shape
        r = self.downscale_factor
        for name, size in (("height", h), ("width", w)):
            if size % r:
                known = [side for side in (h, w) if not is_unknown(side)]
                raise ShapeError(
                    f"{name} ({size}) is not divisible by downscale_factor ({r})",
                    field="downscale_factor", hint=set_to_divisor("downscale_factor", r, *known),
                    partial=TensorType((n, c * r**2, UNKNOWN, UNKNOWN), x.dtype),
                )
        return (TensorType((n, c * r**2, h // r, w // r), x.dtype),)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.moved("pixel_unshuffle", x, tape.outputs[0].shape, in_order=tape.cuda)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        cells = sliding(Window(self.downscale_factor, self.downscale_factor))
        return (Reach((None, None, (2, cells), (3, cells))),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.PixelUnshuffle(self.downscale_factor)
