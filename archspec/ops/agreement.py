"""Whether the inputs of a merge agree in shape and dtype, what they give together, and how to make them agree."""

from __future__ import annotations

from math import prod
from typing import Final

from archspec.diagnostics.hints import EndInput
from archspec.ops.axes import dim_name
from archspec.text import shape_text
from archspec.types import UNKNOWN, UNKNOWN_DTYPE, ShapeError, TensorType, is_unknown

Inputs = tuple[TensorType, ...]
_ONE_RANK: Final = "bring them to one rank with `flatten` or `reshape`"


def check_equal(inputs: Inputs, code: str, *, broadcast: bool, free: int | None = None) -> None:
    """ShapeError for the first input that differs from an earlier one in rank or in a dim other than `free`.

    broadcast: a 1 goes with everything, except in the batch.
    """
    first = inputs[0]
    seen = [0] * first.ndim  # for each dim, the input that fixed its size
    for k, x in enumerate(inputs):
        if x.ndim != first.ndim:
            hint = _one_rank(inputs, k, code, broadcast=broadcast, free=free)
            raise ShapeError(_disagreement(inputs, 0, k, "rank"), inputs=(0, k), hint=hint, code=code)
        for d, size in enumerate(x.shape):
            fixed = inputs[seen[d]].shape[d]
            if is_unknown(fixed) or (broadcast and d > 0 and fixed == 1):
                seen[d] = k
            elif d != free and size != fixed and not (broadcast and d > 0 and size == 1):
                raise _mismatch(inputs, seen[d], k, code, broadcast=broadcast, free=free)


def check_dtypes(inputs: Inputs) -> None:
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
        partial=joined(tuple(alike), broadcast=broadcast, free=free),
    )


def _disagreement(inputs: Inputs, i: int, k: int, what: str) -> str:
    """The message, see ShapeError; it names the inputs only where there are more than two."""
    who = "inputs" if len(inputs) == 2 else f"inputs {{{i}}} and {{{k}}}"
    return f"{who} disagree in {what}: {shape_text(inputs[i].shape[1:])} and {shape_text(inputs[k].shape[1:])}"


def _one_rank(inputs: Inputs, k: int, code: str, *, broadcast: bool, free: int | None) -> str:
    """An edit that makes inputs 0 and k agree: dims of size 1 for the one with fewer, or a vector of the other."""
    low, high = sorted((0, k), key=lambda which: inputs[which].ndim)
    if not (inputs[low].known and inputs[high].known):
        return _ONE_RANK
    x, y = inputs[low], inputs[high]
    own, ones = x.shape[1:], (1,) * (y.ndim - x.ndim)
    sizes = ("$in.features",) if len(own) == 1 else own
    edits = [
        (EndInput(low, f"reshape: [{', '.join(map(str, text))}]"), x.reshaped(x.shape[0], *shape), y)
        for text, shape in (((*sizes, *ones), (*own, *ones)), ((*ones, *sizes), (*ones, *own)))
    ]
    if len(own) == 1:
        size = prod(y.shape[1:])
        first = size in (own[0], y.shape[1])
        edits.insert(0 if first else 2, (EndInput(high, "flatten"), x, y.reshaped(y.shape[0], size)))
    for edit, *both in edits:
        try:
            check_equal(tuple(both), code, broadcast=broadcast, free=free)
        except ShapeError:
            continue
        return edit
    return _ONE_RANK


def _remedy(inputs: Inputs, i: int, k: int, wrong: list[int]) -> str | None:
    """An edit of the larger of inputs i and k, or of vector k, that makes them agree; None where none is plain.

    Of three dims, those that differ in the last one only may be no channels and positions, but positions and features.
    """
    if inputs[i].ndim == 2 and wrong == [1] and inputs[i].known:
        return EndInput(k, f"linear: {inputs[i].shape[1]}", shortcut="linear")
    rank = inputs[i].ndim - 2
    if rank not in (1, 2, 3) or 0 in wrong or not (inputs[i].known and inputs[k].known):
        return None
    if rank == 1 and 1 not in wrong:
        return None
    resize = any(d > 1 for d in wrong)
    if resize and inputs[i].shape[2:] > inputs[k].shape[2:]:
        i, k = k, i
    _, c, *size = inputs[i].shape
    _, own, *larger = inputs[k].shape
    c = c if 1 in wrong else own
    stride = -(-larger[0] // size[0])
    if [-(-length // stride) for length in larger] == size:
        step = f", stride: {stride}" if stride > 1 else ""
        return EndInput(k, f"conv{rank}d: {{out_channels: {c}, kernel_size: 1{step}}}", shortcut=f"conv{rank}d")
    if rank != 2:
        return None
    conv = [f"conv2d: {{out_channels: {c}, kernel_size: 1}}"] if 1 in wrong else []
    return EndInput(k, f"interpolate: {{size: {size}}}", *conv, shortcut="conv2d")


def joined(inputs: Inputs, *, broadcast: bool, free: int | None = None) -> TensorType:
    """The output as far as it is known; dim `free` is the sum. Dims that disagree are UNKNOWN."""
    dims = zip(*(x.shape for x in inputs), strict=True)
    shape = (sum(d) if i == free else common(d, ones_fit=broadcast and i > 0) for i, d in enumerate(dims))
    return TensorType(tuple(shape), inputs[0].dtype, limit(inputs))


def limit(inputs: Inputs) -> int | None:
    """What all integers of the inputs are below."""
    limits = [x.below for x in inputs]
    return None if None in limits else max(some for some in limits if some is not None)


def common(sizes: tuple[int, ...], *, ones_fit: bool) -> int:
    """The size that all of these have, or broadcast to; UNKNOWN if that is not certain."""
    known = {size for size in sizes if not is_unknown(size)}
    if ones_fit and known == {1}:
        return UNKNOWN if any(map(is_unknown, sizes)) else 1
    if ones_fit:
        known.discard(1)
    return known.pop() if len(known) == 1 else UNKNOWN
