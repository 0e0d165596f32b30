"""Measures the forward and backward time of every layer."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from archspec.profile.breakdown import PassTimes, summed_up
from archspec.profile.layer_hooks import timed_layers
from archspec.profile.timeline import BACKWARD, FORWARD, Part, Timeline, Watch
from archspec.profile.timing import Clock, Until
from archspec.profile.workload import BACKWARD_SCOPE, LOSS_SCOPE, OPTIMIZER_SCOPE, Workload

WARMUP: Final = 2  # runs with hooks
MEASURED: Final = Until(runs=10, seconds=1.0, few=3, most_seconds=10.0)  # of pairs of runs, with and without hooks
_SCOPES: Final = {LOSS_SCOPE: Part("loss"), BACKWARD_SCOPE: BACKWARD, OPTIMIZER_SCOPE: Part("optimizer")}


def layer_times(
    workload: Workload, watch: Watch, *, until: Until = MEASURED, clock: Clock = time.perf_counter
) -> dict[str, PassTimes]:
    """The times of each layer in every pass of `workload`: `forward`, and `step` if the network can be trained.

    Runs with hooks and runs without take turns, so that both see the same machine. until: when there are enough of
    these pairs. clock: for `until` only; `watch` measures.
    """
    timeline = Timeline(watch)

    def scope(name: str) -> AbstractContextManager[object]:
        return timeline.scope(_SCOPES[name])

    hooked: dict[str, Callable[[], object]] = {"forward": workload.forward, "step": lambda: workload.step(scope)}
    return {
        name: _pairs(workload, run, hooked[name], timeline, watch, until, clock)
        for name, run in workload.passes.items()
    }


def _pairs(
    workload: Workload, plain: Callable[[], object], hooked: Callable[[], object], timeline: Timeline, watch: Watch,
    until: Until, clock: Clock,
) -> PassTimes:
    def parts() -> dict[Part, float]:
        with timed_layers(workload.model, timeline):
            watch.wait()
            timeline.switch(FORWARD)
            hooked()
            return timeline.finish()

    for _ in range(WARMUP):
        parts()
    runs: list[dict[Part, float]] = []
    whole: list[float] = []
    start = clock()
    while not until.reached(len(runs), clock() - start):
        whole.append(_seconds(plain, watch))
        runs.append(parts())
    return summed_up(runs, whole)


def _seconds(run: Callable[[], object], watch: Watch) -> float:
    watch.wait()
    start = watch.mark()
    run()
    end = watch.mark()
    watch.wait()
    return watch.seconds(start, end)
