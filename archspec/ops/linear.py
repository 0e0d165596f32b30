"""The fully connected layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from archspec.ops.base import Op, PositiveInt, register_op
from archspec.types import Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn


@register_op
class Linear(Op):
    """Affine map of the last dimension: y = x Wᵀ + b.

    Shapes: (N, …, in_features) -> (N, …, out_features).
    Cost: N*…*in_features*out_features MACs; bias not counted.
    Errors: ShapeError if the input has no dimension beside the batch.
    """

    op = "linear"
    main = "out_features"

    out_features: PositiveInt = Field(description="size of the last dimension of the output")
    bias: bool = Field(True, description="add a learned bias to every output feature")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        if x.ndim < 2:
            raise ShapeError("needs at least a vector (features), got a single number")
        return (TensorType((*x.shape[:-1], self.out_features), x.dtype),)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        in_features = x.shape[-1]
        return Cost(macs=y.numel * in_features, params=self.out_features * (in_features + self.bias))

    @override
    def build(self, x: TensorType) -> nn.Module:
        from torch import nn

        return nn.Linear(x.shape[-1], self.out_features, self.bias)
