"""Zeros around sequences, images and volumes."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from typing_extensions import override

from archspec.ops.base import register_op
from archspec.ops.ranks import PerAxis, Ranked
from archspec.ops.reach import SAME, Reach, shifted
from archspec.ops.traits import AffectsSpace
from archspec.types import TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor

_SIDES = "a non-negative integer or a list [left, right, top, bottom]"
Sides = Annotated[tuple[int, ...], PerAxis(0, each=2, rule=_SIDES)]


class ZeroPad(Ranked):
    """What all ranks have: zeros at both ends of each axis, the last axis first."""

    main = "padding"

    padding: AffectsSpace[Sides] = Field(description="zeros to add: an integer, or [left, right, top, bottom]")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        added = [before + after for before, after in zip(self.padding[::2], self.padding[1::2], strict=True)]
        sizes = (size + more for size, more in zip(x.shape[2:], reversed(added), strict=True))
        return (TensorType((*x.shape[:2], *sizes), x.dtype),)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.zero_padded(x, tape.outputs[0].shape)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        before = reversed(self.padding[::2])
        return (Reach((None, (1, SAME), *[(d, shifted(-size)) for d, size in enumerate(before, start=2)])),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        module: nn.Module = getattr(nn, self.torch_name)(self.padding)
        return module


@register_op
class ZeroPad2d(ZeroPad):
    """Add zeros around height and width.

    Shapes: (N, C, H, W) -> (N, C, H + top + bottom, W + left + right).
    Cost: none.
    Errors: none beyond the input's rank.
    """

    op = "zero_pad2d"
    rank = 2
    torch_name = "ZeroPad2d"


@register_op
class ZeroPad1d(ZeroPad):
    """Add zeros at both ends of a sequence.

    Shapes: (N, C, L) -> (N, C, L + left + right).
    Cost: none.
    Errors: none beyond the input's rank.
    """

    op = "zero_pad1d"
    rank = 1
    torch_name = "ZeroPad1d"


@register_op
class ZeroPad3d(ZeroPad):
    """Add zeros around depth, height and width.

    Shapes: (N, C, D, H, W) -> (N, C, D + front + back, H + top + bottom, W + left + right).
    Cost: none.
    Errors: none beyond the input's rank.
    """

    op = "zero_pad3d"
    rank = 3
    torch_name = "ZeroPad3d"
