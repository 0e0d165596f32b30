"""Ops that change height and width without weights: interpolation."""

from fractions import Fraction
from struct import pack, unpack
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from typing_extensions import override

from archspec.diagnostics.hints import raise_to
from archspec.ops.base import Op, PositivePair, register_op
from archspec.ops.fields import ScalePair, clash
from archspec.ops.reach import SAME, Positions, Reach, resampled
from archspec.ops.traits import AffectsNothing, AffectsSpace
from archspec.text import sizes_text
from archspec.types import UNKNOWN, Cost, ShapeError, TensorType, is_unknown

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor

_EXACT = 2**53  # from here on a float no longer holds every integer
_FLOPS = {"nearest": 0, "bilinear": 7, "bicubic": 31}  # 4 or 16 products and their sum


@register_op
class Interpolate(Op):
    """Resize height and width, to a given size or by a factor.

    Shapes: (N, C, H, W) -> (N, C, *size), or (N, C, floor(H*scale_factor), floor(W*scale_factor)).
    Cost: per output 0 (nearest), 7 (bilinear) or 31 (bicubic) elementwise FLOPs.
    Errors: ShapeError if the output would be empty.
    """

    op = "interpolate"
    torch_name = "Upsample"
    aliases = ("resize",)
    likely = "scale_factor"
    ndim = 4

    size: AffectsSpace[PositivePair | None] = Field(
        None, description="size of the output, an integer or [height, width]"
    )
    scale_factor: AffectsSpace[ScalePair | None] = Field(
        None, examples=[2], description="factor of height and width, a number or [height, width]; instead of size"
    )
    mode: AffectsNothing[Literal["nearest", "bilinear", "bicubic"]] = Field(
        "nearest", description="how to compute pixels"
    )
    align_corners: AffectsNothing[bool | None] = Field(
        None, description="map corner pixels' centres onto each other; only for bilinear and bicubic"
    )

    @field_validator("align_corners")
    @classmethod
    def _not_for_nearest(cls, value: bool | None, info: ValidationInfo) -> bool | None:
        if value is not None and info.data.get("mode") == "nearest":
            raise clash("align_corners needs mode bilinear or bicubic")
        return value

    @model_validator(mode="after")
    def _size_or_factor(self) -> Self:
        if (self.size is None) == (self.scale_factor is None):
            raise clash("needs either size or scale_factor" + ("" if self.size is None else ", not both"))
        return self

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        n, c, *sizes = x.shape
        if self.scale_factor is None:
            return (TensorType((n, c, *(self.size or ())), x.dtype),)
        out = [_scaled(size, factor) for size, factor in zip(sizes, self.scale_factor, strict=True)]
        if any(size < 1 for size in out):
            least = max(_least_factor(size) for size, new in zip(sizes, out, strict=True) if new < 1)
            raise ShapeError(
                f"scale_factor {self._factor_text()} leaves nothing of a {sizes_text(sizes)} input",
                field="scale_factor", hint=raise_to("scale_factor", least),
                partial=TensorType((n, c, *(UNKNOWN if size < 1 else size for size in out)), x.dtype),
            )
        return (TensorType((n, c, *out), x.dtype),)

    def _factor_text(self) -> str:
        h, w = self.scale_factor or (1, 1)
        return f"{h:g}" if h == w else f"[{h:g}, {w:g}]"

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=_FLOPS[self.mode] * y.numel)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        if tape.cuda:
            (x,) = tape.raise_(x)
        (y,) = tape.outputs
        return tape.moved(f"upsample_{self.mode}2d", x, y.shape, flops=_FLOPS[self.mode] * y.numel,
                          back_in_order=self.mode == "bicubic")

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        corners = bool(self.align_corners)
        each = [resampled(self._ratio(k, x, y), self.mode, corners=corners) for k in (0, 1)]
        if self.mode == "nearest":
            each = [_rounded(positions, size) for positions, size in zip(each, y.shape[2:], strict=True)]
        return (Reach((None, (1, SAME), (2, each[0]), (3, each[1]))),)

    def _ratio(self, k: int, x: TensorType, y: TensorType) -> Fraction:
        """How far apart the centres of two outputs lie in the input, as torch takes it: from sizes, or the factor.

        Nearest, torch's CPU copies a dimension whose size stays or doubles, whatever the factor (nearest_idx in
        aten/src/ATen/native/UpSample.h).
        """
        size, output = x.shape[2 + k], y.shape[2 + k]
        if self.align_corners:
            return Fraction(size - 1, output - 1) if output > 1 else Fraction(0)
        if self.scale_factor is None or (self.mode == "nearest" and output in (size, 2 * size)):
            return Fraction(size, output)
        return 1 / Fraction(self.scale_factor[k]).limit_denominator(1000)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.Upsample(self.size, self.scale_factor, self.mode, self.align_corners)


@register_op
class Upsample(Interpolate):
    """The same as interpolate, under the name of torch.nn's module.

    Shapes: (N, C, H, W) -> (N, C, *size), or (N, C, floor(H*scale_factor), floor(W*scale_factor)).
    Cost: as interpolate.
    Errors: ShapeError if the output would be empty.
    """

    op = "upsample"


def _rounded(positions: Positions, size: int) -> Positions:
    """The positions of nearest pixels, with the one before where torch's product of single precision falls short of it.

    size: of the output.
    """
    step, period = positions.step, positions.period
    ratio = _single(step / period)
    if any(int(_single(ratio * j)) < step * j // period for j in range(0, size, period)):
        first, *others = positions.ranges
        return positions._replace(ranges=((first[0] - 1, first[1]), *others))
    return positions


def _single(number: float) -> float:
    """The nearest number of single precision."""
    rounded: float = unpack("f", pack("f", number))[0]
    return rounded


def _scaled(size: int, factor: float) -> int:
    """floor(size * factor), rounded as torch's double product is; exact where a double would not hold it."""
    if is_unknown(size):
        return UNKNOWN
    if size < _EXACT and size * factor < _EXACT:
        return int(size * factor)
    return int(size * Fraction(factor))


def _least_factor(size: int) -> float:
    """A short number not far above 1/size, by which one pixel is left."""
    digits = 10 ** (len(str(size)) + 2)
    return float(Fraction(-(-digits // size), digits))
