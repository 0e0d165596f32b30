"""Ops that move, cut and extend along dimensions: roll, slice, pad."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from typing_extensions import override

from archspec.diagnostics import plural
from archspec.diagnostics.hints import RemoveLayer, set_to
from archspec.ops.axes import axis, dim_name
from archspec.ops.base import MAX_INT, Op, PositiveInt, register_op
from archspec.ops.fields import Dim, FiniteFloat, Index, clash, int_list, int_list_schema
from archspec.ops.reach import SAME, Reach, same, shifted
from archspec.ops.reduce import Dims
from archspec.ops.traits import AffectsNothing
from archspec.types import ANY, UNKNOWN, ShapeError, TensorType, is_unknown

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor

Shifts = Annotated[
    tuple[int, ...],
    BeforeValidator(int_list(-MAX_INT, "an integer or a list of integers", bare=True)),
    int_list_schema(-MAX_INT, bare=True),
]


@register_op
class Roll(Op):
    """Shift along dims; what leaves at one end enters at the other (Liu et al. 2021, Swin, section 3.2).

    Shapes: any -> the same.
    Cost: none.
    Errors: ShapeError if there is no such dim, or if it is the batch.
    """

    op = "roll"
    torch_name = "Roll"
    dtypes = ANY

    shifts: AffectsNothing[Shifts] = Field(description="by how many places, an integer or one for each dim")
    dims: AffectsNothing[Dims] = Field(description="the dim to shift along, or a list of them, with the batch as 0")

    @field_validator("dims")
    @classmethod
    def _as_many_as_shifts(cls, dims: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        shifts = info.data.get("shifts")
        if shifts is not None and len(shifts) != len(dims):
            raise clash(f"needs as many dims as shifts, got {len(dims)} and {len(shifts)}")
        return dims

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        n = x.ndim
        wrong = [dim for dim in self.dims if dim < -n or dim >= n or dim % n == 0]
        if wrong and n < 2:
            raise ShapeError("a single number has no dim to shift along", hint=RemoveLayer("remove `roll`"), partial=x)
        if wrong:
            what = f"is not among the input's, 0 (batch) to {n - 1}"
            what = "is the batch, which an op cannot change" if wrong[0] in (0, -n) else what
            dims = [1 if dim in wrong else dim for dim in self.dims]
            hint = set_to("dims", dims if len(dims) > 1 else 1)
            raise ShapeError(f"dims {wrong[0]} {what}", field="dims", hint=hint, partial=x)
        return (x,)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.rolled(x, self.shifts, [d % x.ndim for d in self.dims])

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        return (same(x.ndim, [d % x.ndim for d in self.dims]),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import Roll as Module

        return Module(self.shifts, self.dims)


@register_op
class Slice(Op):
    """Part of a dimension, from `start` to before `end`, in steps.

    Shapes: (N, …, size, …) -> (N, …, ceil((end - start)/step), …).
    Cost: none.
    Errors: ShapeError if there is no such dim, if it is the batch, if start or end is not in it, or if nothing is left.
    """

    op = "slice"
    torch_name = "Slice"
    dtypes = ANY

    dim: Dim = Field(description="the dim to cut, with the batch as 0")
    start: Index = Field(0, description="first place, from 0; negative from the end")
    end: Index | None = Field(None, description="place after the last; negative from the end; by default the end")
    step: PositiveInt = Field(1, description="distance between places")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        dim = axis(self.dim, x)
        size = x.shape[dim]
        if is_unknown(size):
            return (self._cut(x, dim, UNKNOWN),)
        ends = {"start": self.start, "end": size if self.end is None else self.end}
        for name, place in ends.items():
            if place > size or place < -size:
                raise ShapeError(
                    f"{name} {place} is not in {dim_name(dim, x.ndim)} ({size})", field=name,
                    hint=set_to(name, 0 if name == "start" else size), partial=self._cut(x, dim, UNKNOWN),
                )
        first, last = (place + size if place < 0 else place for place in ends.values())
        count = -(-(last - first) // self.step)
        if count < 1:
            raise ShapeError(
                f"{first} to {last} leaves nothing of {dim_name(dim, x.ndim)} ({size})", field="start",
                hint=set_to("start", 0) if last > 0 else set_to("end", size), partial=self._cut(x, dim, UNKNOWN),
            )
        return (self._cut(x, dim, count),)

    @staticmethod
    def _cut(x: TensorType, dim: int, size: int) -> TensorType:
        return x.reshaped(*x.shape[:dim], size, *x.shape[dim + 1 :])

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        dim = self.dim % x.ndim
        return tape.part(x, dim, tape.outputs[0].shape[dim], self.step)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        dim = self.dim % x.ndim
        part = shifted(self.start % x.shape[dim] if self.start < 0 else self.start, self.step)
        return (Reach((None, *[(d, part if d == dim else SAME) for d in range(1, x.ndim)])),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import Slice as Module

        return Module(self.dim, self.start, self.end, self.step)


_pairs = int_list(0, "a list [before, after] of non-negative integers, or of more such pairs, the last dim first")


def _margins(value: Any) -> Any:
    margins = _pairs(value)
    if len(margins) % 2:
        raise clash(f"needs pairs [before, after], got {plural(len(margins), 'number')}")
    return margins


Margins = Annotated[tuple[int, ...], BeforeValidator(_margins), int_list_schema(0)]


@register_op
class Pad(Op):
    """Add a value at the ends of the last dimensions, as `torch.nn.functional.pad` does.

    Shapes: (N, …, d) -> (N, …, before + d + after), or more dims from the last on.
    Cost: none.
    Errors: ShapeError if there are more pairs than dims beside the batch.
    """

    op = "pad"
    torch_name = "Pad"
    main = "padding"

    padding: Margins = Field(description="[before, after] of the last dim, then of the dim before it, …")
    value: AffectsNothing[FiniteFloat] = Field(0.0, description="what to add")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        pairs = list(zip(self.padding[::2], self.padding[1::2], strict=True))
        if len(pairs) > x.ndim - 1:
            raise ShapeError(
                f"padding has {plural(len(pairs), 'pair')}, the input {plural(x.ndim - 1, 'dim')} beside the batch",
                field="padding", hint=None if x.ndim < 2 else set_to("padding", list(self.padding[: 2 * (x.ndim - 1)])),
            )
        added = [0] * (x.ndim - len(pairs)) + [before + after for before, after in reversed(pairs)]
        return (x.reshaped(x.shape[0], *(size + more for size, more in zip(x.shape[1:], added[1:], strict=True))),)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.zero_padded(x, tape.outputs[0].shape)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        before = {x.ndim - 1 - k: size for k, size in enumerate(self.padding[::2])}
        return (Reach((None, *[(d, shifted(-before.get(d, 0))) for d in range(1, x.ndim)])),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import Pad as Module

        return Module(self.padding, self.value)
