"""Activation functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field
from typing_extensions import override

from archspec.diagnostics.hints import set_to
from archspec.ops.base import Op, PositiveInt, register_op
from archspec.ops.fields import FiniteFloat
from archspec.types import Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn


class _Pointwise(Op):
    """An activation of each element on its own."""

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (x,)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel)


@register_op
class ReLU(_Pointwise):
    """max(x, 0) (Nair & Hinton 2010).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "relu"

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.ReLU()


@register_op
class ReLU6(_Pointwise):
    """min(max(x, 0), 6) (Howard et al. 2017, MobileNets).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "relu6"

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.ReLU6()


@register_op
class LeakyReLU(_Pointwise):
    """x where positive, else negative_slope * x (Maas et al. 2013).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "leaky_relu"
    main = "negative_slope"

    negative_slope: FiniteFloat = Field(0.01, description="slope where x is negative")

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.LeakyReLU(self.negative_slope)


@register_op
class PReLU(_Pointwise):
    """x where positive, else a learned slope times x (He et al. 2015, "Delving deep into rectifiers").

    Shapes: (N, C, …) -> the same.
    Cost: one elementwise FLOP per element; num_parameters parameters.
    Errors: ShapeError if num_parameters is neither 1 nor C.
    """

    op = "prelu"
    main = "num_parameters"

    num_parameters: PositiveInt = Field(1, description="number of slopes: 1 for all channels, or one for each")
    init: FiniteFloat = Field(0.25, description="value of every slope at the start")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        channels = x.shape[1] if x.ndim > 1 else 1
        if self.num_parameters > 1 and channels != self.num_parameters:
            raise ShapeError(
                f"num_parameters ({self.num_parameters}) is neither 1 nor the number of channels ({channels})",
                field="num_parameters", hint=set_to("num_parameters", channels),
                partial=x,
            )
        return (x,)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(params=self.num_parameters, elementwise_flops=x.numel)

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.PReLU(self.num_parameters, self.init)


@register_op
class ELU(_Pointwise):
    """x where positive, else alpha * (exp(x) - 1) (Clevert et al. 2015).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "elu"
    main = "alpha"

    alpha: FiniteFloat = Field(1.0, description="scale of the part where x is negative")

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.ELU(self.alpha)


@register_op
class GELU(_Pointwise):
    """x times the normal distribution function of x (Hendrycks & Gimpel 2016).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "gelu"
    main = "approximate"

    approximate: Literal["none", "tanh"] = Field("none", description="`tanh` for the faster approximation")

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.GELU(self.approximate)


@register_op
class SiLU(_Pointwise):
    """x * sigmoid(x) (Elfwing et al. 2017; swish of Ramachandran et al. 2017).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "silu"

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.SiLU()


@register_op
class Mish(_Pointwise):
    """x * tanh(log(1 + exp(x))) (Misra 2019).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "mish"

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.Mish()


@register_op
class Sigmoid(_Pointwise):
    """1 / (1 + exp(-x)).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "sigmoid"

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.Sigmoid()


@register_op
class Tanh(_Pointwise):
    """The hyperbolic tangent.

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "tanh"

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.Tanh()


@register_op
class Hardswish(_Pointwise):
    """x * min(max(x + 3, 0), 6) / 6 (Howard et al. 2019, section 5.2).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "hardswish"

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.Hardswish()


@register_op
class Hardsigmoid(_Pointwise):
    """min(max(x + 3, 0), 6) / 6 (Howard et al. 2019, section 5.2).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "hardsigmoid"

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.Hardsigmoid()
