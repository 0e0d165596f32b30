"""Ops that join branches into one output."""

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from archspec.ops.agreement import check_dtypes, check_equal, joined, limit
from archspec.ops.axes import axis
from archspec.ops.base import Merge, register_op
from archspec.ops.fields import Dim
from archspec.ops.reach import SAME, Reach, broadcast, same
from archspec.ops.traits import KeepsLayout
from archspec.types import ANY, Cost, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


class _Broadcast(Merge):
    """What add and mul share: all inputs are broadcast to one shape."""

    traits = (KeepsLayout(),)

    @override
    def infer(self, *inputs: TensorType) -> tuple[TensorType]:
        check_equal(inputs, "SHAPE103", broadcast=True)
        return (joined(inputs, broadcast=True),)

    @override
    def reach(self, *types: TensorType) -> tuple[Reach, ...]:
        return tuple([broadcast(x.shape, types[-1].shape) for x in types[:-1]])

    @override
    def cost(self, *types: TensorType) -> Cost:
        *inputs, output = types
        return Cost(elementwise_flops=(len(inputs) - 1) * output.numel)


@register_op
class Add(_Broadcast):
    """The sum of all branches, as at the end of a residual block (He et al. 2015, section 3.2).

    Shapes: branches of one rank, each dim equal or 1 -> the larger of each; the batch is equal.
    Cost: (number of branches - 1) elementwise FLOPs per output element.
    Errors: ShapeError (SHAPE103) if the branches disagree.
    """

    op = "add"
    torch_name = "Add"
    aliases = ("sum",)

    @override
    def kernels(self, tape: "Tape", *inputs: "Tensor") -> "Tensor":
        total = inputs[0]
        for other in inputs[1:]:
            total = tape.add(total, other)
        return total

    @override
    def build(self, *inputs: TensorType) -> "nn.Module":
        from archspec.merges import Add as Module

        return Module()


@register_op
class Mul(_Broadcast):
    """The product of all branches, as in a squeeze-and-excitation gate (Hu et al. 2017, section 3).

    Shapes: branches of one rank, each dim equal or 1 -> the larger of each; the batch is equal.
    Cost: (number of branches - 1) elementwise FLOPs per output element.
    Errors: ShapeError (SHAPE103) if the branches disagree.
    """

    op = "mul"
    torch_name = "Mul"
    aliases = ("multiply",)
    scales = 1

    @override
    def kernels(self, tape: "Tape", *inputs: "Tensor") -> "Tensor":
        product = inputs[0]
        for other in inputs[1:]:
            product = tape.mul(product, other)
        return product

    @override
    def build(self, *inputs: TensorType) -> "nn.Module":
        from archspec.merges import Mul as Module

        return Module()


@register_op
class Sub(_Broadcast):
    """Branch `a` minus branch `b`, element by element.

    Shapes: branches of one rank, each dim equal or 1 -> the larger of each; the batch is equal.
    Cost: one elementwise FLOP per output element.
    Errors: ShapeError (SHAPE103) if the branches disagree.
    """

    op = "sub"
    torch_name = "Sub"
    aliases = ("subtract", "minus")
    roles = ("a", "b")

    @override
    def kernels(self, tape: "Tape", a: "Tensor", b: "Tensor") -> "Tensor":
        return tape.add(a, b, "sub")

    @override
    def build(self, *inputs: TensorType) -> "nn.Module":
        from archspec.merges import Sub as Module

        return Module()


@register_op
class Div(_Broadcast):
    """Branch `a` divided by branch `b`, element by element.

    Shapes: branches of one rank, each dim equal or 1 -> the larger of each; the batch is equal.
    Cost: one elementwise FLOP per output element.
    Errors: ShapeError (SHAPE103) if the branches disagree.
    """

    op = "div"
    torch_name = "Div"
    aliases = ("divide",)
    scales = -1
    roles = ("a", "b")

    @override
    def kernels(self, tape: "Tape", a: "Tensor", b: "Tensor") -> "Tensor":
        return tape.div(a, b)

    @override
    def build(self, *inputs: TensorType) -> "nn.Module":
        from archspec.merges import Div as Module

        return Module()


@register_op
class Concat(Merge):
    """All branches one after another along a dimension (Szegedy et al. 2014, section 4).

    Shapes: branches equal in all dims but `dim` -> the same with the sum of the sizes in `dim`.
    Cost: none.
    Errors: ShapeError (SHAPE104) if the branches disagree; if there is no such dim, or if it is the batch.
    """

    op = "concat"
    torch_name = "Concat"
    dtypes = ANY
    aliases = ("cat", "concatenate")
    traits = (KeepsLayout(),)

    dim: Dim = Field(1, description="the dim to join along, with the batch as 0")

    @override
    def infer(self, *inputs: TensorType) -> tuple[TensorType]:
        dim = axis(self.dim, inputs[0])
        check_dtypes(inputs)
        check_equal(inputs, "SHAPE104", broadcast=False, free=dim)
        return (joined(inputs, broadcast=False, free=dim),)

    @override
    def kernels(self, tape: "Tape", *inputs: "Tensor") -> "Tensor":
        return tape.cat(inputs, self.dim % inputs[0].ndim)

    @override
    def reach(self, *types: TensorType) -> tuple[Reach, ...]:
        *inputs, y = types
        dim = self.dim % y.ndim
        return tuple([same(y.ndim, [dim]) for _ in inputs])

    @override
    def build(self, *inputs: TensorType) -> "nn.Module":
        from archspec.merges import Concat as Module

        return Module(self.dim)


@register_op
class Stack(Merge):
    """All branches along a new dimension, in their order.

    Shapes: k branches of one shape (N, d1, …) -> the same with a dim of size k before `dim`: (N, k, d1, …).
    Cost: none.
    Errors: ShapeError (SHAPE104) if the branches disagree; if the output has no such dim, or if it is the batch.
    """

    op = "stack"
    torch_name = "Stack"
    dtypes = ANY

    dim: Dim = Field(1, description="where the new dim stands in the output, with the batch as 0")

    @override
    def infer(self, *inputs: TensorType) -> tuple[TensorType]:
        first = inputs[0]
        dim = axis(self.dim, first.reshaped(*first.shape, len(inputs)))
        check_dtypes(inputs)
        check_equal(inputs, "SHAPE104", broadcast=False)
        shape = joined(inputs, broadcast=False).shape
        return (TensorType((*shape[:dim], len(inputs), *shape[dim:]), first.dtype, limit(inputs)),)

    @override
    def kernels(self, tape: "Tape", *inputs: "Tensor") -> "Tensor":
        return tape.stack(inputs, self.dim % (inputs[0].ndim + 1))

    @override
    def reach(self, *types: TensorType) -> tuple[Reach, ...]:
        *inputs, y = types
        dim = self.dim % y.ndim
        dims = [*range(1, dim), None, *range(dim, y.ndim - 1)]
        return tuple([Reach((None, *[None if d is None else (d, SAME) for d in dims])) for _ in inputs])

    @override
    def build(self, *inputs: TensorType) -> "nn.Module":
        from archspec.merges import Stack as Module

        return Module(self.dim)
