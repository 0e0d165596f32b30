"""How long kernels take, kernel by kernel: on a GPU by its datasheet, on a calibrated machine by its curves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from math import exp, log, sqrt
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from archspec.devices.among import Among, among
from archspec.devices.calibration import (
    HOST_PASS,
    HOST_STEP,
    Calibration,
    call_count,
    host_call,
    host_curve,
)
from archspec.devices.curve import Curve, hot_kind, kind_of
from archspec.devices.device import Device
from archspec.devices.gpu import Circumstances, Enqueued, GpuModel, Timed, queue_of, run
from archspec.devices.work import KernelLike, Work, signature, work_of

FITTED: Final = Path(__file__).with_name("fitted.json")
DEVIATIONS: Final = 1.2816  # of a normal distribution, within which 80 % lie
# Of the logarithm of a whole network's time on a calibrated machine, besides the errors of its kernels: what
# `benchmarks/predict.py` measures where other virtual machines change the pace.
NETWORK: Final = 0.25


class KernelTime(NamedTuple):
    """What a kernel adds to a pass: seconds, their bound (compute, bandwidth, launches), and the curve behind them."""

    seconds: float
    bound: str
    curve: str = ""


class TimeModel(Protocol):
    """Predicts the kernels of a pass."""

    name: str

    def computes_in(self, precision: str) -> str:
        """The precision in which it computes products of `precision`."""

    def times(self, kernels: Iterable[KernelLike], circumstances: Circumstances) -> list[KernelTime]:
        """What each kernel adds to the time of the pass, in order."""

    def span(self, times: list[KernelTime], circumstances: Circumstances) -> float:
        """The logarithm of the factor within which 80 % of measured times lie."""


@cache
def fitted() -> dict[str, Any]:
    """The fitted efficiencies of GPUs; written by `benchmarks/fit_devices.py`."""
    data: dict[str, Any] = json.loads(FITTED.read_text(encoding="utf-8"))
    return data


class SheetModel:
    """A GPU by its datasheet and the fitted efficiencies; of an RTX 3090, with those fitted on its own rows."""

    def __init__(self, device: Device) -> None:
        self.device, self.name = device, device.name
        own = fitted()["devices"].get(device.key if device.file is None else "", {})
        self.parameters: dict[str, float] = {**fitted()["parameters"], **own.get("parameters", {})}
        self.spans: dict[str, float] = own.get("span", fitted()["span"])

    def computes_in(self, precision: str) -> str:
        """See TimeModel."""
        return self.device.computes_in(precision)

    def times(self, kernels: Iterable[KernelLike], circumstances: Circumstances) -> list[KernelTime]:
        """See TimeModel."""
        return _times(*queue_of(kernels, GpuModel(self.device, self.parameters, circumstances)))

    def span(self, times: list[KernelTime], circumstances: Circumstances) -> float:
        """See TimeModel."""
        span: float = self.spans["step" if circumstances.training else "forward"]
        return span


def _times(queue: Sequence[Enqueued], start_up: float) -> list[KernelTime]:
    """What kernels add to a pass on a GPU, with what the device waits for each of them."""
    at_once: dict[Enqueued, KernelTime] = {}
    times = []
    for enqueued, wait in zip(queue, run(queue, start_up)[0], strict=True):
        time = None if wait else at_once.get(enqueued)
        if time is None:
            _, timed, curve = enqueued
            time = KernelTime(wait + timed.seconds, _bound(wait, timed), curve)
            if not wait:
                at_once[enqueued] = time
        times.append(time)
    return times


def _bound(wait: float, timed: Timed) -> str:
    """What most of a kernel's time is: its products, its bytes, or neither, which is the host and the launch."""
    work = max(timed.compute, timed.memory)
    if 2 * work < wait + timed.seconds:
        return "launches"
    return "compute" if timed.compute >= timed.memory else "bandwidth"


