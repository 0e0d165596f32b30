"""Ops that only rearrange: flatten, reshape, permute, the identity, and zero."""

from math import prod
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field
from typing_extensions import override

from archspec.diagnostics import plural
from archspec.diagnostics.hints import RemoveLayer, SetFields, set_to
from archspec.ops.axes import axis
from archspec.ops.base import Op, register_op
from archspec.ops.fields import Dim, int_list, int_list_schema, refuse
from archspec.ops.reach import SAME, Reach
from archspec.ops.traits import Affine, Elementwise, Reshapes
from archspec.text import shape_text
from archspec.types import ANY, UNKNOWN, Cost, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


@register_op
class Identity(Op):
    """The input as it is.

    Shapes: any -> the same.
    Cost: none.
    Errors: none.
    """

    op = "identity"
    torch_name = "Identity"
    dtypes = ANY
    aliases = ("id", "noop")
    traits = (Elementwise(), Affine())

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        return (x,)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return x

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.Identity()


@register_op
class Zero(Op):
    """0 times the input: in a search space, an operation that is left out (Liu et al. 2019, DARTS, "none").

    Shapes: any -> the same.
    Cost: one elementwise FLOP per element.
    Errors: none.
    """

    op = "zero"
    torch_name = "Zero"
    traits = (Elementwise(), Affine())

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
        from archspec.nn import Zero as ZeroModule

        return ZeroModule()


@register_op
class Flatten(Op):
    """Join neighbouring dimensions into one.

    Shapes: (N, d1, …, dk) -> (N, d1*…*dk), or only from start_dim to end_dim.
    Cost: none.
    Errors: ShapeError if a dim does not exist or is the batch, or if end_dim comes before start_dim.
    """

    op = "flatten"
    torch_name = "Flatten"
    main = "start_dim"
    dtypes = ANY
    traits = (Affine(), Reshapes())

    start_dim: Dim = Field(1, description="first dim to join, with the batch as 0")
    end_dim: Dim = Field(-1, description="last dim to join")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        if x.ndim == 1:
            raise ShapeError("a single number has nothing to flatten", hint=RemoveLayer("remove `flatten`"), partial=x)
        first, last = axis(self.start_dim, x, "start_dim"), axis(self.end_dim, x, "end_dim")
        if first > last:
            raise ShapeError(
                f"start_dim {self.start_dim} comes after end_dim {self.end_dim}", field="end_dim",
                hint=set_to("end_dim", -1),
            )
        return (x.reshaped(*x.shape[:first], prod(x.shape[first : last + 1]), *x.shape[last + 1 :]),)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        (y,) = tape.outputs
        return x if x.ndim == y.ndim else tape.reshape(x, y.shape)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.Flatten(self.start_dim, self.end_dim)


def _reshape_target(value: Any) -> Any:
    shape = int_list(-1, "a list of positive integers, one of which may be -1")(value)
    if 0 in shape or shape.count(-1) > 1:
        raise refuse("must be a list of positive integers, one of which may be -1")
    return shape


ReshapeTarget = Annotated[
    tuple[int, ...],
    BeforeValidator(_reshape_target),
    int_list_schema(-1),
]


@register_op
class Reshape(Op):
    """Give every sample a new shape with the same elements in the same order.

    Shapes: (N, …) -> (N, *shape); a -1 is inferred.
    Cost: none.
    Errors: ShapeError if a sample's elements do not fill the shape.
    """

    op = "reshape"
    torch_name = "Reshape"
    traits = (Reshapes(),)
    dtypes = ANY
    aliases = ("unflatten", "view")
    main = "shape"

    shape: ReshapeTarget = Field(description="shape of a sample, without the batch; one -1 is inferred")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        total = prod(x.shape[1:])
        given = prod(d for d in self.shape if d != -1)
        rest = total // given
        unfilled = total % given if -1 in self.shape else total - given
        if unfilled:
            has = f"a sample {shape_text(x.shape[1:])} has {plural(total, 'element')}"
            raise ShapeError(
                f"{has}, which do not fill {list(self.shape)}",
                field="shape", hint=self._remedy(total),
                partial=x.reshaped(x.shape[0], *(UNKNOWN if d == -1 else d for d in self.shape)),
            )
        return (x.reshaped(x.shape[0], *(rest if d == -1 else d for d in self.shape)),)

    def _remedy(self, total: int) -> str:
        """Change one dimension where that is enough, the last first."""
        for i in reversed(range(len(self.shape))):
            others = prod(d for k, d in enumerate(self.shape) if k != i and d != -1)
            if -1 not in self.shape[:i] + self.shape[i + 1 :] and total % others == 0:
                wanted = [*self.shape[:i], total // others, *self.shape[i + 1 :]]
                return SetFields(f"write {wanted}", shape=wanted)
        return SetFields(f"write [{total}], or another shape with {plural(total, 'element')}", shape=[total])

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.reshape(x, tape.outputs[0].shape)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import Reshape as Module

        return Module(self.shape)


DimList = Annotated[
    tuple[int, ...],
    BeforeValidator(int_list(-64, "a list of dims, 0 (the batch) first")),
    int_list_schema(-64),
]


@register_op
class Permute(Op):
    """Reorder the dimensions; [0, 2, 3, 1] is NCHW to NHWC.

    Shapes: (N, d1, …, dk) -> (N, d_dims[1], …, d_dims[k]).
    Cost: none.
    Errors: ShapeError if dims is not a permutation of the input's dims, or moves the batch.
    """

    op = "permute"
    torch_name = "Permute"
    dtypes = ANY
    aliases = ("transpose",)
    main = "dims"

    dims: DimList = Field(description="the input's dims in their new order, with the batch (0) first")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        n = x.ndim
        hint = f"write the numbers 0 to {n - 1} in some order, 0 first" if n > 1 else RemoveLayer("remove `permute`")
        if len(self.dims) != n:
            message = f"{plural(len(self.dims), 'dim')} named, the input has {n} with its batch"
            raise ShapeError(message, field="dims", hint=hint)
        order = [d + n if d < 0 else d for d in self.dims]
        if sorted(order) != list(range(n)):
            raise ShapeError(f"dims {list(self.dims)} do not name each of 0 to {n - 1} once", field="dims", hint=hint)
        if order[0] != 0:
            raise ShapeError(f"dims {list(self.dims)} move dim 0, the batch", field="dims", hint=hint)
        return (x.reshaped(*(x.shape[d] for d in order)),)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.permute(x, [d % x.ndim for d in self.dims])

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        return (Reach((None, *[(d % x.ndim, SAME) for d in self.dims[1:]])),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import Permute as Module

        return Module(self.dims)
