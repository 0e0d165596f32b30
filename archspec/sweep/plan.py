"""Estimates the cost of a sweep before it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from archspec.data.amounts import run_images
from archspec.diagnostics import SpecError, plural
from archspec.sweep.expand import Expansion, Trial
from archspec.sweep.folders import result_of
from archspec.text import duration_text

if TYPE_CHECKING:
    from archspec.results.trials import Store
    from archspec.sweep.slots import Slots
    from archspec.sweep.starts import Starts

PLAN_FORMAT: Final = 1
STEPS: Final = 4  # to time for each network and batch size, after some that do not count


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of one trial.

    steps: all updates. macs: multiply-adds of the forward passes over the training images; training costs about three
    times as much. seconds: the predicted time with evaluations, without the start of the process; None if it was not
    timed. problem: why the trial cannot run here; None if it can.
    """

    trial: Trial
    steps: int | None
    macs: int | None
    seconds: float | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The cost of a sweep. done: trials with a result. slots: trials at once. starts: None if not measured."""

    estimates: tuple[Estimate, ...]
    done: frozenset[str]
    left_out: int
    invalid: int
    slots: int
    starts: Starts | None = None

    @property
    def seconds(self) -> float | None:
        """Predicted wall time of the trials without a result, including starts; None if one could not be timed."""
        left = [e.seconds for e in self.estimates if e.trial.id not in self.done and e.problem is None]
        known = [seconds for seconds in left if seconds is not None]
        if len(known) < len(left):
            return None
        if not known:
            return 0.0
        first, each = (0.0, 0.0) if self.starts is None else (self.starts.first_s, self.starts.each_s)
        return first + sum(seconds + each for seconds in known) / max(1, self.slots)

    def to_json(self) -> dict[str, Any]:
        """The versioned JSON form."""
        return {
            "format": PLAN_FORMAT,
            "trials": [
                {
                    "id": e.trial.id, "variant": e.trial.variant, "varied": dict(e.trial.varied), "seed": e.trial.seed,
                    "done": e.trial.id in self.done, "params": e.trial.loaded.report.params, "steps": e.steps,
                    "forward_macs": e.macs, "seconds": e.seconds, "problem": e.problem,
                }
                for e in self.estimates
            ],
            "invalid": self.invalid, "left_out": self.left_out, "at_once": self.slots, "seconds": self.seconds,
            "start_seconds": None if self.starts is None else self.starts.each_s,
        }

    def text(self) -> str:
        """The plan as a few lines of text."""
        lines = [f"{plural(len(self.estimates), 'trial')}, {len(self.done)} done"]
        if self.invalid:
            lines[0] += f"; {plural(self.invalid, 'combination')} cannot be trained"
        if self.left_out:
            lines[0] += f"; `where` leaves out {self.left_out}"
        problems = [e for e in self.estimates if e.problem is not None]
        lines += [f"  {_named(e.trial)}: {e.problem}" for e in problems[:10]]
        if len(problems) > 10:
            lines.append(f"  and {len(problems) - 10} more that do not fit")
        macs = [e.macs for e in self.estimates if e.trial.id not in self.done and e.macs is not None]
        if macs:
            lines.append(f"left: {macs_text(sum(macs))} forward, about three times that to train")
        if self.seconds is not None:
            start = "without the starts of the trials" if self.starts is None else \
                f"{duration_text(self.starts.each_s)} of each trial to start"
            lines.append(f"predicted: {duration_text(self.seconds)}, {self.slots} at once, {start}")
        return "\n".join(lines)


def plan(
    found: Expansion, store: Store, slots: Slots, device: str = "auto",
    starts: Callable[[Trial], Starts | None] = lambda trial: None,
) -> Plan:
    """Count the trials, check that they fit into memory, and time a few steps of each network and batch size.

    starts: measures the start of a trial; called once, for a trial without a result.
    """
    from archspec.ir.digest import graph_digest

    done = frozenset(trial.id for trial in found.trials if result_of(store, trial) is not None)
    timed: dict[Any, Timing] = {}
    estimates = []
    for trial in found.trials:
        key = (graph_digest(trial.loaded.graph), trial.recipe.batch_size)
        if key not in timed:
            timed[key] = timing(trial, device, slots.threads)
        estimates.append(_estimate(trial, timed[key]))
    left = next((e.trial for e in estimates if e.seconds is not None and e.trial.id not in done), None)
    start = None if left is None else starts(left)
    return Plan(tuple(estimates), done, found.left_out, len(found.invalid), len(slots.environments), start)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of a training step and of a forward pass of the same batch, or why the step is impossible."""

    step_s: float | None = None
    forward_s: float | None = None
    problem: str | None = None


def timing(trial: Trial, device: str, threads: int) -> Timing:
    """Time a few steps of the trial's network with its batch size on random images."""
    from archspec.profile import measure

    try:
        measured = measure(
            trial.loaded, batch_size=trial.recipe.batch_size, device=device, threads=threads, steps=STEPS, warmup=2
        )
    except SpecError as problem:
        (first, *_) = problem.diagnostics
        return Timing(problem=first.message)
    if measured.step is None:
        return Timing(problem=measured.no_step)
    return Timing(measured.step.median_ms / 1000, measured.forward.median_ms / 1000)


def _estimate(trial: Trial, timed: Timing) -> Estimate:
    seen = run_images(trial.recipe, **trial.limits)
    if seen is None:
        return Estimate(trial, None, None, None, timed.problem)
    recipe = trial.recipe
    steps, passes = (recipe.epochs * ceil(seen.train / size) for size in (recipe.images_per_step, recipe.batch_size))
    macs = recipe.epochs * seen.train * trial.loaded.report.macs
    if timed.step_s is None or timed.forward_s is None:
        return Estimate(trial, steps, macs, None, timed.problem)
    batches = recipe.epochs * ceil(seen.each_epoch / recipe.batch_size) + ceil(seen.at_end / recipe.batch_size)
    return Estimate(trial, steps, macs, passes * timed.step_s + batches * timed.forward_s, None)


def macs_text(macs: int) -> str:
    """`35.0 M MACs`, `1,200.0 T MACs`."""
    scale, unit = next((pair for pair in ((1e12, "T"), (1e9, "G")) if macs >= pair[0]), (1e6, "M"))
    return f"{macs / scale:,.1f} {unit} MACs"


def _named(trial: Trial) -> str:
    values = ", ".join(f"{key}: {value}" for key, value in trial.varied.items() if key != "spec")
    return trial.variant + (f" with {values}" if values else "")
