"""A curve: measured times of one kind of kernel, and what they say of sizes between and beyond them.

Gaussian-process regression (kriging; Rasmussen & Williams 2006, "Gaussian processes for machine learning", section
2.2) of the logarithm of the time over that of a roofline, in the base-2 logarithms of what decides a kernel's
efficiency. Between distant points the prediction tends to the mean efficiency; beyond the largest measured size it is
that of this size. Only the dot product of a
prediction is here; `archspec.calibrate` solves the system.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import dist, exp, gcd, inf, log2
from typing import Final

from archspec.devices.work import Work

# The three products of a convolution share a curve. This far apart are they, in doublings.
_APART: Final = 2.0
_WINDOWS_APART: Final = 3.0
_SIZES: Final = 9  # features of a convolution; the others say which of the products it is
_UNALIGNED: Final = 2.0  # and products of sides that are no multiples of 8
_HOT: Final = 2.0  # and products of matrices in the caches
_FILLED: Final = 3.0  # and attention over tokens that do not fill its blocks, for each doubling
LAUNCH: Final = 1e-9  # seconds of a kernel that does nothing
# Where backward was measured as a whole, both of its products are at the one of the weight.
_PRODUCTS: Final = {"input": (_APART, _APART), "weight": (_APART, 0.0)}


@dataclass(frozen=True)
class Curve:
    """What predicts the times of one kind of kernel.

    points: the features of each measured kernel. weights: of each of them, K⁻¹ (y − trend). mean, slope: the trend of
    the logarithm of the time over the roofline's: at a roofline's time of one second, and for each doubling of it.
    length: the distance, in doublings, over which efficiencies are similar. deviation: the standard deviation of the
    logarithm's error, from each point predicted by the others (section 5.4.2). sizes: the base-2 logarithms of the
    roofline's least and largest time. macs_per_s, bytes_per_s, launch_s: the roofline. ratios: the least and largest
    logarithm of a measured time over the roofline's; nothing is predicted beyond them, as between two kernels of nearly
    one size and very different times.
    """

    points: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    mean: float
    slope: float
    length: float
    deviation: float
    sizes: tuple[float, float]
    macs_per_s: float
    bytes_per_s: float
    launch_s: float = LAUNCH
    ratios: tuple[float, float] = (-inf, inf)
    reach: tuple[tuple[float, float], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Finds the least and largest measured value of each feature."""
        reach = tuple([(min(values), max(values)) for values in zip(*self.points, strict=True)])
        object.__setattr__(self, "reach", reach)

    def seconds(self, work: Work) -> float:
        """The predicted time of a kernel. A size beyond all measured ones is as efficient as the largest of them."""
        ideal = roof(work, self.macs_per_s, self.bytes_per_s, self.launch_s)
        least, largest = self.sizes
        trend = self.mean + self.slope * min(max(log2(ideal), least), largest)
        low, high = self.ratios
        return ideal * exp(min(max(trend + self._correction(features(work)), low), high))

    def _correction(self, x: Sequence[float]) -> float:
        """What the measured kernels around say besides the trend."""
        # What is not known of a kernel is in the middle.
        x = tuple([
            min(max(x[k] if k < len(x) else (low + high) / 2, low), high) for k, (low, high) in enumerate(self.reach)
        ])
        sizes, product, scale = x[:_SIZES], x[_SIZES:], -0.5 / self.length**2
        sums = self._sums.get(sizes)
        if sums is None:
            sums = self._sums[sizes] = [
                (place, sum([weight * exp(scale * dist(point, sizes) ** 2) for point, weight in own]))
                for place, own in self._by_product.items()
            ]
        return sum([total * exp(scale * dist(place, product) ** 2) for place, total in sums])

    @cached_property
    def _by_product(self) -> dict[tuple[float, ...], list[tuple[tuple[float, ...], float]]]:
        """The sizes and weights of the points, by which product of a convolution they are; those of others at ()."""
        found: dict[tuple[float, ...], list[tuple[tuple[float, ...], float]]] = {}
        for point, weight in zip(self.points, self.weights, strict=True):
            found.setdefault(point[_SIZES:], []).append((point[:_SIZES], weight))
        return found

    @cached_property
    def _sums(self) -> dict[tuple[float, ...], list[tuple[tuple[float, ...], float]]]:
        """The sums over these, by the sizes of a kernel: the three products of a convolution share them."""
        return {}


def roof(work: Work, macs_per_s: float, bytes_per_s: float, launch_s: float = LAUNCH) -> float:
    """The seconds of a kernel by a roofline whose two times add up, and the time of one that does nothing."""
    return work.macs / macs_per_s + work.nbytes / bytes_per_s + launch_s


def features(work: Work) -> tuple[float, ...]:
    """What decides the efficiency of a kernel: base-2 logarithms of sizes."""
    if work.pixels:
        # Libraries have kernels for some windows of depthwise convolutions, and slow ones for the others.
        apart = _WINDOWS_APART if work.channels == 1 < work.groups else 1.0
        # They have blocks of 16 channels, and copies or slow kernels for what these do not fill.
        unaligned = 4 - log2(gcd(work.channels * work.groups, work.filters * work.groups, 16))
        return (
            log2(work.pixels), log2(work.channels), log2(work.filters), apart * log2(work.taps), log2(work.stride),
            log2(work.groups), log2(work.pixels / work.plane), unaligned, apart * log2(work.dilation),
            *_PRODUCTS.get(work.family.rpartition("_")[2], (0.0, 0.0)),
        )
    if work.macs and work.plane:  # attention
        filled = _FILLED * log2(-(-work.plane // _block(work.plane)) * _block(work.plane) / work.plane)
        return log2(work.macs), log2(work.plane), log2(work.macs / max(1, work.flops)), filled
    if work.macs:
        # Kernels of tensor cores read blocks of 16 bytes.
        unaligned = 3 - log2(gcd(work.columns, work.depth, 8))
        hot = _HOT if work.hot else 0.0
        return log2(work.rows), log2(work.columns), log2(work.depth), _UNALIGNED * unaligned, hot
    if work.channels:  # a batch norm: its channels are summed one by one, and its images row by row
        return log2(work.nbytes + 1), log2(work.channels), log2(max(1, work.plane))
    return log2(work.nbytes + 1), log2((work.flops + 1) / (work.nbytes + 1))


def _block(tokens: int) -> int:
    """The tokens that torch's attention takes at once on a CPU (FlashAttentionKernel.cpp); it fills the last block."""
    return 32 if tokens < 192 else 64 if tokens < 768 else 256


def hot_kind(name: str) -> str:
    """The kind of a kernel of this name whose data are in the caches."""
    return f"{name}_hot"


def kind_of(name: str, work: Work) -> str:
    """The kind of kernel whose curve predicts this one: its name, or what kind of convolution it is a product of."""
    if not work.pixels:
        return hot_kind(name) if work.hot and not work.macs else name
    if work.groups == 1:
        return "convolution"
    if work.channels > 1:
        return "grouped_convolution"
    # Those of backward are other kernels: slow ones where libraries have none for a window.
    return "depthwise_convolution" if work.family.endswith("conv") else "depthwise_convolution_backward"
