"""A loss or gradient that is no number ends the run before the update, naming where; nothing after it is written."""

import math
from functools import partial

import pytest
import torch

from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback, Phase
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.storage import newest
from archspec.train.loop import train_epoch
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.schedule import rate_schedule
from archspec.train.step.gradients import attempt
from archspec.train.step.non_finite import NonFinitePolicy
from tests.train.helpers import CPU, batches, network, recipe
from tests.train.step.non_finite_helpers import IMAGES, At, Clock, Keep, broken, run, spoilt_network, watched_run


@pytest.mark.parametrize(("step", "place", "losses"), [
    (0, "step 1 of 5 in epoch 1 of 3", 0),
    (1, "step 2 of 5 in epoch 1 of 3", 1),
    (4, "step 5 of 5 in epoch 1 of 3", 3),
    (7, "step 3 of 5 in epoch 2 of 3", 2),
    (14, "step 5 of 5 in epoch 3 of 3", 3),
])
def test_the_loss(step, place, losses):
    diagnostic = broken(At(step), recipe(momentum=0.9, schedule="cosine"))
    assert diagnostic.message == f"the loss is nan at {place}"
    assert diagnostic.notes[0] == "first not finite: the output of `2`"
    before = [note for note in diagnostic.notes if note.startswith("the losses just before it: ")]
    assert len(before) == (losses > 0)
    assert not before or len(before[0].partition(": ")[2].split(", ")) == losses


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("fields", [{"momentum": 0.9}, {"optimizer": "adam", "lr": 0.01}, {"clip_grad_norm": 1.0}], ids=str)
def test_a_gradient(value, fields):
    """The loss is a number, and yet no weight is touched."""
    diagnostic = broken(At(7, value, backward=True), recipe(**fields))
    assert diagnostic.message.startswith("the gradient is not finite (the loss is ")
    assert diagnostic.message.endswith(") at step 3 of 5 in epoch 2 of 3")
    assert diagnostic.notes[0] == "first not finite: the gradient of `1`'s output"


def test_the_images_of_the_step_are_named():
    spoiler = At(7)
    diagnostic = broken(spoiler)
    (note,) = (note for note in diagnostic.notes if note.startswith("the step's images: "))
    shown, _, more = note.partition(": ")[2].partition(" and ")
    expected = next(iter(batches(IMAGES, recipe()).batches(1, 2))).indices.tolist()
    assert [int(text) for text in shown.split(", ")] == expected[:8]
    assert (len(expected), more) == (10, "2 more")


def test_of_few_images_none_is_left_out():
    diagnostic = broken(At(7), recipe(batch_size=8))
    (note,) = (note for note in diagnostic.notes if note.startswith("the step's images: "))
    assert len(note.split(", ")) == 8
    assert " more" not in note


@pytest.mark.parametrize("device_side", [False, True])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(("fields", "micro_batch"), [
    ({"momentum": 0.9}, None), ({"optimizer": "adamw", "lr": 0.01}, None), ({"momentum": 0.9}, 4),
], ids=str)
def test_both_ways_to_look(monkeypatch, fields, micro_batch, backward, device_side):
    """As on a GPU: the host looks at the epoch's end alone, and yet parameters and optimizer are untouched."""
    spoiler, kept = At(2, backward=backward), Keep(2)
    trial, train = watched_run(monkeypatch, spoiler, recipe(**fields), device_side=device_side)
    trial.state.micro_batch = micro_batch
    with pytest.raises(SpecError, match="at step 3 of 5 in epoch 1 of 3") as caught:
        train_epoch(trial, train.batches(0), [kept])
    assert trial.state.step == (5 if device_side else 2)
    model = trial.state.model
    assert kept.states and all(torch.equal(p, kept.parameters[n]) for n, p in model.named_parameters())
    for now, before in zip(trial.state.optimizer.state.values(), kept.states, strict=True):
        assert all(torch.equal(now[key], before[key]) for key in before)
    assert all(bool(torch.isfinite(b).all()) for b in model.buffers())
    place = "the gradient of `1`'s output" if backward else "the output of `2`"
    assert caught.value.diagnostics[0].notes[0] == f"first not finite: {place}"


