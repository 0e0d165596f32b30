"""Activation functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from archspec.ops.axes import axis
from archspec.ops.base import Op, register_op
from archspec.ops.fields import Dim, FiniteFloat
from archspec.tensors import Cost, Tensor

if TYPE_CHECKING:
    from torch import nn


class _Pointwise(Op):
    """An activation of each element on its own."""

    def infer(self, x: Tensor) -> Tensor:
        """See the class."""
        return x

    def cost(self, x: Tensor, y: Tensor) -> Cost:
        """See the class."""
        return Cost(elementwise_flops=x.numel)


@register_op
class ReLU(_Pointwise):
    """max(x, 0) (Nair & Hinton 2010).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "relu"

    def build(self, x: Tensor) -> nn.Module:
        """See the class."""
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

    def build(self, x: Tensor) -> nn.Module:
        """See the class."""
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

    def build(self, x: Tensor) -> nn.Module:
        """See the class."""
        from torch import nn

        return nn.LeakyReLU(self.negative_slope)


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

    def build(self, x: Tensor) -> nn.Module:
        """See the class."""
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

    def build(self, x: Tensor) -> nn.Module:
        """See the class."""
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

    def build(self, x: Tensor) -> nn.Module:
        """See the class."""
        from torch import nn

        return nn.SiLU()


@register_op
class Sigmoid(_Pointwise):
    """1 / (1 + exp(-x)).

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "sigmoid"

    def build(self, x: Tensor) -> nn.Module:
        """See the class."""
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

    def build(self, x: Tensor) -> nn.Module:
        """See the class."""
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

    def build(self, x: Tensor) -> nn.Module:
        """See the class."""
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

    def build(self, x: Tensor) -> nn.Module:
        """See the class."""
        from torch import nn

        return nn.Hardsigmoid()


class _Normalised(Op):
    """A softmax along one dimension."""

    main = "dim"

    dim: Dim = Field(description="the dim that sums to one, the batch being 0; 1 for classes")

    def infer(self, x: Tensor) -> Tensor:
        """See the class."""
        axis(self.dim, x)
        return x

    def cost(self, x: Tensor, y: Tensor) -> Cost:
        """See the class."""
        return Cost(elementwise_flops=3 * x.numel)


@register_op
class Softmax(_Normalised):
    """exp(x) over its sum along `dim`. Not before a cross entropy, which takes logits.

    Shapes: any -> the same.
    Cost: 3 elementwise FLOPs per element: exponential, sum, division.
    Errors: ShapeError if there is no such dim, or if it is the batch.
    """

    op = "softmax"

    def build(self, x: Tensor) -> nn.Module:
        """See the class."""
        from torch import nn

        return nn.Softmax(self.dim)


@register_op
class LogSoftmax(_Normalised):
    """The logarithm of softmax along `dim`, computed stably.

    Shapes: any -> the same.
    Cost: 3 elementwise FLOPs per element: exponential, sum, subtraction.
    Errors: ShapeError if there is no such dim, or if it is the batch.
    """

    op = "log_softmax"

    def build(self, x: Tensor) -> nn.Module:
        """See the class."""
        from torch import nn

        return nn.LogSoftmax(self.dim)
