"""What a network takes besides its kernels: the overhead of a call, and data that is not in the caches.

Both are measured on networks made for it. The overhead follows from two of different depth, whose calls take most of
the time, beside a kernel alone; the factor from three with the usual layers: much of their data comes from memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import geometric_mean, mean
from typing import Any, Final

import torch

from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.api import load
from archspec.calibrate.measure import Pace, Stopwatch
from archspec.calibrate.passes import activations
from archspec.calibrate.sample import Place
from archspec.devices.calibration import Calibration
from archspec.devices.models import CalibratedModel
from archspec.profile.prediction import simulated
from archspec.profile.workload import Workload, setting
from archspec.train.step.precision import Precision, Settings

DEPTHS: Final = (4, 24)
_BLOCK: Final = ("relu", "sigmoid")
_ELEMENTS: Final = 256
LONG: Final = 1.0  # seconds of steps of each network
NONE: Final = {"forward": 0.0, "training": 0.0, "backward": 0.0, "step": 0.0}


def overhead(device: torch.device, watch: Stopwatch, pace: Pace, calibration: Calibration) -> dict[str, float]:
    """Microseconds of a call: `forward` (in evaluation), `training` and `backward`; and `step`, of what is once a step.

    calibration: the curves of this device.
    """
    shallow, deep = (_network_us(depth, device, watch, pace) for depth in DEPTHS)
    forward, step = ((b - a) / (DEPTHS[1] - DEPTHS[0]) for a, b in zip(shallow, deep, strict=True))
    kernel = _kernel_us(device, watch, pace)
    call = max(0.0, step / (2 * len(_BLOCK)) - kernel)
    once = max(0.0, shallow[1] - DEPTHS[0] * step - _head_us(device, calibration))
    return {"forward": max(0.0, forward / len(_BLOCK) - kernel), "training": call, "backward": call, "step": once}


def factor(
    device: torch.device, watch: Stopwatch, pace: Pace, calibration: Calibration, precision: Precision
) -> float:
    """How much longer kernels take in a network than alone: the geometric mean of three networks' steps."""
    ratios, patient = [], replace(watch, enough=LONG)
    for width, batch in ((16, 16), (32, 4), (64, 2)):
        graph = load(_usual(width)).graph
        chosen = setting(graph, batch, "float32", device, Settings(precision))
        predicted = predict_times(resources(graph, simulated(chosen, training=True)), CalibratedModel(calibration)).step
        assert predicted is not None
        step = Workload(chosen).passes["step"]
        with torch.enable_grad():
            ratios.append(1000 * pace.seconds(patient, step) / predicted.milliseconds)
    return max(0.5, min(4.0, geometric_mean(ratios)))


def _network_us(depth: int, device: torch.device, watch: Stopwatch, pace: Pace) -> tuple[float, float]:
    """Microseconds of a forward pass and of a step of a network of so many blocks."""
    passes = Workload(setting(load(_network(depth)).graph, 1, "float32", device, Settings("fp32"))).passes
    patient = replace(watch, enough=LONG / 2)
    with torch.enable_grad():
        return 1e6 * pace.seconds(patient, passes["forward"]), 1e6 * pace.seconds(patient, passes["step"])


def _kernel_us(device: torch.device, watch: Stopwatch, pace: Pace) -> float:
    """Microseconds of a kernel of a block, alone. Those of backward, on so few elements, take as long as of forward."""
    samples = [sample for sample in activations(Place(device, "fp32"), _ELEMENTS, _BLOCK) if sample.name in _BLOCK]
    with torch.no_grad():
        return mean([1e6 * pace.seconds(watch, sample.make()) for sample in samples])


def _head_us(device: torch.device, calibration: Calibration) -> float:
    """Microseconds of a step's kernels outside of the blocks, by the curves."""
    chosen = setting(load(_network(DEPTHS[0])).graph, 1, "float32", device, Settings("fp32"))
    found = resources(chosen.graph, simulated(chosen, training=True))
    step = predict_times(found, CalibratedModel(replace(calibration, overhead_us=dict(NONE)))).step
    assert step is not None
    return 1000 * sum([x.forward_ms + x.backward_ms for path, x in step.layers.items() if not path.startswith("body")])


def _usual(width: int) -> Mapping[str, Any]:
    """A network with the usual layers: convolutions, norms, pools, a product."""
    def convolution(channels: int, size: int) -> list[Any]:
        fields = {"out_channels": channels, "kernel_size": size, "padding": size // 2, "bias": False}
        return [{"conv2d": fields}, "batch_norm2d", "relu"]

    return {
        "archspec": 1, "name": "usual", "input": [3, 64, 64],
        "stages": {
            "first": [*convolution(width, 5), {"max_pool2d": 2}],
            "second": [*convolution(2 * width, 3), *convolution(width, 1), *convolution(2 * width, 3)],
            "pool": {"max_pool2d": 2},
            "third": [*convolution(4 * width, 3), *convolution(4 * width, 3), {"avg_pool2d": 4}],
            "head": ["flatten", {"linear": 256}, "relu", {"linear": 10}],
        },
    }


def _network(depth: int) -> Mapping[str, Any]:
    """Ops on so few elements that the calls take most of the time."""
    return {
        "archspec": 1, "name": "overhead", "input": [_ELEMENTS],
        "stages": {"body": [*_BLOCK] * depth, "head": {"linear": 10}},
    }
