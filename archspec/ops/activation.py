"""Activation functions."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from archspec.diagnostics.hints import set_to
from archspec.ops.base import Op, PositiveInt, register_op
from archspec.ops.fields import FiniteFloat
from archspec.ops.parameters import ParamSpec, learned
from archspec.ops.traits import RECTIFIED, SIGMOID, TANH, AffectsNothing, Elementwise, Saturates, SquashesLogits, Trait
from archspec.types import Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


class Activation(Op):
    """A function of each element on its own.

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    traits: ClassVar[tuple[Trait, ...]] = (Elementwise(),)
    torch_name: ClassVar[str]  # whose first arguments are the fields
    saves: ClassVar[Literal["input", "output"]] = "input"  # what torch computes its gradient from

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (x,)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.activation(self.op, x, saves=self.saves)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        module: nn.Module = getattr(nn, self.torch_name)(*(getattr(self, name) for name in type(self).model_fields))
        return module


@register_op
class ReLU(Activation):
    """max(x, 0) (Nair & Hinton 2010)."""

    op = "relu"
    torch_name = "ReLU"
    saves = "output"
    traits = (Elementwise(), Saturates(RECTIFIED))


@register_op
class ReLU6(Activation):
    """min(max(x, 0), 6) (Howard et al. 2017, MobileNets)."""

    op = "relu6"
    torch_name = "ReLU6"
    traits = (Elementwise(), Saturates(RECTIFIED))


@register_op
class LeakyReLU(Activation):
    """x where positive, else negative_slope * x (Maas et al. 2013)."""

    op = "leaky_relu"
    main = "negative_slope"
    torch_name = "LeakyReLU"

    negative_slope: AffectsNothing[FiniteFloat] = Field(0.01, description="slope where x is negative")


@register_op
class PReLU(Activation):
    """x where positive, else a learned slope times x (He et al. 2015, "Delving deep into rectifiers").

    Shapes: (N, C, …) -> the same.
    Cost: one elementwise FLOP per element; num_parameters parameters.
    Errors: ShapeError if num_parameters is neither 1 nor C.
    """

    op = "prelu"
    main = "num_parameters"
    torch_name = "PReLU"

    num_parameters: AffectsNothing[PositiveInt] = Field(
        1, description="number of slopes: 1 for all channels, or one for each"
    )
    init: AffectsNothing[FiniteFloat] = Field(0.25, description="value of every slope at the start")

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
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        return {"weight": learned(self.num_parameters, init=self.init)}

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.prelu(x, tape.weights["weight"])


@register_op
class ELU(Activation):
    """x where positive, else alpha * (exp(x) - 1) (Clevert et al. 2015)."""

    op = "elu"
    main = "alpha"
    torch_name = "ELU"

    alpha: AffectsNothing[FiniteFloat] = Field(1.0, description="scale of the part where x is negative")


@register_op
class GELU(Activation):
    """x times the normal distribution function of x (Hendrycks & Gimpel 2016)."""

    op = "gelu"
    main = "approximate"
    torch_name = "GELU"

    approximate: AffectsNothing[Literal["none", "tanh"]] = Field(
        "none", description="`tanh` for the faster approximation"
    )


@register_op
class SiLU(Activation):
    """x * sigmoid(x) (Elfwing et al. 2017; swish of Ramachandran et al. 2017)."""

    op = "silu"
    aliases = ("swish",)
    torch_name = "SiLU"


@register_op
class Mish(Activation):
    """x * tanh(log(1 + exp(x))) (Misra 2019)."""

    op = "mish"
    torch_name = "Mish"


@register_op
class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""

    op = "sigmoid"
    torch_name = "Sigmoid"
    saves = "output"
    traits = (Elementwise(), Saturates(SIGMOID), SquashesLogits())


@register_op
class Tanh(Activation):
    """The hyperbolic tangent."""

    op = "tanh"
    torch_name = "Tanh"
    saves = "output"
    traits = (Elementwise(), Saturates(TANH))


@register_op
class Hardswish(Activation):
    """x * min(max(x + 3, 0), 6) / 6 (Howard et al. 2019, section 5.2)."""

    op = "hardswish"
    aliases = ("hswish",)
    torch_name = "Hardswish"


@register_op
class Hardsigmoid(Activation):
    """min(max(x + 3, 0), 6) / 6 (Howard et al. 2019, section 5.2)."""

    op = "hardsigmoid"
    aliases = ("hsigmoid",)
    torch_name = "Hardsigmoid"
    traits = (Elementwise(), Saturates(SIGMOID), SquashesLogits())


@register_op
class Abs(Activation):
    """The absolute value, as between the features of two images (Koch et al. 2015, section 3.1)."""

    op = "abs"
    torch_name = "Abs"
    aliases = ("absolute",)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.absolute(x)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import Abs as Module

        return Module()
