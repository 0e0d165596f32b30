"""Augmentation, mixup and cutmix: which batches they change, and how."""

import pytest
import torch
import torch.nn.functional as F

from archspec.api import load
from archspec.data.augment import Augmentation
from archspec.data.batches import BatchOptions, ResidentBatches
from archspec.train.objective import Objective, Targets
from archspec.train.setup import Machine, batch_options
from tests.train.helpers import CPU, PLAN, recipe
from tests.train.runs import TRAIN, run, same

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
