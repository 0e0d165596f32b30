"""Multiplication by a number."""

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from archspec.ops.base import Op, register_op
from archspec.ops.fields import FiniteFloat
from archspec.ops.traits import AffectsNothing, Affine, Elementwise
from archspec.types import Cost, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


@register_op
class Scale(Op):
    """A fixed number times the input. It is not learned: `layer_scale` learns a factor for each channel.

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "scale"
    torch_name = "Scale"
    aliases = ("rescale",)
    main = "factor"
    traits = (Elementwise(), Affine())

    factor: AffectsNothing[FiniteFloat] = Field(description="the number")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (x,)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.scaled("mul", x)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import Scale as Module

        return Module(self.factor)
