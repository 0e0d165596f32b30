"""Histories written by hand, and short real runs with a doctor."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import pytest
import torch

from archspec.api import Loaded, load
from archspec.diagnostics import SpecError
from archspec.language.recipe import Recipe, merge_recipe
from archspec.train.callbacks import Callback
from archspec.train.doctor import Doctor, Patient
from archspec.train.doctor.history import Activation, History, Sample, Weight
from archspec.train.loop import fit
from archspec.train.setup import Machine, prepare

CPU = torch.device("cpu")
FASHION = Path("/usr/share/datasets/fashion-mnist")
LN10 = 2.302585
needs_fashion = pytest.mark.skipif(not FASHION.exists(), reason="needs Debian's dataset-fashion-mnist")


def history(losses, accuracy=0.1, *, images=100, classes=10, lr=0.1, samples=(), **fields):
    """A run with these losses; `accuracy` is one number, or one for each step."""
    seen = History(lr=lr, **fields)
    seen.labels = Counter(dict.fromkeys(range(classes), 100))
    each = [accuracy] * len(losses) if isinstance(accuracy, float) else accuracy
    seen.add_steps(losses, [round(a * images) for a in each], [images] * len(losses))
    for sample in samples:
        seen.add_sample(sample)
    return seen


def sample(step, *, stuck=0.0, kind="relu", gradients=(0.1, 0.1), ratio=1e-3, rate=0.1, units=50):
    """One activation layer and two weights."""
    weights = tuple(Weight(f"layer{k}.weight", 1.0, g, ratio) for k, g in enumerate(gradients, 1))
    return Sample(step, rate, (Activation("layer1.act", kind, units, stuck),), weights)


class Stop(Exception):
    pass


class Script(Callback):
    """Hears what is told, changes the rate at a step, and ends the run after another, or when it is told something."""

    def __init__(self, steps, change=None, *, until_told=False):
        self.steps, self.change, self.until_told, self.messages = steps, change, until_told, []

    def on_notice(self, text):
        self.messages.append(text)

    def on_step(self, run):
        if self.change is not None and run.state.step == self.change[0]:
            base, factor = run.rate_at, self.change[1]
            run.rate_at = lambda step: base(step) * factor
        if run.state.step >= self.steps or (self.until_told and self.messages):
            raise Stop


def diagnose(spec, steps, *, name=None, images=2000, test=200, change=None, until_told=False, **recipe):
    """Train for some steps at 1 thread; (codes of the findings, the findings, what was told, the doctor).

    name: one of the spec's recipes. images, test: only so many of each split; None for all.
    """
    torch.set_num_threads(1)
    loaded = spec if isinstance(spec, Loaded) else load(spec)
    if "lr" in recipe:
        recipe.setdefault("schedule", "constant")
    chosen = Recipe.model_validate(merge_recipe(loaded.recipe(name).to_data(), {"epochs": 1000, **recipe}))
    task = prepare(loaded.graph, chosen, Machine(CPU, None, images, test))
    patient = Patient(loaded.data, loaded.graph, chosen, task.machine, task.train, task.test)
    doctor, script = Doctor(patient=patient), Script(steps, change, until_told=until_told)
    with contextlib.suppress(Stop, SpecError):
        fit(task.model, task.train, task.test, chosen, device=CPU, callbacks=(doctor, script))
    return [finding.code for finding in doctor.findings], doctor.findings, script.messages, doctor
