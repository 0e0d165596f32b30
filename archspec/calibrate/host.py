"""What calls of torch take besides their kernels, by kind: networks so small that they take most of the time.

On a GPU it is what the host takes to enqueue kernels, on a CPU what a call takes before and after its kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import torch

from archspec.api import load
from archspec.calibrate.sample import Run
from archspec.devices.calibration import HOST_STEP, host_calls
from archspec.devices.gpu import Circumstances
from archspec.devices.models import CalibratedModel
from archspec.execution import execute
from archspec.profile.prediction import simulated
from archspec.profile.workload import Workload, setting
from archspec.train.step.precision import Precision, Settings

DEPTHS: Final = (3, 15)
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "bf16")
_SWEEPS: Final = 3000
_CONVOLUTION: Final = {"conv2d": {"out_channels": 16, "kernel_size": 3, "padding": 1}}
_PLAIN: Final = {"conv2d": {"out_channels": 16, "kernel_size": 3, "padding": 1, "bias": False}}
_DEPTHWISE: Final = {"conv2d": {"out_channels": 16, "kernel_size": 3, "padding": 1, "groups": 16, "bias": False}}
_POINTWISE: Final = {"conv2d": {"out_channels": 16, "kernel_size": 1}}
_WINDOW: Final = {"kernel_size": 3, "stride": 1, "padding": 1}
_IMAGES: Final[dict[str, list[Any]]] = {
    "convolutions": [_CONVOLUTION, "relu"], "norms": ["batch_norm2d", "relu"],
    "activations": ["relu", "sigmoid", "hardswish"], "pools": [{"max_pool2d": _WINDOW}, {"avg_pool2d": _WINDOW}],
    "residual": [{"add": {"main": [_PLAIN, "batch_norm2d", "relu"], "skip": []}}],
    "branches": [{"concat": {"one": [_CONVOLUTION], "two": [{"max_pool2d": _WINDOW}]}}, _PLAIN],
    "depthwise": [_DEPTHWISE, "batch_norm2d", "hardswish"],
    "squeezed": [{"mul": {"main": [], "weight": ["global_avg_pool2d", _POINTWISE, "sigmoid"]}}, {"dropout": 0.5}],
}
_TOKENS: Final[dict[str, list[Any]]] = {
    "products": [{"linear": 16}, "relu"], "mixer": ["layer_norm", {"linear": 32}, "gelu", {"linear": 16}],
    "transformer": [{"add": {"main": ["layer_norm", {"multi_head_attention": 2}], "skip": []}}],
}
_WORDS: Final[dict[str, list[Any]]] = {"words": ["relu"]}


class Timed(NamedTuple):
    """A measured pass: its calls, its microseconds, and those that are known without the costs of calls."""

    calls: Mapping[str, int]
    us: float
    known_us: float


Measure = Callable[[Run, Precision], float]  # the seconds of a pass that computes in this precision


def host_costs(device: torch.device, seconds: Measure, model: CalibratedModel) -> dict[str, float]:
    """Microseconds of a call by its kind, see `archspec.devices.calibration.host_calls`.

    Those with which the times of all networks come out with the least error, relative to each time. model: knows the
    kernels of a CPU, or what convolutions take besides on the host of a GPU.
    """
    found: list[Timed] = []
    for blocks, inputs, first in (
        (_IMAGES, [16, 8, 8], []), (_TOKENS, [4, 16], []),
        (_WORDS, {"words": {"shape": [4], "dtype": "int64", "below": 100}}, [{"embedding": 16}]),
    ):
        for body in blocks.values():
            for depth in DEPTHS:
                stages = {"body": [*first, *body * depth], "head": ["flatten", {"linear": 10}]}
                spec = {"archspec": 1, "name": "host", "input": inputs, "stages": stages}
                for precision in PRECISIONS:
                    found += _passes(spec, device, seconds, precision, model)
    return least_squares(found)


def _passes(
    spec: Mapping[str, Any], device: torch.device, seconds: Measure, precision: Precision, model: CalibratedModel
) -> Iterator[Timed]:
    """A forward pass in evaluation, one in training, and a step."""
    chosen = setting(load(spec).graph, 2, "float32", device, Settings(precision))
    workload = Workload(chosen)
    for training, run, part in (
        (False, workload.forward, None), (True, workload.training_forward, "forward"), (True, workload.step, None),
    ):
        kernels = [
            kernel for kernel in execute(chosen.graph, simulated(chosen, training=training)).kernels
            if part in (None, kernel.direction) and not (part and kernel.layer == "")
        ]
        calls = host_calls(kernels, training=training)
        if part:
            calls[HOST_STEP] = 0
        circumstances = Circumstances(precision, channels_last=False, training=training)
        known = model.known_seconds(kernels, circumstances)
        with torch.enable_grad():
            yield Timed(calls, 1e6 * seconds(run, precision), 1e6 * known)


def least_squares(passes: Sequence[Timed]) -> dict[str, float]:
    """Costs, none below zero, with which the passes come out best; errors count relative to the time of each.

    By coordinate descent (Franc, Hlaváč & Navara 2005, "Sequential coordinate-wise algorithm for the non-negative
    least squares problem").
    """
    names = sorted({name for row in passes for name in row.calls})
    rows = torch.tensor([[row.calls.get(name, 0) / row.us for name in names] for row in passes], dtype=torch.float64)
    rest = torch.tensor([1 - row.known_us / row.us for row in passes], dtype=torch.float64)
    gram, aim = (rows.T @ rows).tolist(), (rows.T @ rest).tolist()
    costs = [0.0] * len(names)
    for _ in range(_SWEEPS):
        for k, line in enumerate(gram):
            slope = aim[k] - sum([a * b for a, b in zip(line, costs, strict=True)])
            costs[k] = max(0.0, costs[k] + slope / line[k])
    return dict(zip(names, costs, strict=True))


