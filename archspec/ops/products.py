"""Products of two branches: of matrices, and attention."""

from math import prod
from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from archspec.diagnostics.hints import EndInput, set_to
from archspec.ops.base import Merge, Wanted, register_op
from archspec.ops.fields import PositiveFloat
from archspec.ops.reach import Reach, same
from archspec.ops.traits import AffectsNothing
from archspec.text import shape_text
from archspec.types import UNKNOWN, Cost, ShapeError, TensorType, is_unknown

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor


class _Product(Merge):
    """What products of matrices share: the last two dims are a matrix, those between them and the batch agree."""

    def _check_ranks(self, inputs: tuple[TensorType, ...]) -> None:
        for k, x in enumerate(inputs):
            if x.ndim != inputs[0].ndim:
                raise self._refused(inputs, 0, k, "rank", hint="bring them to one rank with `reshape`")
        if inputs[0].ndim < 3:
            raise ShapeError("needs matrices (rows, columns), got 1 dimension" if inputs[0].ndim == 2 else
                             "needs matrices (rows, columns), got single numbers",
                             hint="bring each branch to two dimensions with `reshape`")

    def _refused(
        self, inputs: tuple[TensorType, ...], i: int, k: int, what: str, *, hint: str | None = None,
        partial: TensorType | None = None,
    ) -> ShapeError:
        """The error of inputs i and k, which disagree in something."""
        x, y = (inputs[j].shape for j in (i, k))
        both = f"{shape_text(x[1:])} and {shape_text(y[1:])}"
        if what == "batch":
            both = f"{x[0]} and {y[0]} for each sample"
        message = f"`{self.roles[i]}` and `{self.roles[k]}` disagree in {what}: {both}"
        return ShapeError(message, code="SHAPE107", inputs=(i, k), hint=hint, partial=partial)


@register_op
class MatMul(_Product):
    """The product of the matrices in branches `a` and `b`, for each sample and each of the dims before the last two.

    Shapes: (N, …, L, K) and (N, …, K, M) -> (N, …, L, M); a dim of … is equal in both, or 1 in one.
    Cost: N*…*L*K*M MACs.
    Errors: ShapeError (SHAPE107) if K or a dim of … disagrees, or if the ranks do; for an input that is no matrix.
    """

    op = "matmul"
    torch_name = "MatMul"
    aliases = ("bmm",)
    roles = ("a", "b")

    @override
    def infer(self, a: TensorType, b: TensorType) -> tuple[TensorType]:
        inputs = (a, b)
        self._check_ranks(inputs)
        pairs = list(zip(a.shape[:-2], b.shape[:-2], strict=True))
        lead = [_broadcast(p, q) for p, q in pairs]
        y = TensorType((a.shape[0], *lead[1:], a.shape[-2], b.shape[-1]), a.dtype)
        if a.shape[0] != b.shape[0]:
            raise self._refused(inputs, 0, 1, "batch")
        for d, (p, q) in enumerate(pairs):
            if d and p != q and 1 not in (p, q):
                raise self._refused(inputs, 0, 1, f"dim {d}", partial=y)
        if a.shape[-1] != b.shape[-2]:
            hint = None
            if a.shape[-1] == b.shape[-1]:
                order = [*range(a.ndim - 2), a.ndim - 1, a.ndim - 2]
                hint = EndInput(1, f"permute: {order}")
            what = f"the inner size, columns of `a` ({a.shape[-1]}) and rows of `b` ({b.shape[-2]})"
            raise self._refused(inputs, 0, 1, what, hint=hint, partial=y)
        return (y,)

    @override
    def cost(self, a: TensorType, b: TensorType, y: TensorType) -> Cost:
        return Cost(macs=y.numel * a.shape[-1])

    @override
    def kernels(self, tape: "Tape", a: "Tensor", b: "Tensor") -> "Tensor":
        return tape.matmul(a, b)

    @override
    def reach(self, a: TensorType, b: TensorType, y: TensorType) -> tuple[Reach, ...]:
        rows, columns = y.ndim - 2, y.ndim - 1
        return _partly(a, y, mixed=[columns]), _partly(b, y, mixed=[rows])

    @override
    def build(self, *inputs: TensorType) -> "nn.Module":
        from archspec.merges import MatMul as Module

        return Module()


def _partly(x: TensorType, y: TensorType, mixed: list[int]) -> Reach:
    """Each position depends on its own, except along some dims, and where the input has the size 1."""
    return same(y.ndim, [*mixed, *[d for d in range(1, y.ndim) if x.shape[d] == 1]])


