"""Convolutions and matrix products to measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from math import prod
from typing import Final, NamedTuple

import torch

from archspec.calibrate.sample import Place, Run, Sample, sample

_BASES: Final = (2, 3, 5, 7, 11)
_SIDES: Final = (4, 7, 8, 14, 16, 28, 32, 56, 112)
_WIDTHS: Final = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024)
_LATE_SIDES: Final = (1, 2, 3, 4, 6, 7)
_LATE_WIDTHS: Final = (16, 48, 128, 192, 256, 384, 512, 512, 1024, 2048)
_COLOURS: Final = (1, 3)  # channels of an image
_ODD_WIDTHS: Final = (5, 6, 10, 12, 20, 28, 36, 50, 100)  # no multiples of the blocks of 16 that libraries have
_RATIOS: Final = (1, 2, 1, 4, 1, 0.5, 1, 0.25)  # of filters to channels
_KINDS: Final = ((3, 1), (1, 1), (3, 1), (1, 1), (3, 2), (5, 1), (1, 2), (7, 2))  # kernel size, stride
# A GPU's libraries have kernels of their own for other windows, too.
GPU_KINDS: Final = (*_KINDS, (4, 1), (7, 1), (10, 1), (11, 4))
# Windows that few networks have: of first layers, patches and downsampling.
RARE_KINDS: Final = ((4, 1), (7, 1), (10, 1), (11, 4), (4, 4), (2, 2))
_GROUPED_KINDS: Final = ((3, 1), (5, 1), (3, 2), (5, 2), (3, 1), (7, 1), (7, 2))
# As in segmentation: many channels on large images, whose windows have taps apart.
_WIDE_SIDES: Final = (17, 24, 33, 48, 65)
_WIDE_WIDTHS: Final = (64, 128, 256, 512, 1024, 2048)
_WIDE_KINDS: Final = ((1, 1), (3, 2), (3, 4), (1, 1), (3, 6), (3, 12), (3, 1), (3, 24))  # kernel size, dilation
_MOST_ELEMENTS: Final = 1 << 24  # of a matrix
# Outputs and features of linear layers that fill the pool, and of those whose weights are still in the caches.
_WIDE: Final = ((4096, 8192), (8192, 4096))
_WIDE_IN_CACHES: Final = ((1024, 4096), (3072, 1024), (2048, 1024))

_MASKS: Final[dict[str, list[bool] | None]] = {
    "convolution": None, "convolution_backward_input": [True, False, False],
    "convolution_backward_weight": [False, True, False],
}

_LINEAR: Final = ((0, 10.5, 2), (4, 8.5, 3), (3.5, 8.5, 5))  # doublings, and base, of rows, features, outputs
_LEAST_LINEAR: Final = 500.0  # multiply-adds


class Shape(NamedTuple):
    """A convolution: images, channels, side of the input, filters, side of the window, stride, groups, dilation."""

    images: int
    channels: int
    side: int
    filters: int
    kernel: int
    stride: int
    groups: int
    dilation: int = 1

    @property
    def padding(self) -> int:
        """At each end: with stride 1, a window of odd size keeps the side."""
        return self.dilation * (self.kernel // 2)

    @property
    def output(self) -> int:
        """Side of the output."""
        return (self.side + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1

    @property
    def macs(self) -> int:
        """Multiply-adds of a forward pass."""
        return (
            self.images * self.output**2 * self.filters * (self.channels // self.groups) * self.kernel**2
        )

    @property
    def elements(self) -> int:
        """Of input and output."""
        return self.images * (self.channels * self.side**2 + self.filters * self.output**2)


def halton(index: int, base: int) -> float:
    """Number `index` of the Halton sequence: points that fill the unit cube evenly (Halton 1960)."""
    result, part = 0.0, 1.0
    while index:
        index, digit = divmod(index, base)
        part /= base
        result += digit * part
    return result


def late_shapes(number: int, most_macs: float) -> list[Shape]:
    """Shapes of a network's last layers: large filters on few pixels, down to one pixel of squeeze-and-excitation."""
    shapes: list[Shape] = []
    for k in range(1, 1000 * number):
        at = [halton(k, base) for base in _BASES]
        side = _LATE_SIDES[int(at[1] * len(_LATE_SIDES))]
        channels, filters = (_LATE_WIDTHS[int(part * len(_LATE_WIDTHS))] for part in (at[2], at[3]))
        kernel = 3 if side > 1 and at[4] < 0.5 else 1
        shape = Shape(2 ** int(at[0] * 6), channels, side, filters, kernel, 1, 1)
        if shape.macs <= most_macs and channels * filters * kernel**2 <= _MOST_ELEMENTS / 4:
            shapes.append(shape)
        if len(shapes) == number:
            break
    return shapes


