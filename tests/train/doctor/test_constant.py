"""The loss of the best constant answer: what a search over constants finds, for each loss."""

import math

import pytest
import torch

from archspec.language.recipe import Recipe
from archspec.train.doctor.chance import at_chance, chance_in
from archspec.train.doctor.constant import constant_loss, is_plain
from archspec.train.doctor.history import History
from archspec.train.objective import Objective, Targets

torch.manual_seed(0)
CLASSES = torch.tensor([0] * 70 + [1] * 20 + [2] * 10)
BITS = (torch.rand(100, 3) < torch.tensor([0.1, 0.5, 0.8])).float()
NUMBERS = torch.randn(100, 2) * torch.tensor([1.0, 5.0]) + 3


def objective(loss):
    return Objective.of(Recipe.model_validate({"data": "digits", "lr": 0.1, "loss": loss}))


@pytest.mark.parametrize(("loss", "targets", "outputs"), [
    ({"cross_entropy": {"class_weights": [1, 3, 6]}}, CLASSES, 3), ("bce", BITS, 3),
    ({"bce": {"class_weights": [4, 1, 0.5]}}, BITS, 3), ("mse", NUMBERS, 2), ({"mse": {"weight": 2}}, NUMBERS, 2),
    ("l1", NUMBERS, 2),
], ids=str)
def test_no_constant_is_better(loss, targets, outputs):
    chosen = objective(loss)
    answer = torch.zeros(outputs, requires_grad=True)
    optimizer = torch.optim.LBFGS([answer], max_iter=300, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        value = chosen.loss(answer.expand(len(targets), -1), Targets(targets))
        value.backward()
        return value

    for _ in range(5):
        best = optimizer.step(closure).item()
    assert constant_loss(chosen, targets) == pytest.approx(best, rel=1e-2)


def test_which_losses_have_the_entropy_of_the_labels_as_chance():
    assert is_plain(objective("cross_entropy"))
    for loss in ("bce", {"cross_entropy": {"class_weights": "balanced"}}, {"cross_entropy": {"weight": 2}}, {"a": "cross_entropy", "b": "cross_entropy"}):
        assert not is_plain(objective(loss))


def test_chance_of_a_loss_without_accuracy():
    history = History(lr=0.1, plain=False, classifies=False)
    assert chance_in(history) is None
    history.constant = 0.8
    history.add_steps([0.81] * 200, [0] * 200, [10] * 200)
    chance = chance_in(history)
    assert chance.holds(history.last(100), 1000)
    fact = at_chance(history, chance, 100)
    assert fact.text == "over the last 100 steps the loss is 0.81, no better than a constant prediction (0.800)"
    assert "accuracy" not in fact.values
    assert math.isnan(history.last(100).accuracy)
