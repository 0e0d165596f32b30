"""Measures what the machine can do at most: products, bandwidth by the size of the data, and the time of a tiny op.

The method is that of the roofline model (Williams, Waterman & Patterson 2009, "Roofline: an insightful visual
performance model", section 3), with ceilings measured and not taken from a datasheet: a CPU's clock depends on its
neighbours. A bandwidth is a curve, because data that fit into a cache are read faster than memory allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from archspec.profile.timeline import Watch
from archspec.train.step.precision import Precision, autocast, float32_products

MIB: Final = 2**20
# Of square matrices. On a CPU they are small: a product of a few milliseconds has a chance to run undisturbed.
SIDES: Final = {"cpu": (384, 512, 1024), "cuda": (2048, 4096, 8192)}
# Convolutions: images, channels in, side, channels out, kernel. Libraries have faster paths for some of them than for
# plain matrices, so the largest product alone is not the machine's peak.
CONVOLUTIONS: Final = {
    "cpu": ((2, 64, 56, 64, 3), (2, 256, 28, 256, 3), (2, 512, 14, 1024, 1)),
    "cuda": ((256, 64, 56, 64, 3), (256, 256, 28, 256, 3), (256, 512, 28, 1024, 1)),
}
SETS: Final = {  # bytes that a kernel reads and writes in all
    "cpu": (MIB // 16, MIB // 4, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB),
    "cuda": (MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB, 1024 * MIB),
}
REPEATS: Final = 8
SHORT_S: Final = 1e-3  # a kernel below this is repeated more often
RESOLUTION_S: Final = 1e-9  # of a clock
TINY_OPS: Final = 50  # in a row, for the time of one

Kernel = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Peaks:
    """What the machine can do at most.

    flops: FLOP/s of products in this precision, by the kind of kernel that reached it. bandwidth: (bytes of the data,
    bytes/s), by rising size. op_s: seconds of an op on a few numbers, which no smaller work makes shorter.
    """

    precision: str
    products: dict[str, float]
    bandwidth: tuple[tuple[int, float], ...]
    op_s: float

    @property
    def flops(self) -> float:
        """The most FLOP/s of any product."""
        return max(self.products.values())

    def bytes_per_s(self, size: int) -> float:
        """The most bytes/s for data of this size: the fastest of all sizes that are not much smaller.

        A measured size stands for all up to the next one, so that the answer is an upper bound.
        """
        below = max((held for held, _ in self.bandwidth if held <= size), default=0)
        return max(speed for held, speed in self.bandwidth if held >= below)

    @property
    def memory_bytes_per_s(self) -> float:
        """The bandwidth for the largest data, which no cache holds."""
        return self.bandwidth[-1][1]

    def best_with(self, other: Peaks) -> Peaks:
        """The better of two measurements, figure by figure."""
        return replace(
            self, op_s=min(self.op_s, other.op_s),
            products={k: max(v, other.products.get(k, 0.0)) for k, v in self.products.items()},
            bandwidth=tuple(
                (size, max(a, b)) for (size, a), (_, b) in zip(self.bandwidth, other.bandwidth, strict=True)
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "precision": self.precision, "flop_per_s": self.flops, "products_flop_per_s": self.products,
            "bandwidth_bytes_per_s": [list(point) for point in self.bandwidth],
            "memory_bytes_per_s": self.memory_bytes_per_s, "op_s": self.op_s,
        }


def measure_peaks(
    precision: Precision, device: torch.device, watch: Watch, *, repeats: int = REPEATS, dtype: str = "float32"
) -> Peaks:
    """The best of several kernels, shapes and repetitions. dtype: of the weights; precision: of products, by autocast.

    Takes about two seconds on a CPU with two cores. Anything that it is compared with should run on the same machine
    at the same time: measure before and after, and take `best_with`.
    """
    with torch.inference_mode(), float32_products(precision, device):
        products = {
            name: 2 * macs / _best(kernel, watch, repeats) for name, macs, kernel in _products(precision, device, dtype)
        }
        bandwidth = tuple(
            (size, max(size / _best(kernel, watch, repeats) for kernel in _movers(size, device)))
            for size in SETS[_kind(device)]
        )
        return Peaks(precision, products, bandwidth, _op_seconds(watch, device, repeats))


def _kind(device: torch.device) -> str:
    return "cuda" if device.type == "cuda" else "cpu"


def _products(precision: Precision, device: torch.device, dtype: str) -> Iterator[tuple[str, int, Kernel]]:
    """Names, multiply-adds and kernels of matrix products and convolutions."""
    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device).to(getattr(torch, dtype))

    def cast(*tensors: Tensor) -> Sequence[Tensor]:
        """What autocast makes of them: the conversion is no part of the product."""
        with autocast(precision, device):
            wanted = torch.mm(tensors[0].flatten(1)[:1, :1], tensors[0].flatten(1)[:1, :1]).dtype
        return [x.to(wanted) for x in tensors]

    for side in SIDES[_kind(device)]:
        a, b = cast(random(side, side), random(side, side))
        yield f"matrices of {side}", side**3, lambda a=a, b=b: a @ b  # type: ignore[misc]
    for n, c, side, k, window in CONVOLUTIONS[_kind(device)]:
        for name, layout in (("NCHW", torch.contiguous_format), ("NHWC", torch.channels_last)):
            tensors = cast(random(n, c, side, side), random(k, c, window, window))
            x, w = (tensor.contiguous(memory_format=layout) for tensor in tensors)
            yield (
                f"convolution {window}×{window}, {c} to {k} channels, {name}", n * side * side * c * k * window**2,
                lambda x=x, w=w, p=window // 2: F.conv2d(x, w, padding=p),  # type: ignore[misc]
            )


def _movers(size: int, device: torch.device) -> Iterator[Kernel]:
    """Kernels that read and write `size` bytes in all: a copy, an update in place, a sum of two, a sum of all."""
    half = torch.ones(size // 8, device=device)
    third, other_third = torch.ones(size // 12, device=device), torch.ones(size // 12, device=device)
    whole = torch.ones(size // 4, device=device)
    to_half, to_third = torch.empty_like(half), torch.empty_like(third)
    yield lambda: to_half.copy_(half)
    yield lambda: torch.relu_(half)
    yield lambda: torch.add(third, other_third, out=to_third)
    yield whole.sum


def _op_seconds(watch: Watch, device: torch.device, repeats: int) -> float:
    x = torch.ones(8, device=device)

    def ops() -> None:
        for _ in range(TINY_OPS):
            torch.relu_(x)

    return _best(ops, watch, repeats) / TINY_OPS


def _best(kernel: Kernel, watch: Watch, repeats: int) -> float:
    """The seconds of the fastest call; the first is not counted. A short one is repeated more often."""
    kernel()
    best = float("inf")
    for _ in range(repeats):
        for _ in range(1 if best > SHORT_S else 3):
            watch.wait()
            start = watch.mark()
            kernel()
            end = watch.mark()
            watch.wait()
            best = min(best, watch.seconds(start, end))
    return max(best, RESOLUTION_S)
