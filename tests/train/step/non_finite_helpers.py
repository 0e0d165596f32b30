"""Networks that break at a chosen step, for the tests of non-finite values."""

import math

import pytest
import torch
from torch import nn

from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback, Phase
from archspec.train.loop import fit
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.schedule import rate_schedule
from archspec.train.step.gradients import attempt
from archspec.train.step.non_finite import NonFinitePolicy
from tests.train.helpers import CPU, batches, data, network, recipe

IMAGES = data()


def run(model, chosen, callbacks=(), **options):
    test = batches(data(23, split="test", seed=1), chosen, shuffle=False)
    return fit(model, batches(IMAGES, chosen), test, chosen, device=CPU, callbacks=callbacks, **options)


class At(nn.Module):
    """Passes on what comes; in the forward or backward pass of one step a number becomes `value`."""

    def __init__(self, step, value=math.nan, backward=False):
        super().__init__()
        self.step, self.value, self.backward = step, value, backward
        self.run = None  # tells the step; a watcher sets it

    def forward(self, x):
        if self.run.state.step != self.step or not self.training:
            return x
        if self.backward:
            return Spoilt.apply(x, self.value)
        x = x.clone()
        x.view(-1)[5] = self.value
        return x


class Spoilt(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, value):
        ctx.value = value
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.clone()
        gradient.view(-1)[3] = ctx.value
        return gradient, None


class Keep(Callback):
    """Notes the parameters, and the optimizer's state of each, as they are after a step."""

    def __init__(self, step):
        self.step, self.parameters, self.states = step, {}, []

    def on_step(self, run):
        if run.state.step == self.step:
            self.parameters = {n: p.detach().clone() for n, p in run.state.model.named_parameters()}
            self.states = [{k: v.clone() for k, v in s.items()} for s in run.state.optimizer.state.values()]


class Clock(Callback):
    """Gives the module its clock, and notes the weights before each step."""

    phase = Phase.UPDATE

    def __init__(self, spoiler):
        self.spoiler, self.before = spoiler, None

    def on_start(self, run):
        self.spoiler.run = run
        self.on_step(run)

    def on_step(self, run):
        self.before = {key: value.clone() for key, value in run.state.model.state_dict().items()}


def spoilt_network(spoiler):
    model = network(dropout=0.2)
    model.insert(2, spoiler)  # convolution, norm, here, relu, flatten, dropout, linear
    return model


def watched_run(monkeypatch, spoiler, chosen, *, device_side, settings=None):
    """A run of five steps on a spoilt network, and its batches; the host looks at the epoch's end alone."""
    monkeypatch.setattr("archspec.train.step.non_finite.CHECK_S", math.inf)
    model, train = spoilt_network(spoiler), batches(IMAGES, chosen)
    trial = Run.create(model, make_optimizer(model, chosen, CPU), rate_schedule(chosen, 5), CPU, chosen, 5, settings)
    trial.policy, spoiler.run = NonFinitePolicy(train, attempt, deferred=device_side), trial
    trial.policy._next = math.inf
    trial.policy.on_start(trial)
    return trial, train


def broken(spoiler, chosen=None, **options):
    """The error's diagnostic; the weights are those before the step."""
    model, clock = spoilt_network(spoiler), Clock(spoiler)
    with pytest.raises(SpecError) as caught:
        run(model, chosen or recipe(), [clock], **options)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RUN310"
    for key, value in model.state_dict().items():
        assert torch.equal(value, clock.before[key]), f"{key} has changed"
    return diagnostic
