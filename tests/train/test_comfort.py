"""What a recipe may add to the textbook's loop: each against the same thing written by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F

from archspec.api import load
from archspec.data.augment import Augmentation
from archspec.data.batches import BatchOptions, ResidentBatches
from archspec.data.order import epoch_order
from archspec.language.extras import EarlyStopping
from archspec.train.callbacks import Callback
from archspec.train.checkpoint.state import capture
from archspec.train.early_stopping import why_stop
from archspec.train.loop import fit
from archspec.train.objective import Objective, Targets
from archspec.train.optimizer import make_optimizer
from archspec.train.report.final import FinalConfusion
from archspec.train.setup import Machine, batch_options, check_memory
from archspec.train.summary import EpochResult
from tests.layers import conv, sequence
from tests.train.helpers import CPU, PLAN, batches, data, network, recipe

TRAIN, TEST = data(), data(23, split="test", seed=1)


def run(chosen, callbacks=(), model=None):
    model = model or network()
    summary = fit(
        model, batches(TRAIN, chosen), batches(TEST, chosen, shuffle=False), chosen, device=CPU, callbacks=callbacks
    )
    return summary, model


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


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


# -- weight decay --------------------------------------------------------------------------------------------------


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


# -- augmentation --------------------------------------------------------------------------------------------------


GRAPH = load({"archspec": 1, "input": [1, 8, 8], "stages": {"head": ["flatten", {"linear": 4}]}}).graph


def test_augment_reaches_the_training_batches_alone():
    chosen = recipe(augment=["horizontal_flip", {"random_crop": 2}, {"random_erase": 0.25}])
    options = batch_options(chosen, Machine(CPU), GRAPH, training=True)
    assert options.augment == Augmentation(crop_padding=2, flip=0.5, erase=0.25)
    assert batch_options(chosen, Machine(CPU), GRAPH, training=False).augment is None
    assert batch_options(recipe(), Machine(CPU), GRAPH, training=True).augment is None


def test_a_mirrored_run_is_a_run_on_mirrored_images():
    chosen = recipe(augment=[{"horizontal_flip": 1.0}])
    options = batch_options(chosen, Machine(CPU), GRAPH, training=True)
    plain = BatchOptions(chosen.batch_size, shuffle=True, seed=chosen.seed, at_least=2)
    for ours, theirs in zip(
        ResidentBatches(TRAIN, PLAN, options).batches(1), ResidentBatches(TRAIN, PLAN, plain).batches(1), strict=True
    ):
        assert torch.equal(ours.x, theirs.x.flip(-1))


# -- mixup and cutmix ----------------------------------------------------------------------------------------------

IMAGES = torch.rand(6, 3, 9, 7, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(6)


@pytest.mark.parametrize("fields", [{"mixup": 0.2}, {"mixup": 5.0}])
def test_mixup_fades_each_image_into_its_neighbour(fields):
    objective = Objective(**fields)
    shares = set()
    for step in range(30):
        images, targets = objective.mix(IMAGES, LABELS, step)
        assert 0.5 <= targets.share <= 1
        torch.testing.assert_close(images, targets.share * IMAGES + (1 - targets.share) * IMAGES.roll(1, 0))
        assert torch.equal(targets.labels, LABELS)
        assert torch.equal(targets.others, LABELS.roll(1))
        shares.add(targets.share)
    assert len(shares) == 30


def test_cutmix_puts_a_box_of_the_neighbour_into_each_image():
    objective = Objective(cutmix=1.0)
    areas = []
    for step in range(60):
        images, targets = objective.mix(IMAGES, LABELS, step)
        theirs = (images == IMAGES.roll(1, 0)).all(1)
        assert torch.equal(theirs, theirs[:1].expand_as(theirs))  # the same box in each
        rows, columns = theirs[0].any(1), theirs[0].any(0)
        assert torch.equal(theirs[0], rows[:, None] & columns[None])  # a box
        assert torch.equal(images[~theirs[:, None].expand_as(images)], IMAGES[~theirs[:, None].expand_as(images)])
        assert targets.share == pytest.approx(1 - theirs[0].double().mean().item())
        assert targets.share >= 0.5
        areas.append(1 - targets.share)
    assert len(set(areas)) > 10
    assert max(areas) > 0.3


def test_both_are_drawn_in_turn():
    objective = Objective(mixup=1.0, cutmix=1.0)
    cut = 0
    for step in range(100):
        images, _ = objective.mix(IMAGES, LABELS, step)
        cut += bool((images == IMAGES).any())
    assert 25 < cut < 75


def test_what_a_step_draws_depends_on_seed_and_step_alone():
    def drawn(seed, step):
        return Objective(mixup=1.0, cutmix=1.0, seed=seed).mix(IMAGES, LABELS, step)[1].share

    first = [drawn(3, step) for step in range(5)]
    torch.manual_seed(99)
    assert [drawn(3, step) for step in reversed(range(5))] == first[::-1]
    assert [drawn(4, step) for step in range(5)] != first


def test_the_loss_of_mixed_labels_is_the_cross_entropy_of_their_mixture():
    logits = torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
    targets = Targets(LABELS, LABELS.roll(1), 0.7)
    soft = 0.7 * F.one_hot(LABELS) + 0.3 * F.one_hot(LABELS.roll(1))
    for smoothing in (0.0, 0.1):
        loss = Objective(smoothing).loss(logits, targets)
        expected = F.cross_entropy(logits, soft, label_smoothing=smoothing)
        torch.testing.assert_close(loss, expected)


def test_the_parts_of_targets_make_up_the_whole():
    logits = torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
    for targets in (Targets(LABELS), Targets(LABELS, LABELS.roll(1), 0.7)):
        objective = Objective(0.1)
        parts = [objective.loss(logits[a : a + 2], targets.part(a, a + 2)) for a in (0, 2, 4)]
        torch.testing.assert_close(sum(parts) / 3, objective.loss(logits, targets))


@pytest.mark.parametrize("fields", [
    {"mixup": 0.2}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0, "label_smoothing": 0.1, "ema": 0.9},
], ids=str)
def test_mixed_runs_learn_and_repeat(fields):
    summary, model = run(recipe(epochs=6, **fields))
    again, twin = run(recipe(epochs=6, **fields))
    assert same(model, twin)
    assert summary.last.evaluated_loss == again.last.evaluated_loss
    assert summary.last.evaluated_accuracy > 0.8
    assert not same(model, run(recipe(epochs=6))[1])


# -- early stopping ------------------------------------------------------------------------------------------------


def rows(values, metric="accuracy"):
    names = ("train_loss", "train_accuracy", "evaluated_loss", "evaluated_accuracy", "images_per_s", "seconds")
    blank = dict.fromkeys(names, 0.0)
    return [EpochResult(epoch=k, **{**blank, f"evaluated_{metric}": value}) for k, value in enumerate(values, 1)]


@pytest.mark.parametrize(("values", "rule", "stops_after"), [
    ([0.1, 0.2, 0.3, 0.3, 0.3, 0.3], {"patience": 2}, 5),
    ([0.1, 0.2, 0.1, 0.3, 0.2, 0.2], {"patience": 2}, 6),
    ([0.1, 0.2, 0.3], {"patience": 1}, None),
    ([0.3, 0.3], {"patience": 1}, 2),
    ([0.30, 0.34, 0.38, 0.42], {"patience": 2, "min_delta": 0.1}, 3),
    ([3.0, 2.0, 2.5, 1.0, 1.0, 1.5], {"patience": 2, "metric": "loss"}, 6),
    ([], {"patience": 1}, None),
])
def test_when_a_run_stops(values, rule, stops_after):
    rule = EarlyStopping(**rule)
    results = rows(values, rule.metric)
    stops = [k for k in range(len(values) + 1) if why_stop(results[:k], rule) is not None]
    assert stops[:1] == ([] if stops_after is None else [stops_after])
    assert why_stop(results, None) is None


def test_a_run_stops_early_and_says_why():
    summary, model = run(recipe(epochs=50, lr=1e-12, early_stopping=3))
    assert len(summary.epochs) == 4
    assert summary.stopped == (
        "stopped after epoch 4: test accuracy has not improved on epoch 1's "
        f"{summary.epochs[0].evaluated_accuracy:.4f} for 3 epochs"
    )
    assert summary.to_json()["stopped_early"] == summary.stopped
    assert same(model, run(recipe(epochs=4, lr=1e-12))[1])
    assert run(recipe())[0].stopped is None


def test_the_average_counts_in_the_memory_check(monkeypatch):
    asked = []
    monkeypatch.setattr("archspec.train.setup.check_step_fits", lambda *a, states, **k: asked.append(states))
    for fields in ({}, {"ema": 0.9}, {"ema": 0.9, "optimizer": "adam"}):
        check_memory(None, recipe(**fields), CPU)
    assert asked == [0, 1, 3]
