"""Measures a machine: its kernels by kind, precision and layout, and what a call costs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from statistics import median
from typing import Final

import torch

from archspec.backends.denormals import denormals_flushed
from archspec.calibrate.attention import attentions
from archspec.calibrate.gpu_watch import GpuStopwatch, Steady
from archspec.calibrate.host import host_costs
from archspec.calibrate.measure import Clock, Pace, Stopwatch, measure
from archspec.calibrate.overhead import NONE, factor, overhead
from archspec.calibrate.passes import image_passes, passes
from archspec.calibrate.products import (
    GPU_KINDS,
    RARE_KINDS,
    convolution_shapes,
    convolutions,
    late_shapes,
    linears,
    products,
)
from archspec.calibrate.regression import LEAST, Point, fit_curve
from archspec.calibrate.rounds import measure_in_rounds
from archspec.calibrate.sample import Place, Sample, pool
from archspec.devices.calibration import Calibration, Machine, cpu_name, host_curve
from archspec.devices.curve import LAUNCH, Curve
from archspec.devices.models import CalibratedModel
from archspec.train.step.precision import Precision, float32_products

# Of measuring kernels, at most; whole networks come on top, on a CPU for about a minute.
SECONDS: Final = 48.0
SECONDS_GPU: Final = 96.0
APART: Final = 256 << 20  # bytes that a kernel's turns touch on a GPU: several times its caches
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "bf16")
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
        every = list(_gpu_samples(device) if gpu else _samples(device))
        random.Random(0).shuffle(every)  # noqa: S311  # so that what the deadline cuts off is a part of every curve
        samples = every
    whole = Stopwatch(clock, (lambda: torch.cuda.synchronize(device)) if gpu else lambda: None)  # of networks
    with denormals_flushed():
        pace = Pace(whole, device)
        if gpu:
            points = measure(
                samples, GpuStopwatch(device, clock), clock() + seconds, progress, pace=Steady(), apart=APART,
                within=lambda sample: float32_products(sample.precision, device),
            )
        else:
            points = measure_in_rounds(samples, clock, clock() + seconds, progress, pace=pace)
    machine = Machine(
        cpu_name(), "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device), torch.get_num_threads(),
        torch.__version__.partition("+")[0],
    )
    curves, gmacs, bandwidth = _curves(points, _launch(points) if gpu else LAUNCH)
    made = Calibration(machine, curves, dict(NONE), {}, gmacs, bandwidth, 0.0, datetime.now(UTC).date().isoformat())
    pool.cache_clear()  # its 128 MiB are not needed any more
    with denormals_flushed():
        if gpu:
            made = replace(made, curves=curves | _host_curves(points))
            made = replace(made, host_us=host_costs(device, whole, CalibratedModel(made)))
        else:
            made = replace(made, overhead_us=overhead(device, whole, pace, made))
            factors: dict[str, float] = {name: factor(device, whole, pace, made, name) for name in PRECISIONS}
            made = replace(made, factors=factors, pace_ms=1000 * pace.usual())
    return replace(made, seconds=time.perf_counter() - start)


def _samples(device: torch.device, most_macs: float = 4e8, most: int = 1 << 23) -> Iterator[Sample]:
    for precision in PRECISIONS:
        for layout, dense, rare, late, grouped, large in (("nchw", 112, 24, 60, 44, 10), ("nhwc", 36, 6, 12, 18, 3)):
            place = Place(device, precision, layout)
            yield from convolutions(place, late_shapes(late, most_macs))
            yield from convolutions(place, convolution_shapes(dense, most_macs))
            yield from convolutions(place, convolution_shapes(rare, most_macs, dense_kinds=RARE_KINDS))
            yield from convolutions(place, convolution_shapes(large, 8 * most_macs, least=most_macs))
            yield from convolutions(place, convolution_shapes(grouped, most_macs / 16, grouped=True))
            yield from image_passes(place, most)
        place = Place(device, precision)
        yield from linears(place, 48, most_macs)
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
    points: dict[str, list[Point]], launch_s: float
) -> tuple[dict[str, Curve], dict[str, float], float]:
    """The curves, the best rate of products in 10⁹ multiply-adds per second by precision, and of bytes in 10⁹."""
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
        name: fit_curve(found, best.get(name.split("/")[1], inf), bandwidth, launch_s)
        for name, found in sorted(points.items()) if len(found) >= LEAST
    }
    return curves, {name: rate / 1e9 for name, rate in best.items()}, bandwidth / 1e9


def _best(rates: list[float]) -> float:
    """The best rate that is no outlier: the median of the best five."""
    return median(sorted(rates)[-5:])
