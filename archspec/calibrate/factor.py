"""How much longer kernels take in a forward pass in evaluation than alone, where layers write to memory just used.

Measured on networks with the usual layers, made for it. In a training step kernels take as long as alone: their data
are where those before them in `measure_in_rounds` leave theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import geometric_mean, median
from typing import Any, Final

import torch

from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.api import load
from archspec.calibrate.pace import Effort, Pace, series
from archspec.calibrate.sample import Run
from archspec.devices.calibration import Calibration
from archspec.devices.models import CalibratedModel
from archspec.profile.prediction import simulated
from archspec.profile.workload import Workload, setting
from archspec.train.step.precision import Precision, Settings

LONG: Final = 0.1  # seconds of passes of each network
_PATIENCE: Final = 2.0  # seconds that it waits for undisturbed moments


class Networks:
    """Forward passes of some networks.

    They are measured several times, between kernels: on a virtual machine memory is slower in some minutes, which the
    pace of small kernels does not show.
    """

    def __init__(self, device: torch.device, precisions: Iterable[Precision]) -> None:
        self._networks = [_Network(device, precision, spec, batch) for precision in precisions for spec, batch in (
            (_usual(16), 16), (_usual(32), 4), (_usual(64), 2), (_separable(), 4), (_late(), 4),
        )]

    def measure(self, pace: Pace) -> None:
        """Measure all passes once more."""
        with torch.enable_grad():
            for network in self._networks:
                network.seconds.append(undisturbed(network.forward, network.precision, pace, LONG))

    def factors(self, calibration: Calibration) -> dict[str, float]:
        """How much longer kernels take than alone, by precision: the geometric mean of the networks."""
        ratios: dict[str, list[float]] = {}
        for network in self._networks:
            ratio = median(network.seconds) / network.predicted_seconds(calibration)
            ratios.setdefault(network.precision, []).append(ratio)
        return {precision: max(0.5, min(4.0, geometric_mean(found))) for precision, found in ratios.items()}


class _Network:
    """A network, and the seconds that its forward pass was seen to take."""

    def __init__(self, device: torch.device, precision: Precision, spec: Mapping[str, Any], batch: int) -> None:
        self.precision = precision
        self._setting = setting(load(spec).graph, batch, "float32", device, Settings(precision))
        self.forward = Workload(self._setting).forward
        self.seconds: list[float] = []

    def predicted_seconds(self, calibration: Calibration) -> float:
        """By the times of its kernels."""
        found = resources(self._setting.graph, simulated(self._setting, training=True))
        return predict_times(found, CalibratedModel(calibration)).forward.milliseconds / 1000


def undisturbed(run: Run, precision: Precision, pace: Pace, enough: float) -> float:
    """The seconds of a run while nothing disturbs the machine, from runs of `enough` seconds."""
    return series([run], pace, Effort(4, 1000, enough, _PATIENCE), [precision]).seconds(pace)[0]


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
