"""What the other kernels of a pass on a CPU mean for each: which data are in the caches."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import Final, NamedTuple

from archspec.devices.calibration import Calibration
from archspec.devices.gpu import Circumstances
from archspec.devices.work import KernelLike

_NEAR: Final = 2.0  # doublings between data that are all in the caches and those of which none are


class Among(NamedTuple):
    """What is the same for all kernels of a pass.

    hot_passes, hot_products: how far the data of passes over memory, and of products, are in the caches; from 0 to 1.
    factor: how much longer a kernel takes than alone.
    """

    hot_passes: float
    hot_products: float
    factor: float


def among(kernels: Sequence[KernelLike], circumstances: Circumstances, calibration: Calibration) -> Among:
    """For a pass of these kernels.

    A step keeps what it computes until backward. In evaluation layers write where those before them have just read;
    only weights were read as long ago as the last pass.
    """
    size = calibration.cache_bytes
    if circumstances.training:
        hot = _share_in_caches(_kept(kernels), size)
        return Among(hot, hot, 1.0)
    used = max([kernel.read_bytes + kernel.written_bytes for kernel in kernels], default=0)
    weights = sum([kernel.read_bytes for kernel in kernels if kernel.macs])
    hot = _share_in_caches(used + weights, size)
    # The networks behind the factors fit into the caches. What does not runs forward as in a step.
    return Among(_share_in_caches(used, size), hot, calibration.factors.get(circumstances.precision, 1.0) ** hot)


def _kept(kernels: Sequence[KernelLike]) -> int:
    """About the bytes that a step keeps: what forward writes, and what the optimizer reads."""
    written = sum([kernel.written_bytes for kernel in kernels if kernel.direction == "forward"])
    return written + sum([kernel.read_bytes for kernel in kernels if kernel.direction == "optimizer"])


def _share_in_caches(nbytes: int, size: float) -> float:
    """Of memory that is used again after so many other bytes: 1/2 for as many as the caches hold."""
    return min(max(0.5 + log2(size / max(nbytes, 1)) / _NEAR, 0.0), 1.0) if size else 0.0
