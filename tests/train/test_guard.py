"""A loss that is no number ends the run, naming where; nothing after it is written."""

import math

import pytest
import torch
from torch import nn

from archspec.diagnostics import SpecError
from archspec.train.guard import LossGuard
from archspec.train.loop import fit
from archspec.train.run import Watcher
from tests.train.helpers import CPU, batches, data, network, recipe


def run(model, chosen, watchers=()):
    test = batches(data(23, split="test", seed=1), chosen, shuffle=False)
    return fit(model, batches(data(), chosen), test, chosen, device=CPU, watchers=watchers)


class BreakAt(Watcher):
    """Spoils a weight after a step, so that the next step's loss is no number."""

    def __init__(self, step, value=math.nan):
        self.step, self.value = step, value

    def on_step(self, run):
        if run.step == self.step:
            with torch.no_grad():
                next(run.model.parameters()).fill_(self.value)


def told(chosen, step, value=math.nan):
    with pytest.raises(SpecError) as caught:
        run(network(), chosen, [BreakAt(step, value)])
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RUN310"
    return diagnostic


@pytest.mark.parametrize(("step", "place", "notes"), [
    (1, "step 2 of 5 in epoch 1 of 3", 1),
    (7, "step 3 of 5 in epoch 2 of 3", 2),
    (13, "step 4 of 5 in epoch 3 of 3", 3),
])
def test_the_first_bad_step_is_named(step, place, notes):
    diagnostic = told(recipe(schedule="cosine"), step)
    assert diagnostic.message == f"the loss is nan at {place}"
    (note,) = diagnostic.notes
    assert note.startswith("the losses just before it: ")
    assert len(note.partition(": ")[2].split(", ")) == notes


def test_the_hint_tells_the_rate_of_that_step_and_a_smaller_one():
    assert told(recipe(schedule={"step": 1}), 7).hint == "the rate was 0.01 there: try lr 0.01, or a warm-up"
    assert told(recipe(lr=0.5), 7).hint == "the rate was 0.5 there: try lr 0.05, or a warm-up"


@pytest.mark.parametrize("step", [5, 15])
def test_an_epochs_last_update_shows_in_the_test_loss(step):
    diagnostic = told(recipe(), step)
    assert diagnostic.message == f"the test loss is nan after epoch {step // 5} of 3"


def test_the_first_step_can_be_the_bad_one():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    nn.init.constant_(model[1].weight, math.nan)
    with pytest.raises(SpecError, match="nan at step 1 of 5 in epoch 1 of 3") as caught:
        run(model, recipe())
    assert caught.value.diagnostics[0].notes == ()


def test_a_rate_far_too_high_is_found():
    with pytest.raises(SpecError, match="RUN310"):
        run(network(), recipe(lr=1e30))


def test_between_its_looks_the_guard_does_not_wait_for_the_device(monkeypatch):
    looks = []
    guard = LossGuard()

    class Meter:
        def first_non_finite(self):
            looks.append(True)

    class Run:
        meter, steps_per_epoch, step = Meter(), 1000, 0

    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    for step in range(1, 1001):
        Run.step = step
        now += 0.01
        guard.on_step(Run)
    assert 20 <= len(looks) <= 22
