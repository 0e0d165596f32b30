"""Choices are made on the validation set, and the test set is evaluated once."""

import copy
import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from archspec.data.splits import hold_out
from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback, Phase
from archspec.train.checkpoint.policy import Checkpointer
from archspec.train.checkpoint.state import capture
from archspec.train.loop import fit
from archspec.train.report.final import FinalConfusion
from tests.train.helpers import CPU, batches, data, network, recipe

TRAIN, HELD = hold_out(data(60), 0.2, 0)
TEST = data(20, split="test", seed=1)


class Counted:
    """Batches that count how often they are passed over."""

    def __init__(self, inner):
        self.inner, self.passes = inner, 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __len__(self):
        return len(self.inner)

    def batches(self, *arguments):
        self.passes += 1
        return self.inner.batches(*arguments)


def run(chosen, *callbacks, model=None, resume=None, validation=True):
    model, test = model or network(), Counted(batches(TEST, chosen, shuffle=False))
    held = batches(HELD, chosen, shuffle=False) if validation else None
    summary = fit(
        model, batches(TRAIN, chosen), test, chosen, validation=held, device=CPU, callbacks=callbacks, resume=resume
    )
    return summary, model, test.passes


def figures(model, images):
    model.eval()
    with torch.no_grad():
        logits = model(images.images.float() / 255)
    return F.cross_entropy(logits, images.labels).item(), (logits.argmax(1) == images.labels).float().mean().item()


def test_epochs_are_evaluated_on_the_validation_set_and_the_test_set_once_at_the_end(tmp_path):
    chosen = recipe(epochs=3, momentum=0.9)
    model = network()
    final = FinalConfusion(batches(TEST, chosen), TEST.classes, name="x", folder=tmp_path)
    summary, model, passes = run(chosen, final, model=model)
    assert passes == 1
    assert [row.split for row in summary.epochs] == ["validation"] * 3
    loss, accuracy = figures(model, HELD)
    assert summary.last.evaluated_loss == pytest.approx(loss, rel=1e-5)
    assert summary.last.evaluated_accuracy == pytest.approx(accuracy)
    loss, accuracy = figures(model, TEST)
    assert (summary.test.loss, summary.test.accuracy) == (pytest.approx(loss, rel=1e-5), pytest.approx(accuracy))
    assert final.confusion.accuracy == pytest.approx(summary.test.accuracy)
    summary_data = json.loads(json.dumps(summary.to_json()))
    assert summary_data["best_by"] == "validation_accuracy"
    assert summary_data["test"] == {"loss": summary.test.loss, "accuracy": summary.test.accuracy}
    assert "test_loss" not in summary_data["last"]


def test_without_one_the_test_set_is_evaluated_after_each_epoch():
    summary, _, passes = run(recipe(epochs=3), validation=False)
    assert (passes, summary.test) == (3, None)
    assert [row.split for row in summary.epochs] == ["test"] * 3


def test_the_weights_are_those_of_a_run_that_never_looks_at_either():
    """To evaluate changes nothing: the same training images give the same weights."""
    with_it, without = run(recipe())[1], run(recipe(), validation=False)[1]
    for a, b in zip(with_it.state_dict().values(), without.state_dict().values(), strict=True):
        assert torch.equal(a, b)


class Evaluated(Callback):
    """Gives the epochs these evaluated losses and accuracies."""

    phase = Phase.UPDATE

    def __init__(self, losses, accuracies):
        self.rows = list(zip(losses, accuracies, strict=True))

    def on_epoch(self, run):
        loss, accuracy = self.rows[run.state.epoch - 1]
        run.state.results[-1] = replace(run.state.results[-1], evaluated_loss=loss, evaluated_accuracy=accuracy)


