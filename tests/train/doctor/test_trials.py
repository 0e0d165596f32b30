"""Trials: what they see, what they leave alone, and what is made of them."""

from __future__ import annotations

from math import inf

import pytest
import torch

from archspec.api import load
from archspec.language.recipe import Recipe
from archspec.train.doctor import Finding, Patient, Trial
from archspec.train.doctor.chance import Chance
from archspec.train.doctor.clock import LEAST_S, MOST_S, Clock
from archspec.train.doctor.consult import judged
from archspec.train.doctor.history import Facts
from archspec.train.doctor.remedies import remedies
from archspec.train.doctor.trials import STEPS, best_of, try_changes
from archspec.train.setup import Machine, fresh_model, prepare
from tests.train.doctor.helpers import CPU, history

SPEC = load({
    "archspec": 1, "input": [1, 8, 8], "stages": {"body": ["flatten", {"linear": 16}, "relu", {"dropout": 0.1}, {"linear": 10}]},
    "train": {"data": "digits", "batch_size": 32, "lr": 1e-6, "epochs": 2},
})
CHANCE = Chance(2.3026, 0.1, 10, balanced=True)


@pytest.fixture(scope="module")
def patient():
    torch.set_num_threads(1)
    task = prepare(SPEC.graph, SPEC.recipe(), Machine(CPU, None, 600, 100))
    return Patient(SPEC.data, SPEC.graph, task.recipe, task.machine, task.train, task.test)


def tried(patient, *groups, seconds=1e6, now=2.3):
    return try_changes(patient, groups, seconds=seconds, chance=CHANCE, now=now)


def test_it_ends_with_the_group_that_learns(patient):
    low, good, never = {"train.lr": 1e-5}, {"train.optimizer": "adam", "train.lr": 0.01}, {"train.lr": 5.0}
    first, second = tried(patient, [low], [good], [never])
    assert (first.change, first.learnt, first.steps) == (low, False, STEPS[0])
    assert (second.change, second.learnt) == (good, True)
    assert second.loss < 0.9 * CHANCE.loss
    assert second.accuracy > 0.2


def test_a_loss_that_begins_to_fall_gets_more_steps_at_once(patient):
    (trial,) = tried(patient, [{"train.lr": 0.1}])
    assert (trial.learnt, trial.steps) == (True, STEPS[1])


def test_what_is_no_better_than_the_run_itself_has_not_learnt(patient):
    good = {"train.optimizer": "adam", "train.lr": 0.01}
    assert not any(trial.learnt for trial in tried(patient, [good], now=0.001))


def test_a_loss_that_is_not_a_number_has_words_of_its_own(patient):
    (trial,) = tried(patient, [{"train.lr": 1e30}])
    assert (trial.loss, trial.accuracy, trial.learnt) == (None, None, False)
    assert "the loss is not a number within" in trial.line()


def test_without_time_nothing_is_tried(patient):
    assert tried(patient, [{"train.lr": 0.1}], seconds=0.0) == ()


def test_a_change_that_does_not_fit_is_passed_over(patient):
    assert patient.changed({"train.warmup": {"epochs": 10**6}}) is None
    assert patient.changed({"layers.activation": "relu"}) is None, "it has no sigmoid: nothing would change"


def test_nothing_of_the_run_is_touched(patient):
    model = fresh_model(SPEC.graph, patient.recipe, patient.machine)
    weights = [parameter.clone() for parameter in model.parameters()]
    before = torch.get_rng_state()
    order = [batch.indices.tolist() for batch in patient.train.batches(0)]
    tried(patient, [{"train.lr": 0.1}])
    assert torch.equal(torch.get_rng_state(), before)
    assert [batch.indices.tolist() for batch in patient.train.batches(0)] == order
    assert all(map(torch.equal, model.parameters(), weights))


def test_a_trial_is_the_same_twice(patient):
    assert tried(patient, [{"train.lr": 0.05}]) == tried(patient, [{"train.lr": 0.05}])


def trial(loss, *, learnt=True, text="lr 0.1", **change):
    return Trial(text, change or {"train.lr": 0.1}, 60, loss, None if loss is None else 0.5, learnt)


def test_of_changes_about_as_good_the_first_is_taken():
    one, other = trial(1.02), trial(1.0, text="lr 0.3")
    assert best_of([one, other]) is one
    assert best_of([trial(1.2), other]) is other
    assert best_of([trial(1.0, learnt=False), trial(None, learnt=False)]) is None


FINDING = Finding("RUN344", 100, "the rate is too high", (), "try lr 0.02", change={"train.lr": 0.02})


def test_one_verdict_one_number():
    finding = judged(FINDING, (trial(None, learnt=False), trial(1.21)), 2.304)
    assert finding.advice == finding.remedy == "use lr 0.1: tried, loss 1.21 after 60 steps (2.3 now)"
    assert finding.change == {"train.lr": 0.1}
    assert "now" not in judged(FINDING, (trial(1.21),), inf).advice


def test_where_nothing_learns_that_is_said():
    finding = judged(FINDING, (trial(2.3, learnt=False), trial(None, learnt=False)), 2.3)
    assert finding.remedy == "tried 2 changes, none learned within 60 steps"
    assert finding.change is None


def recipe(**fields):
    return Recipe.model_validate({"data": "digits", "lr": 0.1, **fields})


@pytest.mark.parametrize("code", [f"RUN{n}" for n in (*range(340, 348), 352, 355, 356)])
def test_changes_to_try_change_something_and_come_once(code):
    seen = history([2.3] * 100, facts=Facts(dropout=0.5, weight_decay=0.1, saturates=True))
    groups = remedies(Finding(code, 1, "", (), "", change={"train.lr": 0.02}), seen, recipe(weight_decay=0.1))
    changes = [change for group in groups for change in group]
    assert changes[0] == {"train.lr": 0.02}
    assert all(changes.count(change) == 1 for change in changes)
    assert {"train.lr": 0.1} not in changes
    assert len(changes) >= 9


def test_what_the_network_lacks_is_not_switched_off():
    seen = history([2.3] * 100, facts=Facts(batch_norm=True))
    changes = [c for group in remedies(Finding("RUN340", 1, "", (), ""), seen, recipe()) for c in group]
    assert not [c for c in changes if {"layers.dropout", "layers.norm", "layers.activation"} & c.keys()]
    assert {"train.weight_decay": 0} not in changes


@pytest.mark.parametrize(("passed", "step", "seconds"), [(1.0, 10, LEAST_S), (40.0, 10, 20.0), (1e5, 10, MOST_S), (0.0, 0, LEAST_S)])
def test_trials_take_a_twentieth_of_the_run(monkeypatch, passed, step, seconds):
    now = [100.0]
    monkeypatch.setattr("archspec.train.doctor.clock.time.monotonic", lambda: now[0])
    clock = Clock()
    clock.start(0)
    now[0] += passed
    assert clock.allowance(step, 100) == pytest.approx(seconds)


