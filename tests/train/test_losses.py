"""Losses against torch's, and class weights against their definition."""

import pytest
import torch
import torch.nn.functional as F

from archspec.diagnostics import SpecError
from archspec.language.recipe import Recipe
from archspec.train.class_weights import balanced
from archspec.train.objective import Objective, Targets

torch.manual_seed(0)
LOGITS = torch.randn(12, 5)
LABELS = torch.randint(5, (12,))
BITS = torch.randint(2, (12, 5))
NUMBERS = torch.randn(12, 5)
WEIGHTS = (1.0, 2.0, 0.5, 3.0, 1.5)


def objective(loss, **fields):
    return Objective.of(Recipe.model_validate({"data": "digits", "lr": 0.1, "loss": loss, **fields}))


def weighted_cross_entropy(smoothing=0.0):
    each = F.cross_entropy(LOGITS, LABELS, torch.tensor(WEIGHTS), reduction="none", label_smoothing=smoothing)
    return each.mean()


@pytest.mark.parametrize(("loss", "targets", "expected"), [
    ("cross_entropy", LABELS, F.cross_entropy(LOGITS, LABELS)),
    ({"cross_entropy": {"label_smoothing": 0.2}}, LABELS, F.cross_entropy(LOGITS, LABELS, label_smoothing=0.2)),
    ({"cross_entropy": {"class_weights": WEIGHTS}}, LABELS, weighted_cross_entropy()),
    ({"cross_entropy": {"class_weights": WEIGHTS, "label_smoothing": 0.1}}, LABELS, weighted_cross_entropy(0.1)),
    ("bce", BITS, F.binary_cross_entropy_with_logits(LOGITS, BITS.float())),
    ({"bce": {"class_weights": WEIGHTS}}, BITS,
     F.binary_cross_entropy_with_logits(LOGITS, BITS.float(), pos_weight=torch.tensor(WEIGHTS))),
    ({"bce": {"label_smoothing": 0.2}}, BITS, F.binary_cross_entropy_with_logits(LOGITS, BITS * 0.8 + 0.1)),
    ("mse", NUMBERS, F.mse_loss(LOGITS, NUMBERS)), ("l1", NUMBERS, F.l1_loss(LOGITS, NUMBERS)),
    ({"huber": {"delta": 0.5}}, NUMBERS, F.huber_loss(LOGITS, NUMBERS, delta=0.5)),
    ({"mse": {"weight": 3}}, NUMBERS, 3 * F.mse_loss(LOGITS, NUMBERS)),
], ids=str)
def test_each_loss_is_torchs(loss, targets, expected):
    assert objective(loss).loss(LOGITS, Targets(targets)).item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_plain_cross_entropy_is_torchs_to_the_bit():
    assert torch.equal(objective("cross_entropy").loss(LOGITS, Targets(LABELS)), F.cross_entropy(LOGITS, LABELS))


def test_evaluation_leaves_smoothing_and_class_weights_out():
    chosen = objective({"cross_entropy": {"class_weights": WEIGHTS, "label_smoothing": 0.1}})
    assert torch.equal(chosen.evaluated(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS))


def test_the_recipes_smoothing_counts_where_a_loss_has_none():
    losses = {"a": "cross_entropy", "b": {"cross_entropy": {"label_smoothing": 0.0}}}
    found = objective(losses, label_smoothing=0.2).loss({"a": LOGITS, "b": LOGITS}, Targets(LABELS))
    expected = F.cross_entropy(LOGITS, LABELS, label_smoothing=0.2) + F.cross_entropy(LOGITS, LABELS)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_losses_of_several_outputs_add_up_by_their_weights():
    chosen = objective({"head": "cross_entropy", "depth": {"mse": {"weight": 0.3}}})
    outputs, labels = {"head": LOGITS, "depth": NUMBERS[:, :1]}, {"head": LABELS, "depth": NUMBERS[:, 1]}
    expected = F.cross_entropy(LOGITS, LABELS) + 0.3 * F.mse_loss(NUMBERS[:, 0], NUMBERS[:, 1])
    assert chosen.loss(outputs, Targets(labels)).item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.equal(chosen.evaluated(LOGITS, labels), F.cross_entropy(LOGITS, LABELS))  # a head for training only
    output, targets = chosen.deciding(outputs, labels)
    assert output is LOGITS
    assert targets is LABELS