@pytest.mark.parametrize(("rule", "stops_after", "best"), [
    ({"patience": 1, "metric": "loss"}, 3, 2), ({"patience": 1}, 4, 3), (None, 4, 3),
])
def test_the_best_checkpoint_goes_by_what_early_stopping_watches(tmp_path, rule, stops_after, best):
    saves = Checkpointer(tmp_path, keep=1)
    chosen = recipe(epochs=4, early_stopping=rule)
    summary, *_ = run(chosen, Evaluated([1.0, 0.5, 0.6, 0.7], [0.5, 0.6, 0.8, 0.7]), saves)
    assert (len(summary.epochs), summary.best.epoch) == (stops_after, best)
    steps = len(batches(TRAIN, chosen))
    assert saves._best.endswith(f"-step-{best * steps}")
    assert summary.stopped is None or "validation" in summary.stopped


class SaveAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step(self, run):
        if run.state.step == self.step:
            self.saved = copy.deepcopy(capture(run))


@pytest.mark.parametrize("step", [2, 5, 7, 14])
def test_a_resumed_run_is_equal(step):
    chosen, saver = recipe(momentum=0.9, early_stopping=2), SaveAt(step)
    whole, model, _ = run(chosen, saver)
    resumed, other, passes = run(chosen, model=network(seed=9), resume=saver.saved)
    assert [replace(row, seconds=0, images_per_s=0, peak_memory_bytes=None) for row in whole.epochs] == [
        replace(row, seconds=0, images_per_s=0, peak_memory_bytes=None) for row in resumed.epochs
    ]
    assert (whole.test, passes) == (resumed.test, 1)
    assert all(map(torch.equal, model.state_dict().values(), other.state_dict().values()))


def test_a_checkpoint_of_archspec_0_1_has_no_gradient_norms():
    chosen, saver = recipe(momentum=0.9), SaveAt(7)
    whole, model, _ = run(chosen, saver)
    del saver.saved.training["meter/norms"]
    resumed, other, _ = run(chosen, model=network(seed=9), resume=saver.saved)
    assert [row.train_loss for row in whole.epochs] == [row.train_loss for row in resumed.epochs]
    assert all(map(torch.equal, model.state_dict().values(), other.state_dict().values()))
    assert resumed.epochs[1].gradient_norm > 0  # of the steps that came after it


def test_a_test_loss_that_is_not_finite_ends_the_run():
    chosen = recipe(epochs=1)
    test = batches(TEST, chosen, shuffle=False)
    broken = Counted(test)
    broken.batches = lambda *arguments: (batch._replace(x=batch.x * torch.inf) for batch in test.batches(*arguments))
    with pytest.raises(SpecError, match="the test loss is nan after the last epoch"):
        fit(network(), batches(TRAIN, chosen), broken, chosen, validation=batches(HELD, chosen), device=CPU)


# -- what an epoch's row says beside ---------------------------------------------------------------------------------


class Norms(Callback):
    """The gradient's norm by hand. The guard comes before it, and leaves gradients alone."""

    def __init__(self):
        self.norms, self.rates = [], []

    def on_step(self, run):
        self.norms.append(torch.cat([p.grad.flatten() for p in run.state.model.parameters()]).norm().item())
        self.rates.append(run.rate_at(run.state.step - 1))


def test_rate_step_and_gradient_norm_of_an_epoch():
    norms = Norms()
    summary, *_ = run(recipe(epochs=3, schedule="cosine"), norms)
    assert [row.step for row in summary.epochs] == [5, 10, 15]
    assert [row.learning_rate for row in summary.epochs] == norms.rates[4::5]
    for k, row in enumerate(summary.epochs):
        assert row.gradient_norm == pytest.approx(sum(norms.norms[5 * k : 5 * k + 5]) / 5, rel=1e-5)


def test_the_gradient_norm_is_that_before_clipping():
    plain = run(recipe(epochs=1, lr=1e-12))[0].last.gradient_norm
    clipped = run(recipe(epochs=1, lr=1e-12, clip_grad_norm=1e-3))[0].last.gradient_norm
    assert clipped == pytest.approx(plain, rel=1e-6)
    assert plain > 0.01
