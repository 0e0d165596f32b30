"""The receptive field of each layer: which part of the input an output depends on, exactly, on any graph of layers.

For a window: Araujo et al. 2019, "Computing receptive fields of convolutional neural networks" (Distill). Here the
field of a position is an interval that repeats with a period, so that transposed convolutions, interpolation and pools
to a size have theirs too; branches have the union of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm
from typing import Final, NamedTuple

from archspec.ir import Graph, Site, interpret
from archspec.ops.reach import NOTHING, SAME, Positions, Reach
from archspec.ops.traits import Reshapes

Axis = tuple[int, int]  # number of the network's input, and its dim
Interval = tuple[int, int]  # first and last position; empty if the first comes after the last
Fields = dict[str, dict[str, tuple["Field", ...]] | None]  # by path, then by the name of the input; one for each axis
MOST: Final = 4096  # the longest period that is followed; beyond it a field is that of all positions


class Span(NamedTuple):
    """The fields of positions i = period * q + r: ranges[r], moved by step * q."""

    period: int
    step: int
    ranges: tuple[Interval, ...]

    def at(self, i: int) -> Interval:
        """The first and last position of the input in the field of position i; empty if the first is larger."""
        q, r = divmod(i, self.period)
        first, last = self.ranges[r]
        return (first + self.step * q, last + self.step * q) if first <= last else NOTHING


class Field(NamedTuple):
    """The receptive field of a layer's output along one axis of an input, in positions of that input.

    size: of the largest field. stride: how far the field moves from one output to the next; 0 where each output has
    the same. offset: where the first field begins, which is output 0's unless that reads nothing; below 0 it begins in
    the padding. span: the field of each output. dim: the dim of the output along which it moves; None where it does
    not, or where a dim has several axes.
    """

    size: int
    stride: Fraction
    offset: int
    span: Span
    dim: int | None

    def to_json(self) -> tuple[int, int | float, int]:
        """Size, stride and offset as JSON numbers."""
        stride = int(self.stride) if self.stride.denominator == 1 else float(self.stride)
        return self.size, stride, self.offset


@dataclass(frozen=True, slots=True)
class _Factor:
    """A part of a dim, with the axes that its positions follow: (H, W) joined to one dim are two factors."""

    size: int
    spans: Mapping[Axis, Span] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Value:
    """A tensor: the factors of each dim, and the axes on which each of its elements depends alike.

    dims is None if it is not known how the tensor depends on the inputs.
    """

    dims: tuple[tuple[_Factor, ...], ...] | None
    whole: Mapping[Axis, Interval] = field(default_factory=dict)


def receptive_fields(graph: Graph) -> Fields:
    """For the path of each op: the fields of its first output by the name of the network's input, one for each axis.

    The axes are the dims after the channels; of a sequence (channels, length) or (length, features) both, and of
    integers all. Padding counts as part of the input. An input on which the output does not depend is left out. None
    for what follows the op of a plugin that does not say how it depends on its inputs.
    """
    found: Fields = {}
    names = [port.name for port in graph.inputs]

    def on_op(site: Site, values: tuple[_Value, ...]) -> list[_Value]:
        value = _after(site, values)
        found[site.path] = None if value.dims is None else _fields(value, names)
        return [value, *[_Value(None)] * (len(site.node.outputs) - 1)]

    interpret(graph, [_entering(k, port.type.shape) for k, port in enumerate(graph.inputs)], on_op)
    return found


def _entering(number: int, shape: tuple[int, ...]) -> _Value:
    first = 2 if len(shape) > 3 else 1
    dims = [(_Factor(1),)]
    for d, size in enumerate(shape[1:], start=1):
        dims.append((_Factor(size, {(number, d): Span(1, 1, ((0, 0),))} if d >= first else {}),))
    return _Value(tuple(dims))


def _after(site: Site, values: tuple[_Value, ...]) -> _Value:
    """The first output of an op."""
    op, y = site.node.op, site.node.outputs[0]
    assert op is not None
    if any(value.dims is None for value in values):
        return _Value(None)
    if op.trait(Reshapes) is not None:
        return _regrouped(values[0], y.shape)
    reach = op.reach(*[x.at(1) for x in site.inputs], *[x.at(1) for x in site.node.outputs])
    if reach is None:
        return _Value(None)
    whole: dict[Axis, Interval] = {}
    dims: list[tuple[_Factor, ...]] = [(_Factor(1),), *[(_Factor(size),) for size in y.shape[1:]]]
    for value, one in zip(values, reach, strict=False):
        _follow(value, one, dims, whole)
    return _settled(dims, whole)


def _follow(
    value: _Value, reach: Reach, dims: list[tuple[_Factor, ...]], whole: dict[Axis, Interval]
) -> None:
    """Add what an output takes from one input."""
    assert value.dims is not None
    for axis, interval in value.whole.items():
        whole[axis] = _union(interval, whole.get(axis, NOTHING))
    followed = set()
    for d, source in enumerate(reach.dims):
        if source is None:
            continue
        place, positions = source
        followed.add(place)
        factors = value.dims[place]
        if len(factors) == 1:
            spans = {axis: _composed(span, positions) for axis, span in factors[0].spans.items()}
            moved: tuple[_Factor, ...] = (_Factor(dims[d][0].size if len(dims[d]) == 1 else -1, spans),)
        elif positions == SAME:
            moved = factors
        else:
            _forget(factors, None, whole)
            continue
        dims[d] = _joined(dims[d], moved, whole)
    for place, factors in enumerate(value.dims):
        if place not in followed:
            _forget(factors, reach.read.get(place), whole)


def _joined(
    mine: tuple[_Factor, ...], other: tuple[_Factor, ...], whole: dict[Axis, Interval]
) -> tuple[_Factor, ...]:
    """The factors of a dim that depends on both."""
    if not any(f.spans for f in mine):
        return other
    if not any(f.spans for f in other):
        return mine
    if [f.size for f in mine] != [f.size for f in other]:
        _forget((*mine, *other), None, whole)
        return (_Factor(1),)
    return tuple([_Factor(a.size, _merged(a, b, whole)) for a, b in zip(mine, other, strict=True)])


def _merged(a: _Factor, b: _Factor, whole: dict[Axis, Interval]) -> dict[Axis, Span]:
    spans = dict(a.spans)
    for axis, span in b.spans.items():
        if axis not in spans:
            spans[axis] = span
        elif (both := _either(spans[axis], span)) is not None:
            spans[axis] = both
        else:
            del spans[axis]
            both_whole = _union(_all_of(span, b.size), _all_of(a.spans[axis], a.size))
            whole[axis] = _union(both_whole, whole.get(axis, NOTHING))
    return spans


def _settled(dims: Sequence[tuple[_Factor, ...]], whole: dict[Axis, Interval]) -> _Value:
    """The value. An axis that two dims follow, or one beside the whole, is taken as a whole."""
    seen: dict[Axis, int] = {}
    for factors in dims:
        for factor in factors:
            for axis in factor.spans:
                seen[axis] = seen.get(axis, 0) + 1
    twice = {axis for axis, count in seen.items() if count > 1 or axis in whole}
    if not twice:
        return _Value(tuple(dims), whole)
    kept = []
    for factors in dims:
        _forget([_Factor(f.size, {a: s for a, s in f.spans.items() if a in twice}) for f in factors], None, whole)
        kept.append(tuple([_Factor(f.size, {a: s for a, s in f.spans.items() if a not in twice}) for f in factors]))
    return _Value(tuple(kept), whole)


def _forget(factors: Sequence[_Factor], read: Interval | None, whole: dict[Axis, Interval]) -> None:
    """Each output reads all positions of these factors, or those from read[0] to read[1]."""
    for factor in factors:
        for axis, span in factor.spans.items():
            interval = _all_of(span, factor.size) if read is None or len(factors) > 1 else _range(span, *read)
            whole[axis] = _union(interval, whole.get(axis, NOTHING))


def _regrouped(value: _Value, shape: tuple[int, ...]) -> _Value:
    """The same elements in another shape: factors stay whole, and are joined or taken apart."""
    assert value.dims is not None
    left = [factor for factors in value.dims[1:] for factor in factors if factor.size != 1]
    whole = dict(value.whole)
    for factors in value.dims:
        _forget([factor for factor in factors if factor.size == 1], None, whole)
    dims: list[tuple[_Factor, ...]] = [(_Factor(1),)]
    for size in shape[1:]:
        found: list[_Factor] = []
        filled = 1
        while left and filled < size and size % (filled * left[0].size) == 0:
            filled *= left[0].size
            found.append(left.pop(0))
        if filled != size:  # it cuts a factor: what is left has no positions that can be followed
            _forget([*found, *left], None, whole)
            found, left = [_Factor(size)], []
        dims.append(tuple(found) or (_Factor(1),))
    return _settled(dims, whole)


def _fields(value: _Value, names: list[str]) -> dict[str, tuple[Field, ...]]:
    assert value.dims is not None
    found: dict[Axis, Field] = {}
    for axis, (first, last) in value.whole.items():
        if first <= last:
            found[axis] = Field(last - first + 1, Fraction(0), first, Span(1, 0, ((first, last),)), None)
    for dim, factors in enumerate(value.dims):
        for factor in factors:
            for axis, span in factor.spans.items():
                filled = [(a, b) for a, b in (span.at(i) for i in range(min(span.period, factor.size))) if a <= b]
                if filled:
                    size = max(b - a + 1 for a, b in filled)
                    stride = Fraction(span.step, span.period)
                    found[axis] = Field(size, stride, filled[0][0], span, dim if len(factors) == 1 else None)
    return {
        name: tuple([found[axis] for axis in sorted(found) if axis[0] == k])
        for k, name in enumerate(names) if any(axis[0] == k for axis in found)
    }


def _union(a: Interval, b: Interval) -> Interval:
    if a[0] > a[1]:
        return b
    return a if b[0] > b[1] else (min(a[0], b[0]), max(a[1], b[1]))


def _range(span: Span, first: int, last: int, spacing: int = 1) -> Interval:
    """The union of the fields from one position to another. They move on with it, so that the ends decide."""
    interval, near = NOTHING, spacing * span.period
    head = range(first, min(last, first + near) + 1, spacing)
    for i in {*head, *range(last, max(first, last - near) - 1, -spacing)}:
        interval = _union(interval, span.at(i))
    return interval


def _all_of(span: Span, size: int) -> Interval:
    return _range(span, 0, size - 1)


@lru_cache(maxsize=4096)
def _composed(span: Span, positions: Positions) -> Span:
    """The fields of an op's output whose positions follow those of a value with these fields."""
    period, step, ranges, spacing = positions
    times = span.period // gcd(span.period, step)
    if period * times > MOST:
        times = 1
    found = []
    for j in range(period * times):
        q, r = divmod(j, period)
        first, last = ranges[r]
        found.append(_range(span, first + step * q, last + step * q, spacing) if first <= last else NOTHING)
    return Span(period * times, span.step * step * times // span.period, tuple(found))


@lru_cache(maxsize=4096)
def _either(a: Span, b: Span) -> Span | None:
    """The union of two fields at each position; None if they move on at different speeds."""
    if a == b:
        return a
    if a.step * b.period != b.step * a.period:
        return None
    period = lcm(a.period, b.period)
    if period > MOST:
        return None
    return Span(period, a.step * period // a.period, tuple([_union(a.at(i), b.at(i)) for i in range(period)]))