def test_labels_of_pixels():
    logits, labels = torch.randn(2, 4, 3, 3), torch.randint(4, (2, 3, 3))
    labels[0, 0] = -100
    assert torch.equal(objective("cross_entropy").loss(logits, Targets(labels)), F.cross_entropy(logits, labels))
    weights = (1.0, 2.0, 3.0, 4.0)
    found = objective({"cross_entropy": {"class_weights": weights}}).loss(logits, Targets(labels))
    each = F.cross_entropy(logits, labels, torch.tensor(weights), reduction="none")
    assert found.item() == pytest.approx((each.sum() / 15).item(), rel=1e-6)


@pytest.mark.parametrize(("loss", "outputs", "targets", "message"), [
    ("mse", (4, 3), (4,), "mse takes targets (4, 3) for outputs (4, 3), got (4)"),
    ("mse", (4, 1), (4, 4), "mse takes targets (4, 1)"), ("bce", (4, 3), (4, 2), "bce takes targets (4, 3)"),
    ("cross_entropy", (4, 3), (4, 3), "cross_entropy takes targets (4)"),
])
def test_targets_of_another_shape_are_an_error_instead_of_a_broadcast(loss, outputs, targets, message):
    with pytest.raises(SpecError, match="RUN323") as caught:
        objective(loss).loss(torch.zeros(outputs), Targets(torch.zeros(targets, dtype=torch.int64)))
    assert message in str(caught.value)


@pytest.mark.parametrize("loss", ["mse", "l1", "huber", "bce"])
@pytest.mark.parametrize(("outputs", "targets"), [
    ((4, 1), (4, 1, 1)), ((4, 1, 1), (4,)), ((4, 2), (4, 2, 1)), ((4,), (4, 1, 1)), ((1, 4), (4,)), ((4, 4), (4, 1)),
])
def test_only_a_dimension_of_one_may_be_left_out(loss, outputs, targets):
    with pytest.raises(SpecError, match="RUN323"):
        objective(loss).loss(torch.zeros(outputs), Targets(torch.zeros(targets)))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.int8, torch.uint8])
def test_class_numbers_of_every_type_of_integers(dtype):
    logits, labels = torch.randn(5, 4), torch.tensor([0, 3, 1, 2, 2])
    assert torch.equal(objective("cross_entropy").loss(logits, Targets(labels.to(dtype))), F.cross_entropy(logits, labels))


@pytest.mark.parametrize(("outputs", "targets"), [
    ((4, 1), (4,)), ((4,), (4, 1)), ((4, 2, 1), (4, 2)), ((4, 1, 3, 5), (4, 3, 5)),
])
def test_a_dimension_of_one_may_be_left_out(outputs, targets):
    x, y = torch.randn(outputs), torch.randn(targets)
    found = objective("mse").loss(x, Targets(y))
    assert found.item() == pytest.approx(F.mse_loss(x.flatten(), y.flatten()).item())


def test_balanced_weights_of_classes_give_each_class_the_same_sum():
    labels = torch.tensor([0] * 6 + [1] * 3 + [3])  # class 2 does not occur
    losses = Recipe.model_validate({"data": "x", "lr": 1, "loss": {"cross_entropy": {"class_weights": "balanced"}}}).loss
    weights = balanced(losses, labels, {"": 4})[""]
    assert weights == pytest.approx((10 / (3 * 6), 10 / (3 * 3), 1.0, 10 / 3))
    assert sum(weights[label] for label in labels.tolist()) == pytest.approx(10)


def test_balanced_weights_of_labels_are_negatives_by_positives():
    bits = torch.tensor([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]])
    losses = Recipe.model_validate({"data": "x", "lr": 1, "loss": {"bce": {"class_weights": "balanced"}}}).loss
    assert balanced(losses, bits, {"": 3})[""] == (3.0, 1.0, 1.0)


def test_an_output_without_a_loss_or_without_targets():
    with pytest.raises(SpecError, match="RUN326"):
        objective("mse").loss({"a": LOGITS, "b": LOGITS}, Targets(NUMBERS))
    with pytest.raises(SpecError, match="no targets for the output `b`"):
        objective({"a": "mse", "b": "mse"}).loss({"a": LOGITS, "b": LOGITS}, Targets({"a": NUMBERS, "c": NUMBERS}))