def wide_shapes(number: int, most_macs: float) -> list[Shape]:
    """Shapes of networks that keep large images to their end: many channels, windows with dilation."""
    shapes: list[Shape] = []
    for k in range(1, 1000 * number):
        at = [halton(k, base) for base in _BASES]
        kernel, dilation = _WIDE_KINDS[int(at[0] * len(_WIDE_KINDS))]
        side = _WIDE_SIDES[int(at[1] * len(_WIDE_SIDES))]
        channels, filters = (_WIDE_WIDTHS[int(part * len(_WIDE_WIDTHS))] for part in (at[2], at[3]))
        shape = Shape(1, channels, side, filters, kernel, 1, 1, dilation)
        if most_macs / 100 <= shape.macs <= most_macs and dilation < side:
            shapes.append(shape)
        if len(shapes) == number:
            break
    return shapes


def convolution_shapes(
    number: int, most_macs: float, *, least: float | None = None, grouped: bool = False,
    dense_kinds: Sequence[tuple[int, int]] = _KINDS,
) -> list[Shape]:
    """Shapes that cover what networks have: dense, or in groups (mostly depthwise).

    least: multiply-adds; a small part of the most by default. dense_kinds: kernel sizes and strides.
    """
    least = most_macs / 3000 if least is None else least
    shapes: list[Shape] = []
    for k in range(1, 1000 * number):
        at = [halton(k, base) for base in _BASES]
        images = 2 ** int(at[0] * 8)
        side = _SIDES[int(at[1] * len(_SIDES))]
        # As in networks: the smaller the image, the more channels.
        odd = k % 6 == 3 and not grouped
        widths = [width for width in (_ODD_WIDTHS if odd else _WIDTHS) if 100 <= width * side <= 8000]
        channels = widths[int(at[2] * len(widths))]
        filters = max(4 if odd else 8, int(channels * _RATIOS[int(at[3] * len(_RATIOS))]))
        kinds = _GROUPED_KINDS if grouped else dense_kinds
        kernel, stride = kinds[int(at[4] * len(kinds))]
        groups, dilation = 1, 1
        if grouped:
            filters = channels
            dilation = 2 if k % 10 == 0 and stride == 1 else 1
            groups = channels if k % 3 else max(1, channels // 8)
        elif k % 8 == 0:  # the first layer
            channels, side = _COLOURS[k // 8 % 2], 4 * side
        shape = Shape(images, channels, side, filters, kernel, stride, groups, dilation)
        if least <= shape.macs <= most_macs and kernel <= side and shape.elements < most_macs / 10:
            shapes.append(shape)
        if len(shapes) == number:
            break
    return shapes


def convolutions(place: Place, shapes: list[Shape]) -> Iterator[Sample]:
    """The products of each convolution. On a CPU, those of backward share their copies: one run does both.

    A first layer has no gradient of its input.
    """
    for s in shapes:
        windows = [side for side in (s.output, s.kernel, s.stride, s.dilation) for _ in range(2)]
        geometry = (s.images, s.channels, s.filters, s.groups, *windows)
        sizes = {
            "x": s.images * s.channels * s.side**2, "w": s.filters * (s.channels // s.groups) * s.kernel**2,
            "y": s.images * s.filters * s.output**2,
        }
        moved = [(size, place.dtype.itemsize) for size in sizes.values()]
        together = place.device.type == "cpu" and s.channels not in _COLOURS
        for name, mask in _MASKS.items():
            if name.endswith("input") and place.device.type == "cpu":
                continue
            both = together and mask is not None
            yield sample(
                name, place, _convolution(place, s, [True, True, False] if both else mask), moved, macs=s.macs,
                geometry=geometry, by_layout=True, parts=2 if both else 1,
            )


def _convolution(place: Place, s: Shape, mask: list[bool] | None) -> Callable[[], Run]:
    """mask: which gradients backward computes; None for the forward pass."""
    def make() -> Run:
        x = place.tensor(s.images, s.channels, s.side, s.side)
        w = place.tensor(s.filters, s.channels // s.groups, s.kernel, s.kernel)
        steps, pads, apart = [s.stride] * 2, [s.padding] * 2, [s.dilation] * 2
        if mask is None:
            return lambda: torch.conv2d(x, w, None, steps, pads, apart, s.groups)
        grad = place.tensor(s.images, s.filters, s.output, s.output)
        return lambda: torch.ops.aten.convolution_backward(
            grad, x, w, [0], steps, pads, apart, False, [0, 0], s.groups, mask
        )

    return make


def products(place: Place, number: int, most_macs: float, *, least: float | None = None) -> Iterator[Sample]:
    """Matrix products, also of long and flat matrices. Sides are mostly multiples of 8, as in networks.

    least: multiply-adds.
    """
    least = most_macs / 1e5 if least is None else least
    found = 0
    for k in range(1, 1000 * number):
        rows, columns, depth = (round(2 ** (13.5 * halton(k, base))) for base in _BASES[:3])
        if k % 4:
            columns, depth = (max(8, side // 8 * 8) for side in (columns, depth))
        macs, pairs = rows * columns * depth, ((rows, depth), (depth, columns), (rows, columns))
        if not least <= macs <= most_macs or max(map(prod, pairs)) > _MOST_ELEMENTS:
            continue
        moved = [(prod(pair), place.dtype.itemsize) for pair in pairs]
        yield sample(
            "addmm", place, _product(place, rows, columns, depth), moved, macs=macs, geometry=(1, rows, columns, depth),
        )
        found += 1
        if found == number:
            return


def _product(place: Place, rows: int, columns: int, depth: int) -> Callable[[], Run]:
    def make() -> Run:
        a, b = place.tensor(rows, depth), place.tensor(columns, depth).t()  # as a linear layer's weight
        return lambda: torch.mm(a, b)

    return make


def linears(
    place: Place, number: int, most_macs: float, *, least: float = _LEAST_LINEAR, first: int = 1
) -> Iterator[Sample]:
    """The three products of linear layers, as torch lays out their matrices: forward, gradients of input and weight.

    least: multiply-adds. first: the place in the sequence of shapes from which these are taken.
    """
    found = 0
    for k in range(first, first + 1000 * number):
        rows, features, outputs = (round(2 ** (least + span * halton(k, base))) for least, span, base in _LINEAR)
        if k % 4:
            features, outputs = (max(8, side // 8 * 8) for side in (features, outputs))
        macs = rows * features * outputs
        if not least <= macs <= most_macs or features * outputs > _MOST_ELEMENTS:
            continue
        yield from _linear_products(place, rows, features, outputs)
        found += 1
        if found == number:
            return


def wide_linears(place: Place, *, cached: bool = False) -> Iterator[Sample]:
    """Linear layers with large weights on few rows. cached: whether the caches hold them."""
    for rows, (outputs, features) in product((2, 8, 32), _WIDE_IN_CACHES if cached else _WIDE):
        yield from _linear_products(place, rows, features, outputs)


def _linear_products(place: Place, rows: int, features: int, outputs: int) -> Iterator[Sample]:
    moved = [(count, place.dtype.itemsize) for count in (rows * features, features * outputs, rows * outputs)]
    sides = (rows, outputs, features), (rows, features, outputs), (outputs, features, rows)
    for which, geometry in enumerate(sides):
        make = partial(_linear, place, (rows, features, outputs), which)
        yield sample("addmm", place, make, moved, macs=rows * features * outputs, geometry=(1, *geometry))


def _linear(place: Place, shape: tuple[int, int, int], which: int) -> Run:
    """which: 0 of the output, 1 of the input's gradient, 2 of the weight's."""
    rows, features, outputs = shape
    x, weight = place.tensor(rows, outputs if which == 1 else features), place.tensor(outputs, features)
    if which == 2:
        return partial(torch.mm, place.tensor(rows, outputs).t(), x)
    return partial(torch.mm, x, weight if which else weight.t())
