"""The time of kernels on a GPU, from its datasheet and a few fitted efficiencies.

A roofline (Williams, Waterman & Patterson 2009, "Roofline: an insightful visual performance model for multicore
architectures") whose roofs are lowered by what a kernel can use of them, as NeuSight does (Lee, Phanishayee & Mahajan
2025, "Forecasting GPU performance for deep learning training and inference", sections 4 and 5): tiles that do not fill
the GPU, and short sides of a product. A kernel takes

    launch + (compute^p + memory^p)^(1/p)
    compute = 2 * macs / (peak * efficiency * use),   memory = bytes / (bandwidth * efficiency).

The host enqueues kernels while the device runs earlier ones; see `queue`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Final, NamedTuple

from archspec.devices.device import Device
from archspec.devices.work import KernelLike, Work, work_of

Parameters = dict[str, float]
TILE: Final = 128  # rows and columns of a block of a product
DEPTH: Final = 4096  # of it, at which a product is split
PADDED: Final = 8  # channels at least, on tensor cores
# The H200, on which most parameters are fitted, is the unit of what depends on the device.
_BALANCE: Final = 989.4e12 / 4.8e12  # flop per byte
_UNIT_BYTES: Final = 4.8e12 / 132  # bytes per second and unit
_UNIT_FLOPS: Final = 989.4e12 / 132

_PRODUCT: Final = {"conv": "", "conv_input": "product.input", "conv_weight": "product.weight",
                   "product": "product.matrix"}
_MEMORY: Final = {"pool": "memory.pool", "layer_norm": "memory.layer_norm", "reduce": "memory.reduce",
                  "copy": "memory.copy"}


class Circumstances(NamedTuple):
    """Of an execution. precision: fp32, tf32, bf16 or fp16. training: a step, else a forward pass in evaluation."""

    precision: str
    channels_last: bool
    training: bool


class Timed(NamedTuple):
    """The time of a kernel in seconds: on the device in all, and what its products and its bytes alone would take."""

    seconds: float
    compute: float
    memory: float


class GpuModel:
    """Times of kernels on one GPU in certain circumstances. parameters: by name, see `fitted.json`."""

    def __init__(self, device: Device, parameters: Parameters, circumstances: Circumstances) -> None:
        self.device, self.parameters, self.circumstances = device, parameters, circumstances
        self._known: dict[Work, Timed] = {}

    def time(self, work: Work) -> Timed:
        """The time of a kernel on the device."""
        found = self._known.get(work)
        if found is None:
            p = 1 + self.parameters["sharpness"]
            compute, memory = self._compute(work), self._memory(work)
            both = (compute**p + memory**p) ** (1 / p)
            found = self._known[work] = Timed(self.parameters["launch_us"] * 1e-6 + both, compute, memory)
        return found

    def _precision(self, work: Work) -> str:
        """The precision in which its product is computed."""
        chosen = self.circumstances.precision
        if work.low:
            return self.device.computes_in(chosen if chosen in ("bf16", "fp16") else "bf16")
        return self.device.computes_in("tf32" if chosen == "tf32" else "fp32")

    def _compute(self, work: Work) -> float:
        if not work.macs:
            return 0.0
        p, precision = self.parameters, self._precision(work)
        if work.family.startswith("grouped_"):  # on a GPU's ordinary units
            rate = self.device.peak_flops("fp32") * p["grouped.compute"] * (p["grouped.compute_low"] if work.low else 1)
            return 2 * work.macs / (rate * p.get(f"{work.family}.compute", 1))
        peak, macs = self.device.peak_flops(precision), work.macs
        tensor = precision != "fp32"
        if tensor and 0 < work.channels < PADDED:
            macs = macs * PADDED // work.channels
        unit = peak / self.device.units / _UNIT_FLOPS * (1 if work.low or not tensor else 2)
        efficiency = p["product.low" if work.low else "product.tf32" if tensor else "product.fp32"]
        efficiency *= unit ** -p["product.slope"] if tensor else 1
        efficiency *= p.get(_PRODUCT[work.family], 1) * (p["product.pointwise"] if work.taps == 1 else 1)
        return 2 * macs / (peak * efficiency * self._use(work, peak))

    def _use(self, work: Work, peak: float) -> float:
        """The part of the GPU's units and of their time that a product can use: sides against the machine's balance."""
        p = self.parameters
        short = p["product.short_side"] * peak / self.device.bandwidth / _BALANCE
        use = 1.0
        for side in (work.rows, work.columns, work.depth):
            use *= side / (side + short)
        tiles = ceil(work.rows / TILE) * ceil(work.columns / TILE) * ceil(work.depth / DEPTH)
        return use * tiles / (tiles + self.device.units * p["product.wave"])

    def _memory(self, work: Work) -> float:
        p, (_, nhwc, training) = self.parameters, self.circumstances
        family, nbytes = work.family, float(work.nbytes)
        rate = self.device.bandwidth * p["memory"] * p.get(_MEMORY.get(family, ""), 1) * (
            p["memory.low"] if work.low else 1)
        if family in ("norm", "norm_backward"):
            backward = family == "norm_backward"
            rate *= p["norm.backward" if backward else "norm.training" if training else "norm.evaluation"]
            if not nhwc:
                rate *= p["norm.nchw"] * (p["norm.nchw_low"] if work.low else 1)
        elif family.startswith("grouped_"):
            rate = self.device.units * _UNIT_BYTES * p["grouped.memory"] * (p["grouped.memory_low"] if work.low else 1)
            rate *= p.get(f"{family}.memory", 1)
        elif not nhwc and work.taps and family in ("conv", "conv_input", "conv_weight"):
            nbytes *= 1 if self._precision(work) == "fp32" else 1 + p["conv.transposes"]  # tensor cores want NHWC
        return nbytes / rate

    def host_seconds(self, kernel: KernelLike, family: str) -> float:
        """What the host takes to enqueue a kernel."""
        p = self.parameters
        if kernel.direction == "optimizer":
            return p["host.parameter_us"] * 1e-6 * (kernel.geometry[0] if kernel.geometry else 1)
        base = p["host.forward_us" if kernel.direction == "forward" else "host.backward_us"] * 1e-6
        if family == "copy":
            return base * p["host.copy"]
        # One call of torch computes both gradients, and that of the bias.
        if kernel.name == "convolution_backward_bias":
            return 0.0
        return base * (0.5 if family.endswith("conv_input") else 1.0)


class Slot(NamedTuple):
    """One kernel in the queue. wait: seconds that the device waits for the host before it. timed: see there."""

    wait: float
    timed: Timed


def queue(kernels: Iterable[KernelLike], model: GpuModel) -> tuple[Sequence[Slot], float]:
    """Each kernel's wait and time, and the time from the first call to the end of the last kernel, in seconds.

    The host enqueues a kernel when it has enqueued the one before; the device starts it when it has that, and has
    finished the one before. So what counts is the slower of the two at every moment.
    """
    now = model.parameters["host.step_us"] * 1e-6 if model.circumstances.training else 0.0
    end, slots = 0.0, []
    for kernel in kernels:
        work = work_of(kernel)
        now += model.host_seconds(kernel, work.family)
        timed = model.time(work)
        wait = max(0.0, now - end)
        end += wait + timed.seconds
        slots.append(Slot(wait, timed))
    return slots, end
