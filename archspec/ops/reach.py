"""Which positions of its inputs an output of an op depends on: what receptive fields follow from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor, gcd
from types import MappingProxyType
from typing import Final, NamedTuple

from archspec.ops.windows import Window

NOTHING: Final = (1, 0)  # the range of a position that reads nothing, as between the taps of a transposed convolution


class Positions(NamedTuple):
    """How positions along a dim of the output follow those along a dim of an input.

    Output position `period * q + r` reads the input from `step * q + ranges[r][0]` to `step * q + ranges[r][1]`, at
    every `spacing`-th place. These may be outside of it: there is padding. `NOTHING` reads nothing.
    """

    period: int
    step: int
    ranges: tuple[tuple[int, int], ...]
    spacing: int = 1


class Reach(NamedTuple):
    """How an output depends on one input, dim by dim.

    dims: for each dim of the output, the dim of the input that it follows; None if it follows none. The batch is None.
    read: of the input's dims that the output does not follow, the first and last position read; all by default.
    """

    dims: tuple[tuple[int, Positions] | None, ...]
    read: Mapping[int, tuple[int, int]] = MappingProxyType({})


SAME: Final = Positions(1, 1, ((0, 0),))


def same(ndim: int, mixed: Sequence[int] = ()) -> Reach:
    """Each position depends on its own. mixed: dims along which it depends on all."""
    return Reach((None, *[None if d in mixed else (d, SAME) for d in range(1, ndim)]))


def broadcast(size: Sequence[int], output: Sequence[int]) -> Reach:
    """Each position depends on its own, and on the only one in a dim of size 1."""
    return same(len(output), [d for d in range(1, len(output)) if size[d] == 1])


def shifted(start: int, step: int = 1) -> Positions:
    """Output j reads input `start + step * j`."""
    return Positions(1, step, ((start, start),))


def sliding(window: Window) -> Positions:
    """The taps of a window, padding included."""
    return Positions(1, window.stride, ((-window.before, window.span - 1 - window.before),), window.dilation)


def transposed(kernel: int, stride: int, dilation: int, padding: int) -> Positions:
    """Of a transposed convolution: output j reads input i where j = i * stride - padding + tap * dilation."""
    ranges = []
    for j in range(stride):
        found = [(j + padding - tap * dilation) // stride for tap in range(kernel)
                 if (j + padding - tap * dilation) % stride == 0]
        ranges.append((min(found), max(found)) if found else NOTHING)
    return Positions(stride, 1, tuple(ranges))


def adaptive(size: int, output: int) -> Positions:
    """Output j of `output` reads the input from floor(j*size/output) to ceil((j+1)*size/output)."""
    if output == 1:
        return Positions(1, 0, ((0, size - 1),))  # one output, which does not move
    common = gcd(size, output)
    n, m = size // common, output // common
    return Positions(m, n, tuple([(j * n // m, ceil((j + 1) * n / m) - 1) for j in range(m)]))


def resampled(ratio: Fraction, mode: str, *, corners: bool) -> Positions:
    """Of interpolation (nearest, bilinear, bicubic), whose output j has its centre at `ratio` times that of j.

    corners: whether the centres of corner pixels stay in place (align_corners).
    """
    n, m = ratio.numerator, ratio.denominator
    ranges = []
    for j in range(m):
        if mode == "nearest":
            ranges.append((j * n // m, j * n // m))
            continue
        place = ratio * j if corners else ratio * (2 * j + 1) / 2 - Fraction(1, 2)
        first, between = floor(place), place.denominator > 1
        ranges.append((first - between, first + 2 * between) if mode == "bicubic" else (first, first + between))
    return Positions(m, n, tuple(ranges))


def blocks(size: int, shift: int = 0) -> Positions:
    """Each position depends on all of its block of `size`, the first of which begins `shift` later."""
    starts = [(j - shift) // size * size + shift for j in range(size)]
    return Positions(size, size, tuple([(start, start + size - 1) for start in starts]))
