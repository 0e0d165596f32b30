"""Chance: the loss and accuracy of one answer for every image."""

from collections import Counter
from math import log

import pytest
import torch

from archspec.train.doctor.chance import Chance, chance_of, steps_at_chance
from archspec.train.doctor.history import BLOCK, Block
from tests.train.doctor.helpers import LN10, history


def test_balanced_labels_give_ln_of_the_classes():
    generator = torch.Generator().manual_seed(0)
    labels = Counter(torch.randint(10, (400,), generator=generator).tolist())
    chance = chance_of(labels)
    assert chance == Chance(log(10), 0.1, 10, balanced=True)
    assert chance.text() == "2.303 = ln 10"


def test_lopsided_labels_give_their_entropy_and_the_commonest_share():
    chance = chance_of(Counter({0: 900, 1: 100}))
    exact = -(0.9 * log(0.9) + 0.1 * log(0.1))
    assert chance.loss == pytest.approx(exact, abs=0.001)
    assert chance.accuracy == 0.9
    assert chance.text() == f"{chance.loss:.3f}"


def test_the_entropy_of_few_labels_is_corrected():
    """Drawn 2000 times: without Miller's term the mean would be some 0.02 nats too low."""
    shares = torch.tensor([0.5, 0.2, 0.1, 0.1, 0.1])
    exact = float(-(shares * shares.log()).sum())
    drawn = torch.multinomial(shares, 2000 * 100, replacement=True, generator=torch.Generator().manual_seed(1))
    losses = [chance_of(Counter(row.tolist())).loss for row in drawn.view(2000, 100)]
    assert sum(losses) / len(losses) == pytest.approx(exact, abs=0.003)


def test_all_labels_of_a_small_set_are_taken_as_they_are():
    """A network learns how common each class is among its own 40 images, not among all there could be."""
    chance = chance_of(Counter({0: 14, 1: 10, 2: 9, 3: 7}), complete=True)
    exact = -sum(k / 40 * log(k / 40) for k in (14, 10, 9, 7))
    assert chance == Chance(pytest.approx(exact), 0.35, 4, balanced=False)
    assert chance_of(Counter({0: 10, 1: 10}), complete=True).text() == "0.693 = ln 2"


@pytest.mark.parametrize("labels", [Counter(), Counter({3: 1000}), Counter({0: 10, 1: 29})], ids=str)
def test_too_few_labels_say_nothing(labels):
    assert chance_of(labels) is None


@pytest.mark.parametrize(("loss", "accuracy", "expected"), [
    (LN10, 0.1, True), (2.4, 0.1, True), (10.0, 0.1, True), (2.29, 0.11, True),
    (2.27, 0.1, False), (LN10, 0.2, False), (0.1, 0.97, False),
])
def test_what_holds(loss, accuracy, expected):
    chance = Chance(log(10), 0.1, 10, balanced=True)
    assert chance.holds(Block(20, loss, accuracy), images=2000) is expected


def test_a_few_images_may_be_lucky_and_many_may_not():
    chance = Chance(log(10), 0.1, 10, balanced=True)
    assert chance.holds(Block(20, LN10, 0.125), images=1000)
    assert not chance.holds(Block(20, LN10, 0.125), images=100_000)


def test_steps_at_chance_count_from_the_end_in_whole_blocks():
    chance = Chance(log(10), 0.1, 10, balanced=True)
    stuck = history([1.0] * 100 + [LN10] * 85, [0.6] * 100 + [0.1] * 85)
    assert steps_at_chance(stuck, chance) == 85 // BLOCK * BLOCK
    assert steps_at_chance(history([LN10] * 100 + [1.0] * 20, [0.1] * 100 + [0.6] * 20), chance) == 0
    assert steps_at_chance(history([]), chance) == 0
