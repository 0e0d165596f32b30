"""On a real GPU: a number that is not finite ends the run at its step, with the weights from before it, and is named."""

import math

import pytest
import torch

from archspec.diagnostics import SpecError
from archspec.train.loop import fit
from archspec.train.step.precision import Settings
from tests.train.helpers import batches, data, recipe
from tests.train.step.non_finite_helpers import At, Clock, spoilt_network

from .helpers import DEVICE


def run(spoiler, settings, **fields):
    chosen = recipe(momentum=0.9, **fields)
    train, test = (batches(images, chosen, device=DEVICE) for images in (data(), data(23, split="test", seed=1)))
    model, clock = spoilt_network(spoiler).to(DEVICE), Clock(spoiler)
    return model, clock, lambda: fit(model, train, test, chosen, device=DEVICE, settings=settings, callbacks=[clock])


@pytest.mark.parametrize("step", [0, 7, 14])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_the_step_and_the_layer_are_named_and_the_weights_are_those_before_it(step, backward):
    model, clock, fitted = run(At(step, math.inf, backward=backward), Settings())
    weights = []
    before = clock.on_step

    def noted(run):  # what the host has seen when the guard looks may be steps later
        before(run)
        weights.append({name: tensor.clone() for name, tensor in run.state.model.named_parameters()})

    clock.on_step = noted
    with pytest.raises(SpecError, match=f"RUN310.* at step {step % 5 + 1} of 5 in epoch {step // 5 + 1} of 3") as caught:
        fitted()
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.notes[0].startswith("first not finite: the ")
    assert all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values())
    for name, tensor in model.named_parameters():
        assert torch.equal(tensor, weights[step][name]), f"{name} has changed"  # weights[0]: before the first step


def test_in_fp16_a_gradient_that_overflows_once_is_no_reason_to_stop():
    *_, fitted = run(At(7, math.inf, backward=True), Settings("fp16"))
    assert len(fitted().epochs) == 3


def test_in_fp16_a_loss_that_is_not_finite_is():
    model, _, fitted = run(At(7, math.inf), Settings("fp16"))
    with pytest.raises(SpecError, match="at step 3 of 5 in epoch 2 of 3"):
        fitted()
    assert all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values())


def test_a_rate_that_is_far_too_high(cli, specs, device):
    done = cli("train", "cnn.yaml", "--device", device, "--lr", "1e30", "--limit-train", 500, "--limit-test", 100)
    assert done.code == 1
    assert "RUN310" in done.err, done.err
