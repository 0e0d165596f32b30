"""Measures a machine: its kernels by kind, precision and layout, and what a call costs."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from math import inf
from statistics import median
from typing import Final

import torch

from archspec.backends.denormals import denormals_flushed
from archspec.calibrate.attention import attentions
from archspec.calibrate.cache import cache_bytes
from archspec.calibrate.factor import Networks, undisturbed
from archspec.calibrate.gpu_watch import GpuStopwatch
from archspec.calibrate.host import host_costs
from archspec.calibrate.measure import Stopwatch, measure
from archspec.calibrate.pace import Pace
from archspec.calibrate.passes import image_passes, passes
from archspec.calibrate.products import (
    GPU_KINDS,
    RARE_KINDS,
    convolution_shapes,
    convolutions,
    late_shapes,
    linears,
    products,
    wide_linears,
    wide_shapes,
)
from archspec.calibrate.regression import LEAST, Point, fit_curve
from archspec.calibrate.rounds import measure_in_rounds
from archspec.calibrate.sample import Place, Sample, in_caches, pool
from archspec.devices.calibration import (
    SECONDS,
    SECONDS_GPU,
    Calibration,
    Machine,
    cpu_name,
    host_curve,
)
from archspec.devices.curve import Curve
from archspec.devices.models import CalibratedModel
from archspec.profile.timing import Clock
from archspec.train.step.precision import Precision, float32_products

_PARTS: Final = 2  # of the kernels of a CPU, before, between and after which networks are measured
_SETTLE: Final = 1.0  # seconds to find the machine's usual pace
_BESIDES: Final = 26.0  # seconds of all else during which it waits for undisturbed moments: under two minutes in all
_SMALL: Final = 0.04  # seconds of each pass of a small network
APART: Final = 256 << 20  # bytes that a kernel's turns touch on a GPU: several times its caches
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "bf16")
_MANY: Final = 100  # kernels of a curve
_FIRST: Final = 0.5  # the part of the time in which all products are measured of curves that have fewer,
_BEFORE: Final = 0.7  # and all passes over memory, whose times follow from few
_HOT: Final = 1 << 19  # elements of a pass whose data are in the caches
_LATER: Final = 1000  # linear layers in the sequence, of which the large ones are measured besides
_NO_LIMIT: Final = 1e30  # operations or bytes per second
# In fp32 and tf32 all but products takes as long.
GPU_PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "tf32", "bf16")


def calibrate(
    device: torch.device, *, seconds: float | None = None, clock: Clock = time.perf_counter,
    progress: Callable[[float], None] = lambda _: None, samples: Iterable[Sample] | None = None,
) -> Calibration:
    """Measure kernels of `device` for at most `seconds`, and fit curves to the times.

    Uses torch's current number of threads. seconds: by default SECONDS, on a GPU SECONDS_GPU.

    clock: what kernels are timed with; the process's CPU time, with one thread, on a machine that does other things.
    samples: the kernels; None for those that networks have.
    """
    start, gpu = time.perf_counter(), device.type == "cuda"
    if seconds is None:
        seconds = SECONDS_GPU if gpu else SECONDS
    if samples is None:
        samples = _in_order(_gpu_samples(device) if gpu else _samples(device))
    with denormals_flushed():
        measured = _on_gpu if gpu else _on_cpu
        return replace(measured(device, samples, seconds, clock, progress), seconds=time.perf_counter() - start)


def _on_cpu(
    device: torch.device, samples: Iterable[Sample], seconds: float, clock: Clock, progress: Callable[[float], None]
) -> Calibration:
    pace = Pace(clock)
    pace.patient_until = clock() + seconds + _BESIDES
    pace.settle(_SETTLE)
    networks, samples = Networks(device, PRECISIONS), list(samples)
    points: dict[str, list[Point]] = {}
    for part in range(_PARTS):
        networks.measure(pace)
        share = measure_in_rounds(
            samples[part::_PARTS], clock() + seconds / _PARTS, partial(_progress, progress, part), pace=pace)
        for name, more in share.items():
            points.setdefault(name, []).extend(more)
    networks.measure(pace)
    made = _calibration(Machine(cpu_name(), "cpu", torch.get_num_threads(), _torch()), points)
    made = replace(made, cache_bytes=cache_bytes(clock))
    host_us = host_costs(device, partial(undisturbed, pace=pace, enough=_SMALL), CalibratedModel(made))
    made = replace(made, host_us=host_us)
    pace_ms = {name: 1000 * s for name, s in zip(pace.runs, pace.usual, strict=True)}
    return replace(made, factors=networks.factors(made), pace_ms=pace_ms)


def _progress(progress: Callable[[float], None], part: int, done: float) -> None:
    """Of all parts."""
    progress((part + done) / _PARTS)


def _on_gpu(
    device: torch.device, samples: Iterable[Sample], seconds: float, clock: Clock, progress: Callable[[float], None]
) -> Calibration:
    points = measure(
        samples, GpuStopwatch(device, clock), clock() + seconds, progress, apart=APART,
        within=lambda sample: float32_products(sample.precision, device),
    )
    machine = Machine(cpu_name(), torch.cuda.get_device_name(device), torch.get_num_threads(), _torch())
    made = _calibration(machine, points, _launch(points))
    made = replace(made, curves=made.curves | _host_curves(points))
    whole = Stopwatch(clock, lambda: torch.cuda.synchronize(device), enough=_SMALL, most=1)
    return replace(made, host_us=host_costs(device, lambda run, _: whole.seconds([run]), CalibratedModel(made)))


def _calibration(machine: Machine, points: dict[str, list[Point]], launch_s: float | None = None) -> Calibration:
    """What the kernels of a machine say of it."""
    curves, gmacs, bandwidth = _curves(points, launch_s)
    pool.cache_clear()  # its 128 MiB are not needed any more
    return Calibration(machine, curves, {}, gmacs, bandwidth, 0.0, datetime.now(UTC).date().isoformat())


def _in_order(samples: Iterable[Sample]) -> list[Sample]:
    """Shuffled, so that the deadline cuts off a part of every curve, but first of those that have many kernels.

    Dilated ones are few in each.
    """
    samples, draw = list(samples), random.Random(0).random  # noqa: S311  # not for secrets
    kernels = Counter(sample.curve for sample in samples)

    def place(sample: Sample) -> float:
        if not sample.work.macs:
            return _BEFORE * draw()
        return draw() * (1 if kernels[sample.curve] >= _MANY and sample.work.dilation == 1 else _FIRST)

    return sorted(samples, key=place)


def _torch() -> str:
    return torch.__version__.partition("+")[0]


def _samples(device: torch.device, most_macs: float = 4e8, most: int = 1 << 23) -> Iterator[Sample]:
    for precision in PRECISIONS:
        for layout, dense, rare, late, grouped, large, wide in (
            ("nchw", 124, (24, 10), 60, 66, 24, 24), ("nhwc", 36, (6, 2), 12, 48, 6, 8),
        ):
            place = Place(device, precision, layout)
            yield from convolutions(place, late_shapes(late, most_macs))
            yield from convolutions(place, convolution_shapes(dense, most_macs))
            yield from convolutions(place, convolution_shapes(rare[0], most_macs, dense_kinds=RARE_KINDS))
            yield from convolutions(place, convolution_shapes(large, 12 * most_macs, least=most_macs))
            large_rare = convolution_shapes(rare[1], 12 * most_macs, least=most_macs, dense_kinds=RARE_KINDS)
            yield from convolutions(place, large_rare)
            yield from convolutions(place, wide_shapes(wide, 7 * most_macs))
            yield from convolutions(place, convolution_shapes(grouped, most_macs / 16, grouped=True))
            yield from convolutions(place, convolution_shapes(late // 4, 2e6, least=2e4))
            yield from image_passes(place, most)
            yield from in_caches(image_passes(place, _HOT // 4), place)
        place = Place(device, precision)
        yield from linears(place, 48, most_macs)
        yield from linears(place, 28, 3 * most_macs, least=most_macs / 40, first=_LATER)
        yield from in_caches(linears(place, 24, most_macs / 10), place)
        yield from in_caches(wide_linears(place, cached=True), place)
        yield from in_caches(passes(place, _HOT), place)
        yield from wide_linears(place)
        yield from products(place, 8, 8 * most_macs, least=most_macs)
        yield from passes(place, most)
        yield from attentions(place)


def _gpu_samples(device: torch.device, most_macs: float = 2e11, most: int = 1 << 26) -> Iterator[Sample]:
    """Larger ones, and also small ones, which take as long as their launch."""
    for precision in GPU_PRECISIONS:
        alike = precision == "tf32"
        for layout, dense, grouped in (("nchw", 80 if alike else 120, 40), ("nhwc", 32, 16)):
            place = Place(device, precision, layout)
            shapes = convolution_shapes(dense, most_macs, least=most_macs / 3e5, dense_kinds=GPU_KINDS)
            yield from convolutions(place, shapes)
            yield from convolutions(place, late_shapes(16, most_macs))
            yield from convolutions(place, convolution_shapes(8, 8 * most_macs, least=most_macs))
            if not alike:
                shapes = convolution_shapes(grouped, most_macs / 16, least=most_macs / 5e6, grouped=True)
                yield from convolutions(place, shapes)
                yield from image_passes(place, most)
        place = Place(device, precision)
        yield from products(place, 64, most_macs, least=most_macs / 1e6)
        yield from products(place, 8, 8 * most_macs, least=most_macs)
        if not alike:
            yield from passes(place, most)
            yield from attentions(place)


def _host_curves(points: dict[str, list[Point]]) -> dict[str, Curve]:
    """What the host takes to enqueue convolutions: libraries run several kernels for some, after some transforms."""
    found = {
        name: [Point(p.work, max(p.issued, 1e-9)) for p in measured] for name, measured in points.items()
        if "convolution" in name and len(measured) >= LEAST
    }
    return {host_curve(name): fit_curve(measured, _NO_LIMIT, _NO_LIMIT, 1e-6) for name, measured in found.items()}


def _launch(points: dict[str, list[Point]]) -> float:
    """Seconds of a kernel that does next to nothing."""
    times = sorted(point.seconds for found in points.values() for point in found)
    return times[len(times) // 100]


def _curves(
    points: dict[str, list[Point]], launch_s: float | None
) -> tuple[dict[str, Curve], dict[str, float], float]:
    """The curves, the best rate of products in 10⁹ multiply-adds per second by precision, and of bytes in 10⁹.

    launch_s: of a kernel that does next to nothing; None where it depends on the kind: a library prepares some.
    """
    rates: dict[str, list[float]] = {}
    bandwidths: list[float] = []
    for name, found in points.items():
        precision = name.split("/")[1]
        for work, seconds, _ in found:
            if work.macs:
                rates.setdefault(precision, []).append(work.macs / seconds)
            elif name.startswith("add/") and work.nbytes >= 1 << 24:  # more than caches hold
                bandwidths.append(work.nbytes / seconds)
    best = {precision: _best(found) for precision, found in rates.items()}
    bandwidth = max(bandwidths, default=0.0)
    bandwidth = bandwidth or max((p.work.nbytes / p.seconds for found in points.values() for p in found), default=1e9)
    curves = {
        name: fit_curve(found, best.get(name.split("/")[1], inf), bandwidth, launch_s or min(p.seconds for p in found))
        for name, found in sorted(points.items()) if len(found) >= LEAST
    }
    return curves, {name: rate / 1e9 for name, rate in best.items()}, bandwidth / 1e9


def _best(rates: list[float]) -> float:
    """The best rate that is no outlier: the median of the best five."""
    return median(sorted(rates)[-5:])