def _broadcast(a: int, b: int) -> int:
    """The size of a dim that is `a` in one input and `b` in the other."""
    if is_unknown(a) or is_unknown(b):
        known = b if is_unknown(a) else a
        return UNKNOWN if is_unknown(known) or known == 1 else known
    if a == 1:
        return b
    if b == 1:
        return a
    return a if a == b else UNKNOWN


@register_op
class Attention(_Product):
    """Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1): softmax(query·keyᵀ·scale + bias)·value.

    Several heads are a dim of their own: (N, heads, L, E). `bias` is added to the scores before the softmax.
    Shapes: query (N, …, L, E), key (N, …, S, E), value (N, …, S, V), bias (N, …, L, S), where a dim may be 1
        -> (N, …, L, V).
    Cost: N*…*L*S*(E + V) MACs; per score 1 elementwise FLOP for the scale, 3 for the softmax, 1 for the bias.
    Errors: ShapeError (SHAPE107) if query and key disagree in width, key and value in length, or any in the dims
        before; if a bias does not fit the scores, or goes with `causal`.
    """

    op = "attention"
    torch_name = "Attention"
    aliases = ("scaled_dot_product_attention", "sdpa")
    roles = ("query", "key", "value", "bias")
    optional = ("bias",)

    causal: AffectsNothing[bool] = Field(False, description="a query sees the keys up to its own place, no later ones")
    scale: AffectsNothing[PositiveFloat | None] = Field(
        None, description="factor of the scores; 1/√E by default"
    )

    @override
    def infer(self, *inputs: TensorType) -> tuple[TensorType]:
        self._check_ranks(inputs)
        query, key, value, *bias = inputs
        y = query.reshaped(*query.shape[:-1], value.shape[-1])
        for k in (1, 2):
            for d, (p, q) in enumerate(zip(query.shape[:-2], inputs[k].shape[:-2], strict=True)):
                if p != q:
                    raise self._refused(inputs, 0, k, "batch" if d == 0 else f"dim {d}", partial=y)
        if query.shape[-1] != key.shape[-1]:
            hint = EndInput(1, f"linear: {query.shape[-1]}")
            raise self._refused(inputs, 0, 1, "width, the last dim", hint=hint, partial=y)
        if key.shape[-2] != value.shape[-2]:
            raise self._refused(inputs, 1, 2, "length, the dim before the last", partial=y)
        if bias:
            self._check_bias(inputs, y)
        return (y,)

    def _check_bias(self, inputs: tuple[TensorType, ...], y: TensorType) -> None:
        query, key, _, bias = inputs
        if self.causal:
            raise ShapeError("a `bias` excludes `causal`", field="causal", hint=set_to("causal", "false"), partial=y)
        if bias.shape[0] != query.shape[0]:
            raise self._refused(inputs, 0, 3, "batch", partial=y)
        scores = (*query.shape[:-1], key.shape[-2])
        pairs = zip(bias.shape[1:], scores[1:], strict=True)
        if any(size != score for size, score in pairs if size != 1):
            wanted = shape_text(scores[1:])
            raise ShapeError(
                f"`bias` {shape_text(bias.shape[1:])} does not fit the scores {wanted} of `query` and `key`",
                code="SHAPE107", inputs=(0, 1, 3), partial=y, hint=f"give it the shape {wanted}, or 1 in a dim",
            )

    @override
    def cost(self, *types: TensorType) -> Cost:
        query, key, *others, y = types
        scores = query.shape[0] * prod(query.shape[1:-1]) * key.shape[-2]
        return Cost(macs=scores * (query.shape[-1] + y.shape[-1]), elementwise_flops=scores * (4 + (len(others) > 1)))

    @override
    def backward_macs(self, wanted: Wanted, *types: TensorType) -> int:
        query, key, *_, y = types
        scores = query.shape[0] * prod(query.shape[1:-1]) * key.shape[-2]
        of_query, of_key, of_value, *of_bias = wanted.inputs
        of_scores = of_query or of_key or any(of_bias)
        return scores * (y.shape[-1] * (of_value + of_scores) + query.shape[-1] * (of_query + of_key))

    @override
    def kernels(self, tape: "Tape", *inputs: "Tensor") -> "Tensor":
        return tape.attention(*inputs, causal=self.causal)

    @override
    def reach(self, *types: TensorType) -> tuple[Reach, ...]:
        *inputs, y = types
        rows, columns = y.ndim - 2, y.ndim - 1
        return tuple([_partly(x, y, mixed=[*([rows] if k in (1, 2) else []), *([columns] if k != 2 else [])])
                      for k, x in enumerate(inputs)])

    @override
    def build(self, *inputs: TensorType) -> "nn.Module":
        from archspec.merges import Attention as Module

        return Module(causal=self.causal, scale=self.scale)