class CalibratedModel:
    """A calibrated machine.

    A CPU runs its kernels one after the other, each after the overhead of its call. A GPU runs those that the host has
    enqueued; see `run`.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration, self.name = calibration, calibration.name
        self._chosen: dict[tuple[str, bool, bool, bool, Circumstances], tuple[str, Curve]] = {}
        self._known: dict[tuple[str, Work], Timed] = {}

    def computes_in(self, precision: str) -> str:
        """See TimeModel. What was measured is what runs, however the machine computes it."""
        return precision

    def times(self, kernels: Iterable[KernelLike], circumstances: Circumstances) -> list[KernelTime]:
        """See TimeModel."""
        if self.calibration.machine.device != "cpu":
            return self._queued(kernels, circumstances)
        kernels = list(kernels)
        place = among(kernels, circumstances, self.calibration)
        times, known = list[KernelTime](), dict[tuple[object, ...], KernelTime]()
        for kernel in kernels:
            key = signature(kernel)
            time = known.get(key)
            if time is None:
                wait = self._call_seconds(kernel, circumstances)
                timed, name = self._kernel(kernel, circumstances, place)
                time = known[key] = KernelTime(timed.seconds + wait, _bound(wait, timed), name)
            times.append(time)
        if times:
            last = times[-1]
            times[-1] = last._replace(seconds=last.seconds + self._once(circumstances))
        return times

    def _call_seconds(self, kernel: KernelLike, circumstances: Circumstances) -> float:
        """What the call of a kernel takes besides."""
        call = host_call(kernel, training=circumstances.training)
        return 0.0 if call is None else call_count(kernel) * self.calibration.host_us.get(call, 0.0) * 1e-6

    def _once(self, circumstances: Circumstances) -> float:
        """The seconds of what is once a pass, and once a step."""
        costs = self.calibration.host_us
        return 1e-6 * (costs.get(HOST_PASS, 0.0) + (costs.get(HOST_STEP, 0.0) if circumstances.training else 0.0))

    def _kernel(self, kernel: KernelLike, circumstances: Circumstances, place: Among) -> tuple[Timed, str]:
        """The time of a kernel in a network, and the curve behind it."""
        work = work_of(kernel)
        hot = 0.0 if work.pixels else place.hot_products if work.macs else place.hot_passes
        found, name = self._alone(kernel.name, work._replace(hot=True) if hot else work, circumstances)
        factor = place.factor
        if 0 < hot < 1:
            far, of_far = self._alone(kernel.name, work, circumstances)
            seconds = found.seconds**hot * far.seconds ** (1 - hot)
            found, name = (found, name) if hot > 0.5 else (far, of_far)
            factor *= seconds / found.seconds
        return Timed(*[factor * seconds for seconds in found]), name

    def _alone(self, name: str, work: Work, circumstances: Circumstances) -> tuple[Timed, str]:
        """The time of a kernel by its curve, with its data in the caches or not."""
        name = kind_of(name, work._replace(hot=False))  # of which `_choose` knows similar ones
        key = name, work.low, work.nhwc, work.hot, circumstances
        chosen = self._chosen.get(key)
        if chosen is None:
            chosen = self._chosen[key] = self._choose(name, work, circumstances)
        name, curve = chosen
        known = self._known.get((name, work))
        if known is None:
            known = self._known[name, work] = _on(curve, work)
        return known, name

    def _queued(self, kernels: Iterable[KernelLike], circumstances: Circumstances) -> list[KernelTime]:
        """The times on a GPU, beside a host that needs its own time for each call."""
        known, queue = dict[tuple[object, ...], Enqueued](), list[Enqueued]()
        for kernel in kernels:
            key = signature(kernel)
            enqueued = known.get(key)
            if enqueued is None:
                enqueued = known[key] = self._enqueued(kernel, circumstances)
            queue.append(enqueued)
        return _times(queue, self._once(circumstances))

    def _enqueued(self, kernel: KernelLike, circumstances: Circumstances) -> Enqueued:
        issued = self._call_seconds(kernel, circumstances) + self._issue_seconds(kernel, circumstances)
        return Enqueued(issued, *self._alone(kernel.name, work_of(kernel), circumstances))

    def known_seconds(self, kernels: Sequence[KernelLike], circumstances: Circumstances) -> float:
        """Of a pass without the costs of calls: a CPU's kernels, or what `_issue_seconds` says of a GPU's host."""
        if self.calibration.machine.device == "cpu":
            place = among(kernels, circumstances, self.calibration)
            return sum([self._kernel(kernel, circumstances, place)[0].seconds for kernel in kernels])
        return sum([self._issue_seconds(kernel, circumstances) for kernel in kernels])

    def _issue_seconds(self, kernel: KernelLike, circumstances: Circumstances) -> float:
        """What the host of a GPU takes for the kernels of a convolution, besides torch's call."""
        if "convolution" not in kernel.name or kernel.name == "convolution_backward_bias":
            return 0.0
        work = work_of(kernel)
        _, name = self._alone(kernel.name, work, circumstances)
        curve = self.calibration.curves.get(host_curve(name))
        if curve is None:
            return 0.0
        known = self._known.get((host_curve(name), work))
        if known is None:
            known = self._known[host_curve(name), work] = _on(curve, work)
        return known.seconds

    def _choose(self, name: str, work: Work, circumstances: Circumstances) -> tuple[str, Curve]:
        """The curve of a kernel, or that of the most similar kind that was measured."""
        low = circumstances.precision if work.low or (work.macs and circumstances.precision == "tf32") else "fp32"
        # What counts for convolutions and norms is the layout in which they run, not that of the images.
        nhwc = work.nhwc or (not work.channels and circumstances.channels_last)
        layout = "nhwc" if nhwc else "nchw"
        if name == "batch_norm" and not circumstances.training:
            name = "batch_norm_evaluation"
        family = work.family
        last = () if work.macs else ("add",)
        kinds = [name, *_LIKE.get(name, ()), family, *_LIKE.get(family, ()), *last]
        if work.hot:
            kinds = [kind for each in kinds for kind in (hot_kind(each), each)]
        for kind in kinds:
            for precision in (low, "bf16" if work.low else "fp32", "fp32"):
                for order in (f"/{layout}", "/nchw", ""):
                    found = self.calibration.curves.get(f"{kind}/{precision}{order}")
                    if found is not None:
                        return f"{kind}/{precision}{order}", found
        return self._roofline(low)

    def _roofline(self, precision: str) -> tuple[str, Curve]:
        """For kinds without a curve, where measuring ended early: twice the roofline's time, within that factor."""
        rates = self.calibration.peak_gmacs
        rate = rates.get(precision) or max(rates.values(), default=1.0)
        bandwidth = self.calibration.bandwidth_gb_per_s * 1e9
        return "", Curve((), (), log(2), 0.0, 1.0, log(2), (0.0, 0.0), rate * 1e9, bandwidth)

    def span(self, times: list[KernelTime], circumstances: Circumstances) -> float:
        """See TimeModel. Errors of one curve count as the same, those of different curves as independent.

        The error of the network as a whole comes on top.
        """
        sums: dict[str, float] = {}
        for time in times:
            sums[time.curve] = sums.get(time.curve, 0.0) + time.seconds
        total, curves = sum(sums.values()), self.calibration.curves
        deviations = {name: curves[name].deviation if name else log(2) for name in sums}
        errors = [deviations[name] * part / total for name, part in sums.items()] if total else []
        return DEVIATIONS * sqrt(NETWORK**2 + sum([error * error for error in errors]))


