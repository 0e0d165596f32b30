"""A resumed run's doctor knows what it saw and said."""

import copy
import json

import pytest
import torch

from archspec.train.callbacks import Callback
from archspec.train.checkpoint.state import capture
from archspec.train.doctor import Doctor
from archspec.train.doctor.history import History
from archspec.train.doctor.memory import data_of, recall, series_of
from archspec.train.loop import fit
from tests.train.doctor.helpers import Script, history, sample
from tests.train.doctor.test_finding import FINDING
from tests.train.helpers import CPU, batches, data, network, recipe

TRAIN, TEST = data(200, seed=3), data(40, split="test", seed=1)


def told_and_back(seen, findings):
    tensors, text = series_of(seen), json.dumps(data_of(seen, findings), allow_nan=False)
    again = History(seen.lr, seen.optimizer, seen.init, seen.steps_per_epoch, seen.total_steps)
    return again, recall(again, tensors, json.loads(text))


def test_a_history_comes_back_equal():
    seen = history([2.3] * 25 + [1.0] * 30, samples=[sample(step) for step in range(1, 40)], first=7)
    seen.broken = None
    again, findings = told_and_back(seen, [FINDING])
    assert again == seen
    assert findings == [FINDING]


def test_infinite_numbers_which_json_lacks_are_left_out():
    odd = [sample(2, gradients=(float("inf"), 1.0)), sample(3, ratio=float("nan"))]
    seen = history([2.3] * 3, samples=[sample(1), *odd])
    again, _ = told_and_back(seen, [])
    assert [s.step for s in again.samples] == [1]


@pytest.mark.parametrize("spoil", [
    lambda tensors, data: (tensors, {}),
    lambda tensors, data: (tensors, None),
    lambda tensors, data: ({}, data),
    lambda tensors, data: ({**tensors, "hits": tensors["hits"][:1]}, data),
    lambda tensors, data: (tensors, {**data, "samples": [{"step": "x"}]}),
])
def test_what_is_no_memory_is_refused_and_the_watch_begins_anew(spoil):
    seen = history([2.3] * 5)
    with pytest.raises(ValueError):
        recall(History(lr=0.1), *spoil(series_of(seen), data_of(seen, [])))
    doctor = Doctor()
    doctor.restore(*spoil(series_of(seen), data_of(seen, [FINDING])))
    assert doctor.findings == []


class SaveAt(Callback):
    def __init__(self, step):
        self.step, self.saved = step, None

    def on_step(self, run):
        if run.state.step == self.step:
            self.saved = copy.deepcopy(capture(run))


@pytest.mark.parametrize("step", [7, 10, 37, 100])
def test_a_resumed_run_is_seen_as_if_it_had_never_stopped(step):
    chosen = recipe(batch_size=20, epochs=11)

    def run(doctor, model, *callbacks, resume=None):
        train, test = batches(TRAIN, chosen), batches(TEST, chosen, shuffle=False)
        return fit(model, train, test, chosen, device=CPU, callbacks=(doctor, *callbacks), resume=resume)

    whole, saver = Doctor(), SaveAt(step)
    run(whole, network(), saver)
    resumed = Doctor()
    run(resumed, network(seed=9), resume=saver.saved)
    a, b = whole._history, resumed._history
    assert list(a.losses) == list(b.losses)
    for field in ("hits", "sizes", "best", "inputs", "first", "labels", "all_labels"):
        assert getattr(a, field) == getattr(b, field)
    assert [e.evaluated_loss for e in a.epochs] == [e.evaluated_loss for e in b.epochs]


def test_what_was_said_is_not_said_again():
    chosen = recipe(batch_size=20, epochs=20)

    def dead():
        model = network()
        with torch.no_grad():
            model[1].weight.zero_()
            model[1].bias.fill_(-1.0)
        return model

    saver, first, second = SaveAt(155), Script(10**9), Script(10**9)
    train, test = batches(TRAIN, chosen), batches(TEST, chosen, shuffle=False)
    fit(dead(), train, test, chosen, device=CPU, callbacks=(Doctor(), first, saver))
    again = Doctor()
    fit(dead(), train, test, chosen, device=CPU, callbacks=(again, second), resume=saver.saved)
    assert len(first.messages) == 1
    assert second.messages == []
    assert [finding.code for finding in again.findings] == ["RUN341"]
