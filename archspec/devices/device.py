"""What a datasheet says of a device."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, Final, Literal

PRECISIONS: Final = ("fp32", "tf32", "bf16", "fp16")
WITHOUT: Final = {"tf32": "fp32", "bf16": "fp32", "fp16": "fp32"}  # what computes where a device lacks a precision
GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Device:
    """The limits of a device, as its maker publishes them.

    peak_tflops: 10¹² floating-point operations per second of dense matrix products, by precision (fp32, tf32, bf16,
    fp16). bandwidth_gb_per_s: of its memory, in 10⁹ bytes per second. memory_gib: in GiB. units: streaming
    multiprocessors of a GPU, cores of a CPU. launch_us: the shortest time of a kernel, in microseconds. sources: where
    the figures are from. file: the file that describes it, as the user named it; None for a shipped one.
    """

    key: str
    name: str
    kind: Literal["cpu", "gpu"]
    peak_tflops: dict[str, float]
    bandwidth_gb_per_s: float
    memory_gib: float
    units: int
    launch_us: float
    sources: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    file: str | None = None

    @property
    def memory_bytes(self) -> int:
        """Size of its memory in bytes; driver and context take a part of it."""
        return round(self.memory_gib * GIB)

    @property
    def target(self) -> Literal["cpu", "cuda"]:
        """The kind of device that torch calls it."""
        return "cpu" if self.kind == "cpu" else "cuda"

    def computes_in(self, precision: str) -> str:
        """The precision in which its units compute products of `precision`: fp32 where it lacks units for that."""
        return precision if precision in self.peak_tflops else WITHOUT[precision]

    def peak_flops(self, precision: str) -> float:
        """Floating-point operations per second of products in `precision`."""
        return self.peak_tflops.get(self.computes_in(precision), inf) * 1e12

    @property
    def bandwidth(self) -> float:
        """Bytes per second of its memory."""
        return self.bandwidth_gb_per_s * 1e9

    def to_json(self) -> dict[str, Any]:
        """Plain data, as `archspec list devices --json` prints it."""
        return {
            "kind": self.kind, "aliases": list(self.aliases), "peak_tflops": self.peak_tflops,
            "bandwidth_gb_per_s": self.bandwidth_gb_per_s, "memory_gib": self.memory_gib, "units": self.units,
            "launch_us": self.launch_us, "sources": list(self.sources),
        }
