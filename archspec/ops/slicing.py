"""Ops that take one part of a dimension: chunk, select."""

from typing import TYPE_CHECKING

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from archspec.diagnostics import plural
from archspec.diagnostics.hints import lower_to
from archspec.ops.axes import axis, dim_name
from archspec.ops.base import NonNegativeInt, Op, PositiveInt, register_op
from archspec.ops.fields import Dim, Index, clash
from archspec.ops.reach import SAME, Reach, shifted
from archspec.types import ANY, UNKNOWN, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


@register_op
class Chunk(Op):
    """One of the parts into which torch.chunk cuts a dimension.

    Shapes: (N, …, size, …) -> (N, …, ceil(size/chunks), …); the last part may be smaller.
    Cost: none.
    Errors: ShapeError if there is no such dim, if it is the batch, or if torch makes fewer parts than `index` needs.
    """

    op = "chunk"
    torch_name = "Chunk"
    dtypes = ANY
    aliases = ("split",)

    chunks: PositiveInt = Field(description="number of parts")
    dim: Dim = Field(1, description="the dim to cut, with the batch as 0")
    index: NonNegativeInt = Field(description="which part, from 0")

    @field_validator("index")
    @classmethod
    def _below_chunks(cls, index: int, info: ValidationInfo) -> int:
        chunks = info.data.get("chunks")
        if chunks is not None and index >= chunks:
            raise clash(f"index {index} of {plural(chunks, 'chunk')}, the first of which is 0")
        return index

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        dim = axis(self.dim, x)
        total = x.shape[dim]
        size = -(-total // self.chunks)
        made = -(-total // size)
        if self.index >= made:
            raise ShapeError(
                f"index {self.index} of {plural(made, 'chunk')}: "
                f"{dim_name(dim, x.ndim)} ({total}) cut into {self.chunks} gives no more",
                field="index", hint=lower_to("index", made - 1),
                partial=self._cut(x, dim, UNKNOWN),
            )
        left = total - self.index * size
        return (self._cut(x, dim, left if left < size else size),)

    @staticmethod
    def _cut(x: TensorType, dim: int, size: int) -> TensorType:
        return x.reshaped(*x.shape[:dim], size, *x.shape[dim + 1 :])

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        dim = self.dim % x.ndim
        size = -(-x.shape[dim] // self.chunks)
        sizes = [min(size, x.shape[dim] - start) for start in range(0, x.shape[dim], size)]
        return tape.split(x, dim, sizes)[self.index]

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        dim = self.dim % x.ndim
        start = self.index * -(-x.shape[dim] // self.chunks)
        return (Reach((None, *[(d, shifted(start) if d == dim else SAME) for d in range(1, x.ndim)])),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import Chunk as Module

        return Module(self.chunks, self.index, self.dim)


@register_op
class Select(Op):
    """One slice along a dimension, which is dropped, such as the class token of a transformer.

    Shapes: (N, …, size, …) -> (N, …).
    Cost: none.
    Errors: ShapeError if there is no such dim, if it is the batch, or if index is not in it.
    """

    op = "select"
    torch_name = "Select"
    likely = "index"
    dtypes = ANY

    dim: Dim = Field(examples=[1], description="the dim to drop, with the batch as 0")
    index: Index = Field(description="which slice, from 0; negative from the end")

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        dim = axis(self.dim, x)
        size = x.shape[dim]
        y = x.reshaped(*x.shape[:dim], *x.shape[dim + 1 :])
        if self.index >= size or self.index < -size:
            name = dim_name(dim, x.ndim)
            raise ShapeError(
                f"index {self.index} is not in {name} ({size})",
                field="index", hint=f"use an index from 0 to {size - 1}",
                partial=y,
            )
        return (y,)

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.select(x, self.dim % x.ndim)

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        dim = self.dim % x.ndim
        index = self.index % x.shape[dim]
        return (Reach((None, *[(d, SAME) for d in range(1, x.ndim) if d != dim]), {dim: (index, index)}),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from archspec.nn import Select as Module

        return Module(self.dim, self.index)
