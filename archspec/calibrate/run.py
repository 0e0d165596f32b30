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
from archspec.calibrate.measure import Clock, Pace, Stopwatch, measure
from archspec.calibrate.overhead import NONE, factor, overhead
from archspec.calibrate.passes import image_passes, passes
from archspec.calibrate.products import convolution_shapes, convolutions, products
from archspec.calibrate.regression import LEAST, Point, fit_curve
from archspec.calibrate.sample import Place, Sample, pool
from archspec.devices.calibration import Calibration, Machine, cpu_name
from archspec.devices.curve import Curve
from archspec.train.step.precision import Precision

SECONDS: Final = 96.0  # of measuring kernels, at most; whole networks come on top
# Bytes that a kernel's turns touch: several times the caches that hold what an op has just written.
APART_CPU: Final = 16 << 20
APART_GPU: Final = 256 << 20
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "bf16")


def calibrate(
    device: torch.device, *, seconds: float = SECONDS, clock: Clock = time.perf_counter,
    progress: Callable[[float], None] = lambda _: None, samples: Iterable[Sample] | None = None,
) -> Calibration:
    """Measure `device` for at most `seconds`, and fit curves to the times. Uses torch's current number of threads.

    clock: what kernels are timed with; the process's CPU time, with one thread, on a machine that does other things.
    samples: the kernels; None for those that networks have.
    """
    watch = Stopwatch(clock, (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else lambda: None)
    start = time.perf_counter()
    if samples is None:
        large = device.type != "cpu"
        every = list(_samples(device, most_macs=2e11 if large else 4e8, most=1 << (26 if large else 23)))
        random.Random(0).shuffle(every)  # noqa: S311  # so that what the deadline cuts off is a part of every curve
        samples = every
    with denormals_flushed():
        pace = Pace(watch, device)
        apart = APART_CPU if device.type == "cpu" else APART_GPU
        points = measure(samples, watch, clock() + seconds, progress, pace=pace, apart=apart)
    machine = Machine(
        cpu_name(), "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device), torch.get_num_threads(),
        torch.__version__.partition("+")[0],
    )
    curves, gmacs, bandwidth = _curves(points)
    made = Calibration(machine, curves, dict(NONE), {}, gmacs, bandwidth, 0.0, datetime.now(UTC).date().isoformat())
    with denormals_flushed():
        made = replace(made, overhead_us=overhead(device, watch, pace, made))
        pool.cache_clear()  # its 128 MiB are not needed any more
        factors: dict[str, float] = {name: factor(device, watch, pace, made, name) for name in PRECISIONS}
    return replace(made, factors=factors, seconds=time.perf_counter() - start, pace_ms=1000 * pace.usual())


def _samples(device: torch.device, *, most_macs: float, most: int) -> Iterator[Sample]:
    for precision in PRECISIONS:
        for layout, dense, grouped, large in (("nchw", 90, 44, 10), ("nhwc", 30, 18, 3)):
            place = Place(device, precision, layout)
            yield from convolutions(place, convolution_shapes(dense, most_macs))
            yield from convolutions(place, convolution_shapes(large, 8 * most_macs, least=most_macs))
            yield from convolutions(place, convolution_shapes(grouped, most_macs / 16, grouped=True))
            yield from image_passes(place, most)
        place = Place(device, precision)
        yield from products(place, 64, most_macs)
        yield from products(place, 8, 8 * most_macs, least=most_macs)
        yield from passes(place, most)
        yield from attentions(place)


def _curves(points: dict[str, list[Point]]) -> tuple[dict[str, Curve], dict[str, float], float]:
    """The curves, the best rate of products in 10⁹ multiply-adds per second by precision, and of bytes in 10⁹."""
    rates: dict[str, list[float]] = {}
    bandwidths: list[float] = []
    for name, found in points.items():
        precision = name.split("/")[1]
        for work, seconds in found:
            if work.macs:
                rates.setdefault(precision, []).append(work.macs / seconds)
            elif name.startswith("add/") and work.nbytes >= 1 << 24:  # more than caches hold
                bandwidths.append(work.nbytes / seconds)
    best = {precision: _best(found) for precision, found in rates.items()}
    bandwidth = max(bandwidths, default=0.0)
    bandwidth = bandwidth or max((w.nbytes / s for found in points.values() for w, s in found), default=1e9)
    curves = {
        name: fit_curve(found, best.get(name.split("/")[1], inf), bandwidth)
        for name, found in sorted(points.items()) if len(found) >= LEAST
    }
    return curves, {name: rate / 1e9 for name, rate in best.items()}, bandwidth / 1e9


def _best(rates: list[float]) -> float:
    """The best rate that is no outlier: the median of the best five."""
    return median(sorted(rates)[-5:])
