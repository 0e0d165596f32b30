"""What a network takes besides its kernels: the overhead of a call, and data that is not in the caches.

Both are measured on networks made for it. The overhead follows from two of different depth, whose calls take most of
the time; the factor from three with the usual layers, whose data comes from memory, while a kernel that is measured
alone finds it in the caches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import geometric_mean
from typing import Any, Final, NamedTuple

import torch

from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.api import load
from archspec.calibrate.measure import Pace, Stopwatch
from archspec.devices.calibration import Calibration
from archspec.devices.models import CalibratedModel
from archspec.execution import Execution
from archspec.profile.prediction import simulated
from archspec.profile.workload import Workload, setting
from archspec.train.step.precision import Precision, Settings

DEPTHS: Final = (1, 6)
LONG: Final = 1.0  # seconds of steps of each network
NONE: Final = {"forward": 0.0, "training": 0.0, "backward": 0.0, "step": 0.0}


class _Rest(NamedTuple):
    """The calls of a pass, and the microseconds that it takes besides its kernels."""

    calls: int
    microseconds: float


def overhead(
    device: torch.device, watch: Stopwatch, pace: Pace, calibration: Calibration
) -> dict[str, float]:
    """Microseconds of a call: `forward` (in evaluation), `training` and `backward`; and `step`, of what is once a step.

    calibration: the curves of this device.
    """
    bare = CalibratedModel(replace(calibration, overhead_us=dict(NONE)))
    forward, step = zip(*[_rests(depth, device, watch, pace, bare) for depth in DEPTHS], strict=True)
    call = max(0.0, (step[1].microseconds - step[0].microseconds) / (step[1].calls - step[0].calls))
    once = max(0.0, step[0].microseconds - call * step[0].calls)
    in_evaluation = max(0.0, forward[1].microseconds / forward[1].calls)
    return {"forward": in_evaluation, "training": call, "backward": call, "step": once}


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


def _rests(
    depth: int, device: torch.device, watch: Stopwatch, pace: Pace, bare: CalibratedModel
) -> tuple[_Rest, _Rest]:
    """Of a forward pass and of a step of a network with this many convolutions."""
    graph = load(_network(depth)).graph
    chosen = setting(graph, 1, "float32", device, Settings("fp32"))
    found = resources(graph, simulated(chosen, training=True))
    predicted = predict_times(found, bare)
    assert predicted.step is not None
    assert found.training is not None
    passes = Workload(chosen).passes
    with torch.enable_grad():
        measured = {name: 1e6 * pace.seconds(replace(watch, enough=LONG / 4), run) for name, run in passes.items()}
    return (
        _Rest(_calls(found.inference), measured["forward"] - 1000 * predicted.forward.milliseconds),
        _Rest(_calls(found.training), measured["step"] - 1000 * predicted.step.milliseconds),
    )


def _calls(execution: Execution) -> int:
    return sum(k.direction != "optimizer" and k.name != "convolution_backward_bias" for k in execution.kernels)


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
    """Different ops on images so small that the calls take much of the time."""
    def convolution(size: int) -> dict[str, Any]:
        return {"conv2d": {"out_channels": 16, "kernel_size": size, "padding": size // 2}}

    pool = {"avg_pool2d": {"kernel_size": 3, "stride": 1, "padding": 1}}
    block = [convolution(3), "batch_norm2d", "relu", convolution(1), "sigmoid", pool]
    return {
        "archspec": 1, "name": "overhead", "input": [16, 16, 16],
        "stages": {"body": block * depth, "head": ["flatten", {"linear": 32}, "relu", {"linear": 10}]},
    }
