"""What a network takes besides its kernels: the overhead of a call, and data that is not in the caches.

Both are measured on networks made for it. The overhead follows from networks of two depths, whose calls and parameters
take most of the time, beside a kernel alone; the factor from some with the usual layers: much of their data comes from
memory.
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
_CALLS: Final = ("relu", "sigmoid")
_PARAMETERS: Final = ({"linear": 16},)
_ELEMENTS: Final = 256
LONG: Final = 0.35  # seconds of steps of each network
NONE: Final = {"forward": 0.0, "training": 0.0, "backward": 0.0, "parameter": 0.0, "step": 0.0}
Block = tuple[Any, ...]


def overhead(device: torch.device, watch: Stopwatch, pace: Pace, calibration: Calibration) -> dict[str, float]:
    """Microseconds of a call: `forward` (in evaluation), `training` and `backward`; `parameter`: of each tensor that
    the optimizer updates; and `step`, of what is once a step.

    calibration: the curves of this device.
    """
    span = DEPTHS[1] - DEPTHS[0]
    shallow, deep = (_network_us(_CALLS, depth, device, watch, pace) for depth in DEPTHS)
    forward, step = ((b - a) / span for a, b in zip(shallow, deep, strict=True))
    kernel = _kernel_us(device, watch, pace)
    call = max(0.0, step / (2 * len(_CALLS)) - kernel)
    found = NONE | {"forward": max(0.0, forward / len(_CALLS) - kernel), "training": call, "backward": call}
    with_parameters = [_network_us(_PARAMETERS, depth, device, watch, pace)[1] for depth in DEPTHS]
    predicted = [_predicted_us(_PARAMETERS, depth, device, replace(calibration, overhead_us=found)) for depth in DEPTHS]
    beside = [a - b for a, b in zip(with_parameters, predicted, strict=True)]
    found["parameter"] = max(0.0, (beside[1] - beside[0]) / span / 2)  # weight and bias
    once = [
        us - _predicted_us(block, DEPTHS[0], device, replace(calibration, overhead_us=found))
        for block, us in ((_CALLS, shallow[1]), (_PARAMETERS, with_parameters[0]))
    ]
    return found | {"step": max(0.0, mean(once))}


def factor(
    device: torch.device, watch: Stopwatch, pace: Pace, calibration: Calibration, precision: Precision
) -> float:
    """How much longer kernels take in a network than alone: the geometric mean of some networks' steps."""
    ratios, patient = [], replace(watch, enough=LONG)
    for spec, batch in (
        (_usual(16), 16), (_usual(32), 4), (_usual(64), 2), (_separable(), 4), (_late(), 4),
    ):
        graph = load(spec).graph
        chosen = setting(graph, batch, "float32", device, Settings(precision))
        predicted = predict_times(resources(graph, simulated(chosen, training=True)), CalibratedModel(calibration)).step
        assert predicted is not None
        step = Workload(chosen).passes["step"]
        with torch.enable_grad():
            ratios.append(1000 * pace.seconds(patient, step) / predicted.milliseconds)
    return max(0.5, min(4.0, geometric_mean(ratios)))


def _network_us(
    block: Block, depth: int, device: torch.device, watch: Stopwatch, pace: Pace
) -> tuple[float, float]:
    """Microseconds of a forward pass and of a step of a network of so many blocks."""
    passes = Workload(setting(load(_network(block, depth)).graph, 1, "float32", device, Settings("fp32"))).passes
    patient = replace(watch, enough=LONG / 2)
    with torch.enable_grad():
        return 1e6 * pace.seconds(patient, passes["forward"]), 1e6 * pace.seconds(patient, passes["step"])


def _kernel_us(device: torch.device, watch: Stopwatch, pace: Pace) -> float:
    """Microseconds of a kernel of a block, alone. Those of backward, on so few elements, take as long as of forward."""
    samples = [sample for sample in activations(Place(device, "fp32"), _ELEMENTS, _CALLS) if sample.name in _CALLS]
    with torch.no_grad():
        return mean([1e6 * pace.seconds(watch, sample.make()) for sample in samples])


def _predicted_us(block: Block, depth: int, device: torch.device, calibration: Calibration) -> float:
    """Predicted microseconds of a step of a network of so many blocks."""
    chosen = setting(load(_network(block, depth)).graph, 1, "float32", device, Settings("fp32"))
    step = predict_times(resources(chosen.graph, simulated(chosen, training=True)), CalibratedModel(calibration)).step
    assert step is not None
    return 1000 * step.milliseconds


def _usual(width: int) -> Mapping[str, Any]:
    """A network with the usual layers: convolutions, norms, pools, a product."""
    return {
        "archspec": 1, "name": "usual", "input": [3, 64, 64],
        "stages": {
            "first": [*_convolution(width, 5), {"max_pool2d": 2}],
            "second": [*_convolution(2 * width, 3), *_convolution(width, 1), *_convolution(2 * width, 3)],
            "pool": {"max_pool2d": 2},
            "third": [*_convolution(4 * width, 3), *_convolution(4 * width, 3), {"avg_pool2d": 4}],
            "head": ["flatten", {"linear": 256}, "relu", {"linear": 10}],
        },
    }


def _convolution(channels: int, size: int, **fields: int) -> list[Any]:
    return [
        {"conv2d": {"out_channels": channels, "kernel_size": size, "padding": size // 2, "bias": False, **fields}},
        "batch_norm2d", "relu",
    ]


def _separable() -> Mapping[str, Any]:
    """A network with depthwise convolutions."""
    def block(wide: int, narrow: int, size: int) -> list[Any]:
        return [*_convolution(wide, 1), *_convolution(wide, size, groups=wide), *_convolution(narrow, 1)[:2]]

    return {
        "archspec": 1, "name": "separable", "input": [3, 96, 96],
        "stages": {
            "first": _convolution(16, 3, stride=2),
            "second": [*block(64, 24, 3), *block(96, 24, 5), {"max_pool2d": 2}],
            "third": [*block(96, 40, 5), *block(160, 40, 3), {"max_pool2d": 2}],
            "head": ["global_avg_pool2d", "flatten", {"linear": 10}],
        },
    }


def _late() -> Mapping[str, Any]:
    """A network whose weights are larger than its activations."""
    return {
        "archspec": 1, "name": "late", "input": [64, 8, 8],
        "stages": {
            "first": [*_convolution(256, 3), *_convolution(256, 3), {"max_pool2d": 2}],
            "second": [*_convolution(512, 3), *_convolution(384, 3)],
            "head": ["flatten", {"linear": 512}, "relu", {"linear": 10}],
        },
    }


def _network(block: Block, depth: int) -> Mapping[str, Any]:
    """Ops on so few elements that the calls take most of the time."""
    return {
        "archspec": 1, "name": "overhead", "input": [_ELEMENTS],
        "stages": {"body": [*block] * depth, "head": {"linear": 10}},
    }
