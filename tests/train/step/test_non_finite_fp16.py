"""Non-finite values in fp16, where the loss scale also handles them, and on a GPU."""

import math

import pytest
import torch
from torch import nn

from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback
from archspec.train.loop import fit, train_epoch
from archspec.train.step.precision import Settings
from tests.fake_cuda import CUDA, fake_cuda
from tests.train.helpers import batches, data, recipe
from tests.train.step.non_finite_helpers import IMAGES, At, Clock, Keep, Spoilt, run, spoilt_network, watched_run


def test_in_fp16_an_overflow_only_lowers_the_scale():
    chosen, scales = recipe(epochs=1), []

    class Scales(Callback):
        def on_step(self, run):
            scales.append(run.state.scaler.get_scale())

    spoiler = At(1, math.inf, backward=True)
    run(spoilt_network(spoiler), chosen, [Clock(spoiler), Scales()], settings=Settings("fp16"))
    assert scales[1] == scales[0] / 2


@pytest.mark.parametrize("device_side", [False, True])
def test_in_fp16_a_loss_that_is_none_ends_the_run(monkeypatch, device_side):
    monkeypatch.setattr("archspec.train.step.non_finite.FUSED_DEVICES", {"cpu"})
    spoiler, kept = At(2), Keep(2)
    chosen = recipe(momentum=0.9, weight_decay=0.1)  # with which no gradient is an update too
    trial, train = watched_run(monkeypatch, spoiler, chosen, device_side=device_side, settings=Settings("fp16"))
    with pytest.raises(SpecError, match="the loss is nan at step 3 of 5") as caught:
        train_epoch(trial, train.batches(0), [kept])
    assert caught.value.diagnostics[0].hint == "the rate was 0.1 there: try lr 0.01, or a warm-up, or --precision bf16"
    assert all(torch.equal(p, kept.parameters[n]) for n, p in trial.state.model.named_parameters())


def test_in_fp16_gradients_that_no_scale_saves():
    class Steep(nn.Module):
        def forward(self, x):
            return Spoilt.apply(x, math.inf)

    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), Steep())
    with pytest.raises(SpecError, match="in fp16, with any scale of the loss, at step 5 of 5") as caught:
        run(model, recipe(epochs=20), settings=Settings("fp16"))
    assert "the gradient of `1`'s output" in caught.value.diagnostics[0].notes[0]


@pytest.mark.parametrize("settings", [Settings(), Settings("fp16")], ids=["fp32", "fp16"])
@pytest.mark.parametrize("backward", [False, True])
def test_on_a_gpu(monkeypatch, settings, backward):
    """The whole of a run there, on a CPU in disguise; in fp16 a gradient that overflows once is no reason to stop."""
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    spoiler, chosen = At(7, math.inf, backward=backward), recipe(momentum=0.9)
    model = spoilt_network(spoiler)
    with fake_cuda():
        train, test = (batches(images, chosen, device=CUDA) for images in (IMAGES, data(23, split="test", seed=1)))
        if backward and settings.precision == "fp16":
            assert len(fit(model, train, test, chosen, device=CUDA, settings=settings, callbacks=[Clock(spoiler)]).epochs) == 3
            return
        with pytest.raises(SpecError, match="at step 3 of 5 in epoch 2 of 3"):
            fit(model, train, test, chosen, device=CUDA, settings=settings, callbacks=[Clock(spoiler)])
    assert all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values())
