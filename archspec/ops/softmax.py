"""Softmax and its logarithm."""

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from typing_extensions import override

from archspec.ops.axes import axis
from archspec.ops.base import Op, register_op
from archspec.ops.fields import Dim
from archspec.ops.reach import Reach, same
from archspec.ops.traits import AffectsNothing, KeepsLayout, SquashesLogits, Trait
from archspec.types import Cost, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


class _Normalised(Op):
    """A softmax along one dimension."""

    main = "dim"
    traits: ClassVar[tuple[Trait, ...]] = (KeepsLayout(),)

    dim: AffectsNothing[Dim] = Field(description="the dim that sums to one, with the batch as 0; 1 for classes")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        axis(self.dim, x)
        return (x,)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        return (same(x.ndim, [self.dim % x.ndim]),)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=3 * x.numel)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.softmax(self.op, x)


@register_op
class Softmax(_Normalised):
    """exp(x) over its sum along `dim`. Not before a cross entropy, which takes logits.

    Shapes: any -> the same.
    Cost: 3 elementwise FLOPs per element: exponential, sum, division.
    Errors: ShapeError if there is no such dim, or if it is the batch.
    """

    op = "softmax"
    torch_name = "Softmax"
    traits = (KeepsLayout(), SquashesLogits())

    @override
    def build(self, x: TensorType) -> "nn.Module":
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
    torch_name = "LogSoftmax"

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.LogSoftmax(self.dim)
