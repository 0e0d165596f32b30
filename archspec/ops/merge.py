"""Ops that join branches into one output."""

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import override

from archspec.diagnostics.hints import EndInput
from archspec.ops.axes import axis, dim_name
from archspec.ops.base import Merge, register_op
from archspec.ops.fields import Dim
from archspec.ops.reach import SAME, Reach, broadcast, same
from archspec.ops.traits import KeepsLayout
from archspec.text import shape_text
from archspec.types import ANY, UNKNOWN, UNKNOWN_DTYPE, Cost, ShapeError, TensorType, is_unknown

if TYPE_CHECKING:
    from torch import nn

    from archspec.execution.tape import Tape
    from archspec.execution.tensor import Tensor

Inputs = tuple[TensorType, ...]


def check_equal(inputs: Inputs, code: str, *, broadcast: bool, free: int | None = None) -> None:
    """ShapeError for the first input that differs from an earlier one in rank or in a dim other than `free`.

    broadcast: a 1 goes with everything, except in the batch.
    """
    first = inputs[0]
    seen = [0] * first.ndim  # for each dim, the input that fixed its size
    for k, x in enumerate(inputs):
        if x.ndim != first.ndim:
            hint = "bring them to one rank with `flatten` or `reshape`"
            raise ShapeError(_disagreement(inputs, 0, k, "rank"), inputs=(0, k), hint=hint, code=code)
        for d, size in enumerate(x.shape):
            fixed = inputs[seen[d]].shape[d]
            if is_unknown(fixed) or (broadcast and d > 0 and fixed == 1):
                seen[d] = k
            elif d != free and size != fixed and not (broadcast and d > 0 and size == 1):
                raise _mismatch(inputs, seen[d], k, code, broadcast=broadcast, free=free)


def _check_dtypes(inputs: Inputs) -> None:
    """ShapeError for the first input of another dtype."""
    first = inputs[0]
    for k, x in enumerate(inputs):
        if x.dtype != first.dtype and UNKNOWN_DTYPE not in (x.dtype, first.dtype):
            raise ShapeError(
                f"inputs {{0}} and {{{k}}} have different numbers: {first.dtype} and {x.dtype}", inputs=(0, k),
                hint="put an `embedding` before the one that has integers", code="SHAPE104",
            )


def _mismatch(
    inputs: Inputs, i: int, k: int, code: str, *, broadcast: bool, free: int | None
) -> ShapeError:
    """The error of inputs i and k, which are of one rank: every dim in which they disagree, and a remedy."""
    a, b = inputs[i], inputs[k]
    wrong = [
        d for d, (p, q) in enumerate(zip(a.shape, b.shape, strict=True))
        if d != free and p != q and not (broadcast and d > 0 and 1 in (p, q))
    ]
    names = [dim_name(d, a.ndim) for d in wrong]
    what = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
    alike = [x for x in inputs if x.ndim == a.ndim]
    return ShapeError(
        _disagreement(inputs, i, k, what),
        inputs=(i, k),
        hint=_remedy(inputs, i, k, wrong),
        code=code,
        partial=_joined(tuple(alike), broadcast=broadcast, free=free),
    )


def _disagreement(inputs: Inputs, i: int, k: int, what: str) -> str:
    """The message, see ShapeError; it names the inputs only where there are more than two."""
    who = "inputs" if len(inputs) == 2 else f"inputs {{{i}}} and {{{k}}}"
    return f"{who} disagree in {what}: {shape_text(inputs[i].shape[1:])} and {shape_text(inputs[k].shape[1:])}"


def _remedy(inputs: Inputs, i: int, k: int, wrong: list[int]) -> str | None:
    """An edit of the larger of images i and k, or of vector k, that makes them agree; None for other ranks."""
    if inputs[i].ndim == 2 and wrong == [1] and inputs[i].known:
        return EndInput(k, f"linear: {inputs[i].shape[1]}")
    if inputs[i].ndim != 4 or 0 in wrong or not (inputs[i].known and inputs[k].known):
        return None
    resize = 2 in wrong or 3 in wrong
    if resize and inputs[i].shape[2:] > inputs[k].shape[2:]:
        i, k = k, i
    _, c, h, w = inputs[i].shape
    _, own, height, width = inputs[k].shape
    c = c if 1 in wrong else own
    stride = -(-height // h)
    if (-(-height // stride), -(-width // stride)) == (h, w):
        step = f", stride: {stride}" if stride > 1 else ""
        return EndInput(k, f"conv2d: {{out_channels: {c}, kernel_size: 1{step}}}")
    conv = [f"conv2d: {{out_channels: {c}, kernel_size: 1}}"] if 1 in wrong else []
    return EndInput(k, f"interpolate: {{size: [{h}, {w}]}}", *conv)


def _joined(inputs: Inputs, *, broadcast: bool, free: int | None = None) -> TensorType:
    """The output as far as it is known; dim `free` is the sum. Dims that disagree are UNKNOWN."""
    dims = zip(*(x.shape for x in inputs), strict=True)
    shape = (sum(d) if i == free else _common(d, ones_fit=broadcast and i > 0) for i, d in enumerate(dims))
    return TensorType(tuple(shape), inputs[0].dtype, _limit(inputs))


def _limit(inputs: Inputs) -> int | None:
    """What all integers of the inputs are below."""
    limits = [x.below for x in inputs]
    return None if None in limits else max(limit for limit in limits if limit is not None)


def _common(sizes: tuple[int, ...], *, ones_fit: bool) -> int:
    """The size that all of these have, or broadcast to; UNKNOWN if that is not certain."""
    known = {size for size in sizes if not is_unknown(size)}
    if ones_fit and known == {1}:
        return UNKNOWN if any(map(is_unknown, sizes)) else 1
    if ones_fit:
        known.discard(1)
    return known.pop() if len(known) == 1 else UNKNOWN


class _Broadcast(Merge):
    """What add and mul share: all inputs are broadcast to one shape."""

    traits = (KeepsLayout(),)

    @override
    def infer(self, *inputs: TensorType) -> tuple[TensorType]:
        check_equal(inputs, "SHAPE103", broadcast=True)
        return (_joined(inputs, broadcast=True),)

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
        _check_dtypes(inputs)
        check_equal(inputs, "SHAPE104", broadcast=False, free=dim)
        return (_joined(inputs, broadcast=False, free=dim),)

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
        _check_dtypes(inputs)
        check_equal(inputs, "SHAPE104", broadcast=False)
        shape = _joined(inputs, broadcast=False).shape
        return (TensorType((*shape[:dim], len(inputs), *shape[dim:]), first.dtype, _limit(inputs)),)

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
