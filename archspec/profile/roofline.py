"""Compares the time of a layer with the shortest time that its kernels could take on this machine.

A kernel takes at least as long as its arithmetic at the peak, as its bytes at the bandwidth for their size, and as an
op without work; the longest of the three bounds it (Williams, Waterman & Patterson 2009).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from archspec.profile.peaks import Peaks

Bound = Literal["compute", "bandwidth", "launches"]
ROUNDS: Final = 100  # in which peaks are raised for one layer
TOLERANCE: Final = 1e-6
BOUNDS: Final[tuple[Bound, ...]] = ("compute", "bandwidth", "launches")


class Kernel(Protocol):
    """What the roofline reads of a kernel."""

    @property
    def layer(self) -> str:
        """The path of its layer."""

    @property
    def direction(self) -> str:
        """`forward`, `backward` or `optimizer`."""

    @property
    def macs(self) -> int:
        """Multiply-adds of products."""

    @property
    def read_bytes(self) -> int:
        """Bytes that it reads."""

    @property
    def written_bytes(self) -> int:
        """Bytes that it writes."""


@dataclass(frozen=True, slots=True)
class Roof:
    """The work of a layer in one direction or in both, and the shortest time for it.

    flops: 2 for each MAC. bytes: read and written. seconds: of its kernels, by what bounds each of them.
    """

    flops: int
    bytes: int
    seconds: Mapping[Bound, float]

    @property
    def total_ms(self) -> float:
        """The shortest time, in milliseconds."""
        return 1000 * sum(self.seconds.values())

    @property
    def bound(self) -> Bound:
        """What bounds most of that time."""
        return max(BOUNDS, key=lambda bound: self.seconds.get(bound, 0.0))

    def share_reached(self, measured_ms: float) -> float:
        """The share of what the machine can do that a layer reaches which took `measured_ms`."""
        return self.total_ms / measured_ms if measured_ms else 0.0


def roof_of(kernels: Iterable[Kernel], peaks: Peaks) -> Roof:
    """The roof of some kernels that run one after another."""
    flops = moved = 0
    seconds = dict.fromkeys(BOUNDS, 0.0)
    for kernel in kernels:
        size = kernel.read_bytes + kernel.written_bytes
        needed: dict[Bound, float] = {
            "compute": 2 * kernel.macs / peaks.flops, "bandwidth": size / peaks.bytes_per_s(size),
            "launches": peaks.op_s,
        }
        bound = max(BOUNDS, key=needed.__getitem__)
        seconds[bound] += needed[bound]
        flops, moved = flops + 2 * kernel.macs, moved + size
    return Roof(flops, moved, seconds)


def raised(peaks: Peaks, kernels: Iterable[Kernel], measured_ms: float) -> Peaks:
    """The peaks, raised as far as these kernels show: they ran in `measured_ms`, so the machine can do that.

    A library may have a faster path for these shapes than for all that `measure_peaks` tries, and a layer may find its
    input in a cache.
    """
    listed = list(kernels)
    for _ in range(ROUNDS):
        roof = roof_of(listed, peaks)
        excess = roof.total_ms / 1000 - measured_ms / 1000
        if measured_ms <= 0 or roof.share_reached(measured_ms) <= 1 + TOLERANCE:
            break
        held = roof.seconds[roof.bound]
        # Take the whole excess from what bounds most of the time; at most halve it, because then something else may.
        peaks = _raised(peaks, listed, roof.bound, min(2.0, held / (held - excess) if excess < held else 2.0))
    return peaks


def _raised(peaks: Peaks, kernels: list[Kernel], bound: Bound, factor: float) -> Peaks:
    if bound == "launches":
        return replace(peaks, op_s=peaks.op_s / factor)
    if bound == "compute":
        name = f"layer {kernels[0].layer}"
        return replace(peaks, products={**peaks.products, name: peaks.flops * factor})
    sizes = {kernel.read_bytes + kernel.written_bytes for kernel in kernels}
    return replace(peaks, bandwidth=_raised_curve(peaks, sizes, factor))


def _raised_curve(peaks: Peaks, sizes: set[int], factor: float) -> tuple[tuple[int, float], ...]:
    """The curve of bandwidths, `factor` times as high at the largest measured size below each of these."""
    held = [max((size for size, _ in peaks.bandwidth if size <= wanted), default=peaks.bandwidth[0][0])
            for wanted in sizes]
    return tuple((size, peaks.bytes_per_s(size) * factor if size in held else speed)
                 for size, speed in peaks.bandwidth)
