"""Ops that reduce dimensions to one value."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field
from typing_extensions import override

from archspec.diagnostics.hints import set_to
from archspec.ops.axes import axis
from archspec.ops.base import Op, register_op
from archspec.ops.fields import int_list, int_list_schema
from archspec.ops.reach import SAME, Reach
from archspec.types import Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor

Dims = Annotated[
    tuple[int, ...],
    BeforeValidator(int_list(-64, "a dim or a list of dims, with the batch as 0", bare=True)),
    int_list_schema(-64, bare=True),
]


class _Reduction(Op):
    """What reductions share.

    Shapes: (N, …) -> without the dims of `dim`, or with size 1 in them if keepdim.
    Cost: one elementwise FLOP per input element.
    Errors: ShapeError if there is no such dim, if it is the batch, or if a dim is named twice.
    """

    main = "dim"

    dim: Dims = Field(description="the dim to reduce, or a list of them, with the batch as 0")
    keepdim: bool = Field(False, description="keep the dims with size 1")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        dims = [axis(dim, x) for dim in self.dim]
        if len(set(dims)) < len(dims):
            hint = set_to("dim", [*dict.fromkeys(dims)])
            raise ShapeError(f"dim {list(self.dim)} names a dim twice", field="dim", hint=hint)
        kept = [1 if d in dims else size for d, size in enumerate(x.shape) if self.keepdim or d not in dims]
        return (x.reshaped(*kept),)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        mixed = {d % x.ndim for d in self.dim}
        kept = [d for d in range(1, x.ndim) if self.keepdim or d not in mixed]
        return (Reach((None, *[None if d in mixed else (d, SAME) for d in kept])),)

    @override
    def cost(self, x: TensorType, y: TensorType) -> Cost:
        return Cost(elementwise_flops=x.numel)


@register_op
class Mean(_Reduction):
    """The mean over dims, such as over the tokens of a transformer.

    Shapes: (N, …) -> without the dims of `dim`, or with size 1 in them if keepdim.
    Cost: one elementwise FLOP per input element.
    Errors: ShapeError if there is no such dim, if it is the batch, or if a dim is named twice.
    """

    op = "mean"
    torch_name = "Mean"
    aliases = ("average", "reduce_mean")

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.reduced("mean", x, [d % x.ndim for d in self.dim], tape.outputs[0].shape)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import Mean as Module

        return Module(self.dim, keepdim=self.keepdim)


@register_op
class Max(_Reduction):
    """The largest value over dims.

    Shapes: (N, …) -> without the dims of `dim`, or with size 1 in them if keepdim.
    Cost: one elementwise FLOP per input element.
    Errors: ShapeError if there is no such dim, if it is the batch, or if a dim is named twice.
    """

    op = "max"
    torch_name = "Max"
    aliases = ("amax", "reduce_max")

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.reduced("amax", x, [d % x.ndim for d in self.dim], tape.outputs[0].shape)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import Max as Module

        return Module(self.dim, keepdim=self.keepdim)
