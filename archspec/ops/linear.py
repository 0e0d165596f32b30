"""The fully connected layer."""

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from archspec.ops.base import Op, PositiveInt, register_op
from archspec.ops.parameters import ParamSpec, projection
from archspec.ops.reach import Reach, same
from archspec.ops.traits import AffectsChannels, AffectsNothing, Projects
from archspec.types import Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


@register_op
class Linear(Op):
    """Affine map of the last dimension: y = x Wᵀ + b.

    Shapes: (N, …, in_features) -> (N, …, out_features).
    Cost: N*…*in_features*out_features MACs; bias not counted.
    Errors: ShapeError if the input only has the batch dimension.
    """

    op = "linear"
    torch_name = "Linear"
    aliases = ("dense", "fc", "fully_connected")
    traits = (Projects(dim=-1, images="flatten"),)
    main = "out_features"

    out_features: AffectsChannels[PositiveInt] = Field(description="size of the last dimension of the output")
    bias: AffectsNothing[bool] = Field(True, description="add a learned bias to every output feature")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        if x.ndim < 2:
            raise ShapeError("needs at least a vector (features), got a single number")
        return (TensorType((*x.shape[:-1], self.out_features), x.dtype),)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(macs=y.numel * x.shape[-1])

    @override
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        return projection((self.out_features, x.shape[-1]), self.out_features, bias=self.bias)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.linear(x, tape.weights["weight"], tape.weights.get("bias"))

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        return (same(x.ndim, [x.ndim - 1]),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.Linear(x.shape[-1], self.out_features, self.bias)