_LIKE: Final = {
    "efficient_attention": ("flash_attention",), "efficient_attention_backward": ("flash_attention_backward",),
    "mm": ("addmm",), "bmm": ("addmm",), "product": ("addmm",), "reordering_copy": ("copy",),
    "depthwise_convolution": ("grouped_convolution",),
    "depthwise_convolution_backward": ("depthwise_convolution", "grouped_convolution"),
    "grouped_convolution": ("depthwise_convolution", "convolution"),
    "batch_norm_evaluation": ("batch_norm",), "norm": ("batch_norm",), "norm_backward": ("batch_norm_backward",),
    "add_": ("add",), "pool": ("max_pool2d",), "reduce": ("sum",), "update": ("sgd",), "adamw": ("adam",),
    "adaptive_avg_pool2d": ("mean",), "log_softmax": ("softmax",),
    "log_softmax_backward": ("softmax_backward",), "relu6": ("relu",), "relu6_backward": ("relu_backward",),
}


def _on(curve: Curve, work: Work) -> Timed:
    """The time of a kernel by its curve, and which part of it is work: its products, or its bytes if they take more.

    The other part is what a kernel of this kind takes that does nothing.
    """
    # The mean of a time whose logarithm is normally distributed: what many kernels take on average.
    seconds = curve.seconds(work) * exp(curve.deviation**2 / 2)
    compute, memory = work.macs / curve.macs_per_s, work.nbytes / curve.bytes_per_s
    used = seconds * (compute + memory) / (compute + memory + curve.launch_s)
    return Timed(seconds, used, 0.0) if compute >= memory else Timed(seconds, 0.0, used)


class CpuSheetModel:
    """A CPU by its datasheet alone: a roofline of typical efficiencies. An estimate: within a factor of two."""

    COMPUTE: Final = 0.5
    MEMORY: Final = 0.6

    def __init__(self, device: Device) -> None:
        self.device, self.name = device, device.name

    def computes_in(self, precision: str) -> str:
        """See TimeModel."""
        return self.device.computes_in(precision)

    def times(self, kernels: Iterable[KernelLike], circumstances: Circumstances) -> list[KernelTime]:
        """See TimeModel."""
        launch = self.device.launch_us * 1e-6
        return [self._time(work_of(kernel), circumstances.precision, launch) for kernel in kernels]

    def _time(self, work: Work, precision: str, launch: float) -> KernelTime:
        peak = self.device.peak_flops(precision if work.low else "fp32")
        compute = 2 * work.macs / (self.COMPUTE * peak)
        memory = work.nbytes / (self.MEMORY * self.device.bandwidth)
        seconds = launch + max(compute, memory)
        return KernelTime(seconds, _bound(0.0, Timed(seconds, compute, memory)))

    def span(self, times: list[KernelTime], circumstances: Circumstances) -> float:
        """See TimeModel."""
        return 0.69
