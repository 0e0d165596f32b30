"""Tries settings that may make a network faster, in turns with the present ones: their saving is measured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import torch

from archspec.backends.fits import is_shortage
from archspec.backends.own_kernels import use_own_kernels
from archspec.backends.torch import build
from archspec.diagnostics import SpecError
from archspec.ir import sites
from archspec.profile.layer_profile import Trial
from archspec.profile.timeline import Watch
from archspec.profile.timing import Clock, Until, quantile
from archspec.profile.workload import Setting, Workload
from archspec.train.step.microbatch import free_memory
from archspec.train.step.precision import float32_products, pick_precision

ROUNDS: Final = Until(runs=7, seconds=0.5, few=3, most_seconds=6.0)  # of each remedy


def candidates(chosen: Setting) -> Iterator[tuple[str, str, Any]]:
    """Names of settings that could help this network on its device, each with the field of `Settings` and its value."""
    settings, device = chosen.settings, chosen.device
    images = any(len(x.shape) == 4 for site in sites(chosen.graph) for x in site.inputs)
    if images and not settings.channels_last:
        yield "channels-last", "channels_last", True
    if device.type == "cpu" and not settings.own_kernels and _has_own_kernels(chosen):
        yield "own-kernels", "own_kernels", True
    if settings.precision in ("fp32", "tf32") and chosen.dtype == "float32":
        for precision in ("tf32", "bf16"):
            if precision != settings.precision and _supports(precision, device):
                yield precision, "precision", precision


def _has_own_kernels(chosen: Setting) -> bool:
    with torch.device("meta"):
        return bool(use_own_kernels(build(chosen.graph), chosen.graph, channels_last=chosen.settings.channels_last))


def _supports(precision: str, device: torch.device) -> bool:
    try:
        pick_precision(precision, device)
    except SpecError:
        return False
    return True


def try_remedies(
    chosen: Setting, watch: Watch, *, until: Until = ROUNDS, clock: Clock = time.perf_counter
) -> tuple[Trial, ...]:
    """The saving of each candidate, and of all that help together. The pass is the training step if there is one."""
    trials: list[Trial] = []
    helping: dict[str, tuple[str, Any]] = {}  # by field; of several precisions the last, which is the lowest
    for name, key, value in candidates(chosen):
        trials.append(_trial(name, chosen, {key: value}, watch, until, clock))
        if trials[-1].helps:
            helping[key] = (name, value)
    if len(helping) > 1:
        changes = {key: value for key, (_, value) in helping.items()}
        trials.append(_trial(" + ".join(name for name, _ in helping.values()), chosen, changes, watch, until, clock))
    return tuple(trials)


def _trial(
    name: str, chosen: Setting, changes: dict[str, Any], watch: Watch, until: Until, clock: Clock
) -> Trial:
    other = replace(chosen, settings=replace(chosen.settings, **changes))
    try:
        savings = _savings(chosen, other, watch, until, clock)
    except RuntimeError as trouble:
        if not is_shortage(trouble):
            raise
        return Trial(name, problem="it runs out of memory")
    finally:
        free_memory(chosen.device)
    return Trial(name, quantile(savings, 0.5), quantile(savings, 0.25) > 0)


def _savings(chosen: Setting, other: Setting, watch: Watch, until: Until, clock: Clock) -> list[float]:
    """The share of the time that `other` saves in each round. The order of the two changes from round to round."""
    runs = [(setting, Workload(setting)) for setting in (chosen, other)]
    for setting, workload in runs:
        _seconds(setting, workload, watch)
    savings: list[float] = []
    start = clock()
    while not until.reached(len(savings), clock() - start):
        turn = runs if len(savings) % 2 else runs[::-1]
        seconds = {setting.settings: _seconds(setting, workload, watch) for setting, workload in turn}
        before = seconds[chosen.settings]
        savings.append(1 - seconds[other.settings] / before if before else 0.0)
    return savings


def _seconds(setting: Setting, workload: Workload, watch: Watch) -> float:
    run = workload.passes.get("step", workload.forward)
    with float32_products(setting.settings.precision, setting.device):
        watch.wait()
        start = watch.mark()
        run()
        end = watch.mark()
        watch.wait()
    return watch.seconds(start, end)
