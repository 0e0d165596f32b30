"""What a recipe may add to the textbook's loop: each against the same thing written by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F

from archspec.data.order import epoch_order
from archspec.train.callbacks import Callback
from archspec.train.checkpoint.state import capture
from archspec.train.loop import fit
from archspec.train.optimizer import make_optimizer
from archspec.train.report.final import FinalConfusion
from archspec.train.setup import check_memory
from tests.layers import conv, sequence
from tests.train.helpers import CPU, batches, network, recipe
from tests.train.runs import TEST, TRAIN, run, same


def by_hand(chosen, loss_of, before_step=lambda model: None, after_step=lambda model: None, model=None, **options):
    """The textbook's loop over the training set, with a loss and hooks of one's own."""
    model = model or network()
    optimizer = torch.optim.SGD(model.parameters(), lr=chosen.lr, fused=True, **options)
    for epoch in range(chosen.epochs):
        for rows in epoch_order(len(TRAIN), chosen.seed, epoch).split(chosen.batch_size):
            model.train()
            loss = loss_of(model(TRAIN.images[rows].float() / 255), TRAIN.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            before_step(model)
            optimizer.step()
            after_step(model)
    return model


NOTHING = {
    "label_smoothing": 0.0, "clip_grad_norm": None, "ema": None, "augment": None, "mixup": None, "cutmix": None,
    "early_stopping": None, "decay_norm_and_bias": True,
}


def test_defaults_are_the_plain_loop_bit_for_bit():
    plain = by_hand(recipe(), F.cross_entropy)
    assert same(run(recipe())[1], plain)
    assert same(run(recipe(**NOTHING))[1], plain)


def test_label_smoothing():
    _, model = run(recipe(label_smoothing=0.2))
    assert same(model, by_hand(recipe(), lambda logits, labels: F.cross_entropy(logits, labels, label_smoothing=0.2)))
    assert not same(model, by_hand(recipe(), F.cross_entropy))


def test_the_test_loss_is_not_smoothed():
    summary, model = run(recipe(label_smoothing=0.5))
    logits = model.eval()(TEST.images.float() / 255)
    assert summary.last.evaluated_loss == pytest.approx(F.cross_entropy(logits, TEST.labels).item(), rel=1e-6)


def test_clip_grad_norm():
    norms = []

    def clip(model):
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5).item())

    _, model = run(recipe(clip_grad_norm=0.5))
    assert same(model, by_hand(recipe(), F.cross_entropy, clip))
    assert max(norms) > 0.5  # it did something


class Ema:
    """By hand, in double precision."""

    def __init__(self, decay):
        self.decay, self.values, self.step = decay, None, 0

    def begin(self, model):
        self.values = {key: value.double() for key, value in model.state_dict().items()}

    def __call__(self, model):
        self.step += 1
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        for key, value in model.state_dict().items():
            mean = self.values[key] * decay + value.double() * (1 - decay)
            self.values[key] = mean if value.is_floating_point() else value.double()


class Keep(Callback):
    def on_finish(self, run):
        self.run = run


@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_ema_is_what_is_tested_and_kept(decay):
    keep, ema, start = Keep(), Ema(decay), network()
    ema.begin(start)
    chosen = recipe(ema=decay)
    summary, model = run(chosen, [keep], copy.deepcopy(start))
    assert same(model, by_hand(chosen, F.cross_entropy, after_step=ema, model=start))  # training itself is the same
    average = keep.run.state.eval_model
    for key, value in average.state_dict().items():
        torch.testing.assert_close(value.double(), ema.values[key], rtol=1e-5, atol=1e-6)
    logits = average.eval()(TEST.images.float() / 255)
    assert summary.last.evaluated_loss == pytest.approx(F.cross_entropy(logits, TEST.labels).item(), rel=1e-6)
    assert not same(average, model)


def test_the_average_comes_back_from_its_own_tensors():
    keep = Keep()
    run(recipe(ema=0.9), [keep])
    first = keep.run.state.parts["ema"]
    other = copy.deepcopy(first)
    other.model.load_state_dict(network(seed=9).state_dict())
    assert not same(first.model, other.model)
    other.restore({name: tensor.clone() for name, tensor in first.tensors().items()}, first.data())
    assert same(first.model, other.model)
    assert keep.run.state.averaged is first.model


class Capture(Callback):
    def __init__(self, step):
        self.at, self.snapshot = step, None

    def on_step(self, run):
        if run.state.step == self.at:
            self.snapshot = copy.deepcopy(capture(run))


def test_a_resumed_run_ends_with_the_same_average():
    chosen = recipe(ema=0.9, mixup=0.5, cutmix=1.0, clip_grad_norm=1.0, label_smoothing=0.1, early_stopping=2)
    keep, taken = Keep(), Capture(7)
    summary, model = run(chosen, [keep, taken])
    again, other = Keep(), network(seed=5)
    resumed = fit(
        other, batches(TRAIN, chosen), batches(TEST, chosen, shuffle=False), chosen, device=CPU, callbacks=[again],
        resume=taken.snapshot,
    )
    assert same(other, model)
    assert same(again.run.state.eval_model, keep.run.state.eval_model)
    assert resumed.last.evaluated_loss == summary.last.evaluated_loss


def test_the_final_matrix_is_of_the_average(tmp_path):
    chosen, keep = recipe(ema=0.999), Keep()
    final = FinalConfusion(batches(TEST, chosen, shuffle=False), "abcd", name="n", folder=tmp_path)
    summary, _ = run(chosen, [keep, final])
    assert final.confusion.accuracy == summary.last.evaluated_accuracy
    predictions = keep.run.state.eval_model(TEST.images.float() / 255).argmax(1)
    assert final.confusion.accuracy == pytest.approx((predictions == TEST.labels).double().mean().item())
    assert (tmp_path / "confusion.svg").exists()


def test_decay_spares_norms_biases_and_scales():
    layers = [conv(4, 3), "batch_norm2d", {"layer_norm": [4, 6, 6]}, "layer_scale", "flatten", {"linear": 2}]
    model = sequence((1, 8, 8), *layers)
    names = {id(p): name for name, p in model.named_parameters()}
    chosen = recipe(weight_decay=0.1, decay_norm_and_bias=False)
    decayed, spared = make_optimizer(model, chosen, CPU).param_groups
    assert ([names[id(p)] for p in decayed["params"]], decayed["weight_decay"]) == (["0.weight", "5.weight"], 0.1)
    assert spared["weight_decay"] == 0.0
    assert {names[id(p)] for p in spared["params"]} == set(names.values()) - {"0.weight", "5.weight"}
    (group,) = make_optimizer(model, recipe(weight_decay=0.1), CPU).param_groups
    assert [names[id(p)] for p in group["params"]] == list(names.values())


def test_spared_parameters_are_not_decayed():
    """Their gradient is nought here, so that only decay could move them."""
    model = network()
    for parameter in (model[0].bias, model[1].weight, model[1].bias):
        parameter.grad = torch.zeros_like(parameter)
    model[0].weight.grad = torch.zeros_like(model[0].weight)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    make_optimizer(model, recipe(weight_decay=0.5, decay_norm_and_bias=False), CPU).step()
    assert torch.equal(model[1].weight, before["1.weight"])
    assert torch.equal(model[0].bias, before["0.bias"])
    torch.testing.assert_close(model[0].weight, before["0.weight"] * (1 - 0.1 * 0.5))


def test_the_average_counts_in_the_memory_check(monkeypatch):
    asked = []
    monkeypatch.setattr("archspec.train.setup.check_step_fits", lambda *a, states, **k: asked.append(states))
    for fields in ({}, {"ema": 0.9}, {"ema": 0.9, "optimizer": "adam"}):
        check_memory(None, recipe(**fields), CPU)
    assert asked == [0, 1, 3]
