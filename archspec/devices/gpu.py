"""The time of kernels on a GPU, from its datasheet and a few fitted efficiencies.

A roofline (Williams, Waterman & Patterson 2009, "Roofline: an insightful visual performance model for multicore
architectures") whose roofs are lowered by what a kernel can use of them, as NeuSight does (Lee, Phanishayee & Mahajan
2025, "Forecasting GPU performance for deep learning training and inference", sections 4 and 5): tiles that do not fill
the GPU, and short sides of a product. In fp32 cuDNN transforms windows (Lavin & Gray 2016, "Fast algorithms for
convolutional neural networks"; Vasilache et al. 2015, "Fast convolutional nets with fbfft"). A kernel takes

    launch + (compute^p + memory^p)^(1/p)
    compute = 2 * macs / (peak * efficiency * use),   memory = bytes / (bandwidth * efficiency).

The host enqueues kernels while the device runs earlier ones; see `run`. `benchmarks/kernel_arrays.py` computes the
same in arrays, from `GpuModel.ideal`, `product_use` and `norm_use`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from archspec.devices.device import Device
from archspec.devices.work import KernelLike, Work, signature, work_of

Parameters = dict[str, float]
TILE: Final = 64  # rows and columns of a block of a product
DEPTH: Final = 4096  # of it, at which a product is split
FFT_TAPS: Final = 25  # elements of a window, from which cuDNN transforms it in fp32
# The H200, on which most parameters are fitted, is the unit of what depends on the device.
_BALANCE: Final = 989.4e12 / 4.8e12  # flop per byte
_UNIT_BYTES: Final = 4.8e12 / 132  # bytes per second and unit
_UNIT_FLOPS: Final = 989.4e12 / 132

_PRODUCT: Final = {"conv": (), "conv_input": ("product.input",), "conv_weight": ("product.weight",),
                   "product": ("product.matrix",)}
_MEMORY: Final = ("pool", "layer_norm", "reduce", "copy")
# By how much a direction of a grouped convolution is slower than forward.
_GROUPED: Final = ("grouped_conv_input.compute", "grouped_conv_weight.compute", "grouped_conv_weight.memory")


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


class Ideal(NamedTuple):
    """A kernel without losses, and what it loses.

    compute, memory: seconds that its products and its bytes take at the device's peaks. compute_losses,
    memory_losses: the parameters whose product is the efficiency of each. sides: rows, columns and depth of the matrix
    product that runs; none where `product_use` does not count. unit: how fast a unit multiplies, one of the H200
    being 1. balance: the device's flop per byte, that of the H200 being 1. norm: whether `norm_use` counts.
    """

    compute: float
    memory: float
    compute_losses: tuple[str, ...]
    memory_losses: tuple[str, ...]
    sides: tuple[int, int, int] | None = None
    unit: float = 1.0
    balance: float = 1.0
    norm: bool = False


def product_use(rows: Any, columns: Any, depth: Any, short: Any, wave: Any) -> Any:
    """The part of a GPU's units and of their time that a product can use. Numbers, or arrays of them.

    short: the side at which half of the time is lost. wave: the tiles at which half of the units are idle.
    """
    use = rows / (rows + short) * (columns / (columns + short)) * (depth / (depth + short))
    tiles = -(-rows // TILE) * -(-columns // TILE) * -(-depth // DEPTH)
    return use * tiles / (tiles + wave)


def norm_use(channels: Any, wave: Any) -> Any:
    """The part of a GPU that a batch norm in NCHW can use: one block of threads sums one channel.

    wave: the channels at which half of the units are idle.
    """
    return channels / (channels + wave)


class GpuModel:
    """Times of kernels on one GPU in certain circumstances. parameters: by name, see `fitted.json`."""

    def __init__(self, device: Device, parameters: Parameters, circumstances: Circumstances) -> None:
        self.device, self.parameters, self.circumstances = device, parameters, circumstances

    def time(self, work: Work) -> Timed:
        """The time of a kernel on the device."""
        p, units, ideal = self.parameters, self.device.units, self.ideal(work)
        compute, memory = ideal.compute, ideal.memory
        for name in ideal.compute_losses:
            compute /= p[name]
        for name in ideal.memory_losses:
            memory /= p[name]
        if ideal.sides:
            short, wave = ideal.balance * p["product.short_side"], units * p["product.wave"]
            compute *= ideal.unit ** p["product.slope"]  # faster units are harder to feed
            compute /= product_use(*ideal.sides, short, wave)
        if ideal.norm:
            memory /= norm_use(work.channels, units * p["norm.wave"])
        sharpness = 1 + p["sharpness"]
        both = (compute**sharpness + memory**sharpness) ** (1 / sharpness)
        return Timed(p["launch_us"] * 1e-6 + both, compute, memory)

    def ideal(self, work: Work) -> Ideal:
        """What a kernel takes at the device's peaks, and which parameters lower them."""
        if work.groups > 1:
            return self._grouped(work)
        seconds = work.nbytes / self.device.bandwidth
        losses = ("memory", "memory.low") if work.low else ("memory",)
        if work.macs:
            return self._product(work, seconds, losses)
        if work.family in ("norm", "norm_backward"):
            alone = not work.nhwc and self.circumstances.training and work.channels > 0
            return Ideal(0.0, seconds, (), (*losses, *self._norm(work)), norm=alone)
        return Ideal(0.0, seconds, (), (*losses, f"memory.{work.family}") if work.family in _MEMORY else losses)

    def _precision(self, work: Work) -> str:
        """The precision in which its product is computed."""
        chosen = self.circumstances.precision
        if work.low:
            return self.device.computes_in(chosen if chosen in ("bf16", "fp16") else "bf16")
        return self.device.computes_in("tf32" if chosen == "tf32" else "fp32")

    def _product(self, work: Work, memory: float, memory_losses: tuple[str, ...]) -> Ideal:
        """A matrix product, or a convolution as one. Tensor cores want NHWC, and channels in blocks of 16 bytes."""
        precision, macs, sides = self._precision(work), float(work.macs), (work.rows, work.columns, work.depth)
        peak, tensor = self.device.peak_flops(precision), precision != "fp32"
        losses, window = list(_PRODUCT[work.family]), work.family != "product"
        losses.append("product.low" if work.low else "product.tf32" if tensor else "product.fp32")
        if tensor and work.taps == 1:
            losses.append("product.pointwise")
        elif not tensor and work.taps > 1 and work.stride == 1:
            losses.append("product.fft" if work.taps >= FFT_TAPS else "product.winograd")
        if tensor and window:
            block = 16 // (2 if work.low else 4)
            padded = -(-work.channels // block) * block
            macs *= padded / work.channels
            if work.family == "conv":
                sides = work.rows, work.columns, padded * work.taps
            else:
                sides = work.rows, padded * (1 if work.family == "conv_input" else work.taps), work.depth
            if not work.nhwc:
                losses.append("product.nchw")
                memory_losses = (*memory_losses, "conv.nchw")
        unit = peak / self.device.units / _UNIT_FLOPS * (1 if work.low else 2) if tensor else 1.0
        balance = peak / self.device.bandwidth / _BALANCE
        return Ideal(2 * macs / peak, memory, tuple(losses), memory_losses, sides, unit, balance)

    def _grouped(self, work: Work) -> Ideal:
        """A convolution in groups. It runs on ordinary units, which bound its access to the memory."""
        compute, memory = ["grouped.compute"], ["grouped.memory"]
        compute += [name for name in (f"{work.family}.compute",) if name in _GROUPED]
        memory += [name for name in (f"{work.family}.memory",) if name in _GROUPED]
        if work.low:
            compute.append("grouped.compute_low")
            memory.append("grouped.memory_low")
        if not work.nhwc:
            memory.append("grouped.nchw")
        return Ideal(
            2 * work.macs / self.device.peak_flops("fp32"), work.nbytes / (self.device.units * _UNIT_BYTES),
            tuple(compute), tuple(memory),
        )

    def _norm(self, work: Work) -> list[str]:
        training = self.circumstances.training
        kind = "backward" if work.family == "norm_backward" else "training" if training else "evaluation"
        losses = [f"norm.{kind}"]
        if work.low and self.circumstances.precision != "fp16":  # torch takes cuDNN's in fp16 only
            losses.append("norm.native" if training else "norm.native_evaluation")
        if not work.nhwc:
            losses += ["norm.nchw", "norm.nchw_low"] if work.low else ["norm.nchw"]
        return losses

    def host_seconds(self, kernel: KernelLike, family: str) -> float:
        """What the host takes to enqueue a kernel."""
        p = self.parameters
        if kernel.direction == "optimizer":
            return p["host.parameter_us"] * 1e-6 * (kernel.geometry[0] if kernel.geometry else 1)
        # One call of torch computes both gradients, and that of the bias.
        if kernel.name == "convolution_backward_bias":
            return 0.0
        base = p["host.forward_us" if kernel.direction == "forward" else "host.backward_us"] * 1e-6
        if family == "copy":
            return base * p["host.copy"]
        if family == "norm":
            return base * p["host.norm"]
        return base * (0.5 if family.endswith("conv_input") else 1.0)


class Enqueued(NamedTuple):
    """A kernel of a pass. call: seconds that the host takes to enqueue it. timed: see there. curve: behind its time."""

    call: float
    timed: Timed
    curve: str = ""


def queue_of(kernels: Iterable[KernelLike], model: GpuModel) -> tuple[list[Enqueued], float]:
    """The kernels of a pass on a GPU by its datasheet, and the seconds of the host before the first."""
    known: dict[tuple[object, ...], Enqueued] = {}
    found = []
    for kernel in kernels:
        key = signature(kernel)
        enqueued = known.get(key)
        if enqueued is None:
            work = work_of(kernel)
            enqueued = known[key] = Enqueued(model.host_seconds(kernel, work.family), model.time(work))
        found.append(enqueued)
    return found, model.parameters["host.step_us"] * 1e-6 if model.circumstances.training else 0.0


def run(queue: Sequence[Enqueued], start_up: float) -> tuple[list[float], float]:
    """How long the device waits for the host before each kernel of a pass that follows an equal one, and what it takes.

    The host enqueues a kernel when it has enqueued the one before; the device starts it when it has that, and has
    finished the one before. The host does not wait for the device between passes, so a pass takes the time of the
    slower of the two. start_up: seconds of the host before the first kernel.
    """
    now = end = start = 0.0
    waits: list[float] = []
    for _ in range(2):
        start, waits = end, []
        now += start_up
        for call, timed, _curve in queue:
            now += call
            wait = now - end if now > end else 0.0
            end += wait + timed.seconds
            waits.append(wait)
    return waits, end - start
