"""Tries advice before it is given: short trainings of new networks, each with one change."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from itertools import islice, pairwise
from math import isfinite
from typing import Any, Final

import torch
from torch import Tensor

from archspec.backends.fits import is_shortage
from archspec.backends.init import seeded, stream_seed
from archspec.data.batches import endless
from archspec.diagnostics import SpecError
from archspec.ir import Graph
from archspec.language.recipe import Recipe
from archspec.train.callbacks import Callback
from archspec.train.doctor.chance import Chance, chance_of
from archspec.train.doctor.edit import change_text
from archspec.train.doctor.finding import Trial
from archspec.train.doctor.patient import Patient
from archspec.train.loop import train_epoch
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.setup import fresh_model
from archspec.train.step.microbatch import free_memory
from archspec.train.step.precision import float32_products

STEPS: Final = (60, 180, 540)  # of each change, in rounds; the next round starts only if nothing has learned
LOOK_EVERY: Final = 10  # steps
FEWEST: Final = 20  # steps of a trial whose result counts
LEARNED: Final = 0.9  # of chance, and of the run's own loss
FALLING: Final = 0.98  # of chance: a lower loss is worth more steps immediately
BETTER: Final = 0.05  # accuracy above that of a constant prediction
BLOWN: Final = 20.0  # times chance: a higher loss will not recover in time
CLOSE: Final = 1.05  # times the best loss: among these the first change is chosen


class _Enough(Exception):
    """Ends a trial: more steps would not change the result, or the time is up."""


class _Observer(Callback):
    def __init__(self, deadline: float, most: float) -> None:
        self.labels: list[Tensor] = []
        self._deadline, self._most = deadline, most

    def on_step(self, run: Run) -> None:
        self.labels.append(run.batch.y)
        if time.monotonic() > self._deadline:
            raise _Enough
        if run.state.step % LOOK_EVERY == 0 and not float(run.state.meter.losses()[-1]) < self._most:
            raise _Enough


def try_changes(
    patient: Patient, groups: Sequence[Sequence[Mapping[str, Any]]], *, seconds: float, chance: Chance | None,
    now: float,
) -> tuple[Trial, ...]:
    """Try the changes, group by group, within `seconds` in total. now: the loss of the run.

    Every trial starts from the recipe's seed and sees the same images in the same order. The run itself does not
    change: neither its network nor its random numbers nor the order of its images. Later groups are skipped after a
    group in which a change has learned.
    """
    trials = _Trials(patient.alone(), chance, now, time.monotonic() + seconds)
    for short, long in pairwise(STEPS):
        for group in groups:
            trials.run(group, short)
            if not trials.learnt:
                trials.run(trials.promising(group, short), long)
            if trials.learnt:
                return trials.all()
    trials.run([change for group in groups for change in group], STEPS[-1])
    return trials.all()


class _Trials:
    """The trials so far: the longest of each change."""

    def __init__(self, patient: Patient, chance: Chance | None, now: float, deadline: float) -> None:
        self._patient, self._chance, self._now, self._deadline = patient, chance, now, deadline
        self._done: dict[str, Trial] = {}

    def all(self) -> tuple[Trial, ...]:
        return tuple(self._done.values())

    @property
    def learnt(self) -> bool:
        return any(trial.learnt for trial in self._done.values())

    def run(self, group: Sequence[Mapping[str, Any]], steps: int) -> None:
        """Try each change for `steps`, unless it was tried for as many or its loss became infinite or NaN."""
        for change in group:
            before = self._done.get(change_text(change))
            if before is not None and (before.loss is None or before.steps >= steps):
                continue
            if time.monotonic() < self._deadline:
                trial = _attempt(self._patient, change, steps, self._deadline, self._chance, self._now)
                if trial is not None and (before is None or trial.steps > before.steps):
                    self._done[trial.text] = trial

    def promising(self, group: Sequence[Mapping[str, Any]], steps: int) -> list[Mapping[str, Any]]:
        """The change whose loss has fallen furthest, if any has fallen."""
        if self._chance is None:
            return []
        found = [self._done[change_text(change)] for change in group if change_text(change) in self._done]
        falling = [
            (trial.loss, change_text(trial.change), trial.change) for trial in found
            if trial.loss is not None and trial.steps >= steps and trial.loss <= FALLING * self._chance.loss
        ]
        return [min(falling)[2]] if falling else []


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the best result; among about equal ones the first. None if nothing has learned."""
    learnt = [(trial.loss, trial) for trial in trials if trial.learnt and trial.loss is not None]
    if not learnt:
        return None
    least = min(loss for loss, _ in learnt)
    return next(trial for loss, trial in learnt if loss <= CLOSE * least)


def _attempt(
    patient: Patient, change: Mapping[str, Any], steps: int, deadline: float, chance: Chance | None, now: float
) -> Trial | None:
    """One trial; None if the change cannot be applied, or time or memory is too short."""
    changed = patient.changed(change)
    if changed is None:
        return None
    most = BLOWN * (chance.loss if chance else now)
    try:
        losses, accuracies, labels = _train(patient, *changed, steps, deadline, most)
    except SpecError:
        return None
    except RuntimeError as problem:
        if not is_shortage(problem):
            raise
        return None
    finally:
        free_memory(patient.machine.device)
    ends = min(len(losses), max(LOOK_EVERY, len(losses) // 4))
    if len(losses) < min(FEWEST, steps) and all(map(isfinite, losses)):
        return None
    loss, accuracy = sum(losses[-ends:]) / ends, sum(accuracies[-ends:]) / ends
    if not isfinite(loss):
        return Trial(change_text(change), change, len(losses), None, None, learnt=False)
    bar = chance or chance_of(labels)
    least = min(now, bar.loss) if bar is not None and isfinite(now) else bar.loss if bar is not None else now
    above = 0.0 if bar is None else min(bar.accuracy + BETTER, (1 + bar.accuracy) / 2)
    learnt = loss <= LEARNED * least and accuracy >= above
    return Trial(change_text(change), change, len(losses), loss, accuracy, learnt)


def _train(
    patient: Patient, graph: Graph, recipe: Recipe, steps: int, deadline: float, most: float
) -> tuple[list[float], list[float], Counter[int]]:
    """Train a new network at the recipe's rate, after a warm-up if it has one: losses, accuracies, label counts."""
    machine = patient.machine
    observer = _Observer(deadline, most)
    with (
        seeded(stream_seed(recipe.seed, "training"), machine.device),
        float32_products(machine.settings.precision, machine.device),
        closing(endless(patient.train)) as batches, suppress(_Enough),
    ):
        model = fresh_model(graph, recipe, machine)
        warm = min(recipe.warmup.steps or 0, steps // 2)  # a longer one would leave no steps at the full rate

        def rate_at(step: int) -> float:
            return recipe.lr * min(1.0, (step + 1) / (warm + 1))

        run = Run.create(
            model, make_optimizer(model, recipe, machine.device), rate_at, machine.device, recipe, steps,
            machine.settings,
        )
        train_epoch(run, islice(batches, steps), (observer,))
    rows = run.state.meter.tensors()
    losses, hits = rows["losses"].tolist(), rows["hits"].tolist()
    accuracies = [hit / size for hit, size in zip(hits, run.state.meter.sizes, strict=True)]
    labels = Counter(torch.cat(observer.labels).tolist()) if observer.labels else Counter()
    return losses, accuracies, labels
