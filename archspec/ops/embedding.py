"""Vectors for integers."""

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from archspec.diagnostics.hints import set_to
from archspec.ops.base import Op, PositiveInt, register_op
from archspec.ops.parameters import Normal, ParamSpec, learned
from archspec.ops.reach import Reach, same
from archspec.ops.traits import AffectsNothing, FeaturesLast
from archspec.types import INTEGERS, ShapeError, TensorType

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


@register_op
class Embedding(Op):
    """A learned vector for each integer, such as for each word (Bengio et al. 2003, section 2).

    The input says how many integers there are: `{shape: [64], dtype: int64, below: 20000}` has 0 to 19,999.
    Shapes: (N, …) of integers -> (N, …, embedding_dim).
    Cost: none; num_embeddings*embedding_dim parameters.
    Errors: ShapeError for an input without integers, if the input may have integers from num_embeddings on, or if
        neither says how many there are.
    """

    op = "embedding"
    torch_name = "Embedding"
    aliases = ("embed",)
    traits = (FeaturesLast(),)
    main = "embedding_dim"
    dtypes = INTEGERS

    embedding_dim: PositiveInt = Field(description="size of a vector")
    num_embeddings: AffectsNothing[PositiveInt | None] = Field(
        None, description="number of vectors; by default as many as the input's `below` says"
    )

    @override
    def infer(self, x: TensorType) -> tuple[TensorType]:
        y = TensorType((*x.shape, self.embedding_dim))
        if self.num_embeddings is None and x.below is None and x.dtype in INTEGERS:
            raise ShapeError(
                "needs the number of vectors: the input does not say below which number its integers are", partial=y,
                hint="set num_embeddings, or give the input `below: N`",
            )
        if self.num_embeddings is not None and x.below is not None and self.num_embeddings < x.below:
            raise ShapeError(
                f"num_embeddings ({self.num_embeddings:,}) is too small for integers from 0 to {x.below - 1:,}",
                field="num_embeddings", hint=set_to("num_embeddings", x.below), partial=y,
            )
        return (y,)

    def _count(self, x: TensorType) -> int:
        return self.num_embeddings or x.below or 1

    @override
    def parameters(self, x: TensorType) -> dict[str, ParamSpec]:
        return {"weight": learned(self._count(x), self.embedding_dim, init=Normal(1.0), decays=True)}

    @override
    def kernels(self, tape: "Tape", x: "Tensor") -> "Tensor":
        return tape.rows(tape.weights["weight"], x, "embedding")

    @override
    def reach(self, x: TensorType, y: TensorType) -> tuple[Reach, ...]:
        return (Reach((*same(x.ndim).dims, None)),)

    @override
    def build(self, x: TensorType) -> "nn.Module":
        from torch import nn

        return nn.Embedding(self._count(x), self.embedding_dim)
