"""What a sweep will cost, before anything of it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from archspec.diagnostics import SpecError
from archspec.sweep.expand import Expansion, Trial
from archspec.text import duration_text

if TYPE_CHECKING:
    from archspec.results.trials import Store
    from archspec.sweep.slots import Slots

PLAN_FORMAT: Final = 1
STEPS: Final = 4  # timed of each distinct network and batch; the first ones are not counted


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one trial costs.

    steps: updates in all. macs: multiply-adds of the forward passes over the training images; a training step costs
    about three times that. seconds: predicted, None where it was not timed. problem: why it cannot run here, None if
    it can.
    """

    trial: Trial
    steps: int | None
    macs: int | None
    seconds: float | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep comes to. done: trials with a result. slots: how many run at once."""

    estimates: tuple[Estimate, ...]
    done: frozenset[str]
    left_out: int
    invalid: int
    slots: int

    @property
    def seconds(self) -> float | None:
        """Predicted wall time of the trials without a result; None where one of them could not be timed."""
        left = [e.seconds for e in self.estimates if e.trial.id not in self.done and e.problem is None]
        known = [seconds for seconds in left if seconds is not None]
        return sum(known) / max(1, self.slots) if len(known) == len(left) else None

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
        }

    def text(self) -> str:
        """The same in a few lines."""
        count = len(self.estimates)
        lines = [f"{count} trial{'s' * (count != 1)}, {len(self.done)} done"]
        if self.invalid:
            lines[0] += f"; {self.invalid} combination{'s' * (self.invalid != 1)} cannot be trained"
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
            lines.append(f"predicted: {duration_text(self.seconds)}, {self.slots} at once")
        return "\n".join(lines)


def plan(found: Expansion, store: Store, slots: Slots, device: str = "auto") -> Plan:
    """Count, check against memory, and time a few steps of each distinct network and batch."""
    done = frozenset(store.results(trial.id for trial in found.trials))
    timed: dict[Any, Timing] = {}
    estimates = []
    for trial in found.trials:
        key = (id(trial.loaded.graph), trial.recipe.batch_size)
        if key not in timed:
            timed[key] = timing(trial, device, slots.threads)
        estimates.append(_estimate(trial, timed[key]))
    return Plan(tuple(estimates), done, found.left_out, len(found.invalid), len(slots.environments))


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of a training step and of a forward pass of as many images, or why there is no step."""

    step_s: float | None = None
    forward_s: float | None = None
    problem: str | None = None


def timing(trial: Trial, device: str, threads: int) -> Timing:
    """Time a few steps of the trial's network and batch on random images."""
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
    train, test = images(trial)
    if train is None or test is None:
        return Estimate(trial, None, None, None, timed.problem)
    recipe = trial.recipe
    steps = recipe.epochs * ceil(train / recipe.batch_size)
    macs = recipe.epochs * train * trial.loaded.report.macs
    if timed.step_s is None or timed.forward_s is None:
        return Estimate(trial, steps, macs, None, timed.problem)
    seconds = steps * timed.step_s + recipe.epochs * ceil(test / recipe.batch_size) * timed.forward_s
    return Estimate(trial, steps, macs, seconds, None)


def images(trial: Trial) -> tuple[int | None, int | None]:
    """Training and test images of a trial; None where only reading the data would tell."""
    from archspec.data.registry import DATASETS

    info = DATASETS.get(trial.recipe.data)
    if info is None:
        return None, None
    limits: Mapping[str, int] = trial.limits
    train = min(info.train_size, limits.get("limit_train", info.train_size))
    return train, min(info.test_size, limits.get("limit_test", info.test_size))


def macs_text(macs: int) -> str:
    """`35.0 M MACs`, `1,200.0 T MACs`."""
    scale, unit = next((pair for pair in ((1e12, "T"), (1e9, "G")) if macs >= pair[0]), (1e6, "M"))
    return f"{macs / scale:,.1f} {unit} MACs"


def _named(trial: Trial) -> str:
    values = ", ".join(f"{key}: {value}" for key, value in trial.varied.items() if key != "spec")
    return trial.variant + (f" with {values}" if values else "")


