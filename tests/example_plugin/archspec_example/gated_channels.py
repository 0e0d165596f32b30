"""An op: a gate for each channel."""

from typing import TYPE_CHECKING

from pydantic import Field

from archspec import register_op
from archspec.ops import Op
from archspec.ops.fields import PositiveFloat
from archspec.ops.parameters import ParamSpec, learned
from archspec.ops.traits import AffectsNothing, KeepsLayout
from archspec.types import Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


@register_op
class GatedChannels(Op):
    """Multiply each channel by the sigmoid of a learned number.

    Shapes: (N, C, …) -> the same.
    Cost: 1 elementwise FLOP per element; C parameters.
    Errors: ShapeError if the input has no channels.
    """

    op = "gated_channels"
    aliases = ("channel_gate",)
    traits = (KeepsLayout(),)

    sharpness: AffectsNothing[PositiveFloat] = Field(1.0, description="factor of the learned number in the sigmoid")

    def infer(self, x: TensorType) -> tuple[TensorType]:
        if x.ndim < 2:
            raise ShapeError("needs channels, got no dimension beside the batch")
        return (x,)

    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel)

    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        return {"gate": learned(x.shape[1], init=0.0)}

    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":  # what the module runs
        gate = tape.activation("sigmoid", tape.scaled("mul", tape.weights["gate"]), saves="output")
        return tape.mul(x, tape.reshape(gate, (x.shape[1], *[1] * (x.ndim - 2))))

    def build(self, x: TensorType) -> "nn.Module":
        from archspec_example.modules import ChannelGate

        return ChannelGate(x.shape[1], self.sharpness)
