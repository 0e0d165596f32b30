"""Measures the layers of a network, beside what the machine can do and what other settings would save."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from archspec.analysis import cost_report
from archspec.backends.device import pick_device
from archspec.execution import Optimizer, execute
from archspec.profile.breakdown import PassTimes
from archspec.profile.layer_profile import LayerProfile, LayerTime, Trial
from archspec.profile.layers import layer_times
from archspec.profile.peaks import Peaks, measure_peaks
from archspec.profile.prediction import simulated
from archspec.profile.remedies import try_remedies
from archspec.profile.roofline import Kernel, raised, roof_of
from archspec.profile.run import eager, prepared
from archspec.profile.timeline import watch_of
from archspec.profile.timing import Clock, Until
from archspec.profile.workload import USUAL, Setting, Workload, setting
from archspec.train.step.precision import Settings, float32_products

if TYPE_CHECKING:
    from archspec.api import Loaded

NOT_COMPILED: Final = "layers are not compiled, because compiling fuses them: the times above are of compiled passes"


def profile_layers(
    loaded: Loaded, *, batch_size: int = 1, dtype: str = "float32", device: str = "auto", threads: int | None = None,
    steps: int | None = None, settings: Settings | None = None, optimizer: Optimizer = USUAL,
    predicted: Mapping[str, float] | None = None, clock: Clock = time.perf_counter,
) -> LayerProfile:
    """Time every layer's forward and backward pass, and compare it with the peaks of the machine.

    The peaks are measured before and after the layers. Settings that may be faster are tried on the same network.
    Layers are not compiled, because compiling fuses them. predicted: milliseconds of each layer, by its path. See
    `measure` for the other arguments and the errors.
    """
    asked = setting(loaded.graph, batch_size, dtype, pick_device(device), settings, optimizer)
    chosen, notes = eager(asked), (NOT_COMPILED,) if asked.settings.compile else ()
    watch = watch_of(chosen.device, clock)
    counted: dict[str, Any] = {} if steps is None else {"until": Until(steps)}

    def peaks_now() -> Peaks:
        return measure_peaks(chosen.settings.precision, chosen.device, watch, dtype=chosen.dtype)

    with prepared(chosen, threads):
        before = peaks_now()
        with float32_products(chosen.settings.precision, chosen.device):
            times = layer_times(Workload(chosen), watch, clock=clock, **counted)
        trials = try_remedies(chosen, watch, clock=clock, **counted)
        peaks = before.best_with(peaks_now())
    found = layer_profile(chosen, times, peaks, kernels_of(chosen), trials, predicted or {})
    return replace(found, notes=notes)


def kernels_of(chosen: Setting) -> tuple[Kernel, ...]:
    """The kernels of a training step, or of a forward pass if the network cannot be trained."""
    return execute(chosen.graph, simulated(chosen, training=chosen.no_step is None)).kernels


def layer_profile(
    chosen: Setting, times: Mapping[str, PassTimes], peaks: Peaks, kernels: Iterable[Kernel],
    trials: tuple[Trial, ...], predicted: Mapping[str, float],
) -> LayerProfile:
    """Put the parts together. The peaks are raised where a layer shows that the machine can do more."""
    work: defaultdict[str, list[Kernel]] = defaultdict(list)
    for kernel in kernels:
        if kernel.direction != "optimizer":
            work[kernel.layer].append(kernel)
    inference = times["forward"].layers("forward")
    forward, backward = (
        times["step"].layers(kind) if "step" in times else {} for kind in ("forward", "backward")
    )
    measured = {
        layer.path: forward.get(layer.path, 0.0) + backward.get(layer.path, 0.0) if forward else
        inference.get(layer.path, 0.0) for layer in cost_report(chosen.graph).layers()
    }
    for path, ms in measured.items():
        peaks = raised(peaks, work[path], ms)
    layers = tuple(
        LayerTime(
            layer.path, layer.op, inference.get(layer.path, 0.0), forward.get(layer.path, 0.0),
            backward.get(layer.path, 0.0), roof_of(work[layer.path], peaks) if work[layer.path] else None,
            predicted.get(layer.path),
        )
        for layer in cost_report(chosen.graph).layers()
    )
    return LayerProfile(layers, times, settings_text(chosen), peaks, trials)


def settings_text(chosen: Setting) -> str:
    """`fp32`, `bf16, channels-last, own kernels`, or with weights of another dtype `bfloat16`."""
    settings = chosen.settings
    words = [settings.precision if chosen.dtype == "float32" else chosen.dtype]
    flags = {"channels-last": settings.channels_last, "own kernels": settings.own_kernels}
    return ", ".join(words + [name for name, on in flags.items() if on])