@pytest.mark.parametrize("device_side", [False, True])
def test_to_look_changes_nothing(device_side):
    results = []
    for guarded in (False, True):
        chosen = recipe(momentum=0.9)
        model, train = network(dropout=0.5), batches(IMAGES, chosen)
        trial = Run.create(model, make_optimizer(model, chosen, CPU), rate_schedule(chosen, 5), CPU, chosen, 5)
        guard = NonFinitePolicy(train, attempt, deferred=device_side)
        if guarded:
            trial.policy = guard
            guard.on_start(trial)
        with torch.random.fork_rng([]):
            torch.manual_seed(3)
            train_epoch(trial, train.batches(0))
        results.append(model.state_dict())
    assert all(torch.equal(results[0][key], value) for key, value in results[1].items())


def test_an_update_that_overflows_shows_in_the_test_loss():
    """The gradient is a number, the rate makes the weights infinite."""

    class Last(Callback):
        def on_step(self, run):
            if run.state.step == 5:
                with torch.no_grad():
                    next(run.state.model.parameters()).fill_(math.nan)

    with pytest.raises(SpecError, match="the test loss is nan after epoch 1 of 3"):
        run(network(), recipe(), [Last()])


def test_a_rate_far_too_high_is_found():
    with pytest.raises(SpecError, match="RUN310"):
        run(network(), recipe(lr=1e30))


class Overflows(Callback):
    """One update makes a weight infinite, although its gradients are numbers."""

    phase = Phase.UPDATE

    def on_step(self, run):
        if run.state.step == 8:
            with torch.no_grad():
                run.state.model[0].weight[1].fill_(math.inf)


@pytest.mark.parametrize("device_side", [False, True])
@pytest.mark.parametrize(("spoiler", "words"), [
    pytest.param(At(7), "the loss is nan at step 3 of 5 in epoch 2 of 3", id="loss"),
    pytest.param(At(7, backward=True), "the gradient is not finite .* at step 3 of 5 in epoch 2 of 3", id="gradient"),
    pytest.param(Overflows(), "`0.weight` is not finite after step 8 of 15", id="update"),
])
def test_no_checkpoint_is_of_anything_but_numbers(tmp_path, monkeypatch, device_side, spoiler, words):
    """Off the CPU the device is asked before a save, however short ago it was."""
    monkeypatch.setattr("archspec.train.step.non_finite.CHECK_S", 1e9)
    monkeypatch.setattr("archspec.train.loop.NonFinitePolicy", partial(NonFinitePolicy, deferred=device_side))
    first = spoiler if isinstance(spoiler, Callback) else Clock(spoiler)
    model = network() if first is spoiler else spoilt_network(spoiler)
    with pytest.raises(SpecError, match=words):
        run(model, recipe(), [first, Checkpointer(tmp_path, every=Every(1, None, None), keep=99)])
    found = newest(tmp_path)
    assert (found.saved.state.step, found.damaged) == (7, {})
    assert all(bool(torch.isfinite(tensor).all()) for tensor in found.saved.weights.values())


def test_between_its_looks_the_guard_does_not_wait_for_the_device(monkeypatch):
    looks = []
    chosen, train = recipe(), batches(IMAGES, recipe())
    model = network()
    trial = Run.create(model, make_optimizer(model, chosen, CPU), rate_schedule(chosen, 1000), CPU, chosen, 1000)
    guard = NonFinitePolicy(train, attempt, deferred=True)
    trial.policy = guard
    guard.on_start(trial)
    monkeypatch.setattr(guard, "_passed", lambda run: looks.append(run.state.step))
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    for step in range(1, 1001):
        trial.state.step = step
        now += 0.01
        guard.after_update(trial)
    assert 20 <= len(looks) <= 22
