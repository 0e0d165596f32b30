"""A calibration of this machine with made-up times, for tests that need one and measure nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch

from archspec.calibrate.products import convolution_shapes, convolutions, products
from archspec.calibrate.regression import Point
from archspec.calibrate.run import _calibration
from archspec.calibrate.sample import Place
from archspec.devices.calibration import Calibration, this_machine
from archspec.devices.curve import roof


@cache
def few_kernels() -> Calibration:
    """As `archspec calibrate` makes it of a few convolutions and products that take 0.1 ms more than a roofline says."""
    place = Place(torch.device("cpu"), "fp32")
    points: dict[str, list[Point]] = {}
    for sample in (*convolutions(place, convolution_shapes(4, 1e6)), *products(place, 4, 1e6)):
        points.setdefault(sample.curve, []).append(Point(sample.work, 1e-4 + roof(sample.work, 1e10, 1e10)))
    made = _calibration(this_machine()[-1], points)
    return replace(made, pace_ms={"product": 1.0, "sum": 1.0}, cache_bytes=1 << 20)
