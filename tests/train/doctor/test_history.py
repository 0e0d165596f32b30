"""What is kept of a run, and what is read off it."""

import math

import pytest

from archspec.train.doctor.history import KEPT_FIRST, KEPT_LAST, Block, History, Jump, Sample
from tests.train.doctor.helpers import history, sample


def test_means_count_every_image_once():
    seen = History(lr=0.1)
    seen.add_steps([1.0, 4.0], [30, 5], [30, 10])
    assert seen.last(2) == Block(2, (30 * 1.0 + 10 * 4.0) / 40, 35 / 40)
    assert seen.last(1) == Block(2, 4.0, 0.5)
    assert seen.last(99) == seen.last(2)


@pytest.mark.parametrize("pieces", [[60], [1] * 60, [7, 13, 20, 20], [39, 21]], ids=str)
def test_the_best_block_does_not_depend_on_how_steps_arrive(pieces):
    losses = [3.0] * 20 + [1.0] * 20 + [2.0] * 20
    seen = History(lr=0.1)
    for size in pieces:
        at = len(seen)
        seen.add_steps(losses[at : at + size], [0] * size, [10] * size)
    assert seen.best == Block(40, 1.0, 0.0)
    assert (seen.step, len(seen)) == (60, 60)


def test_steps_of_a_resumed_run_go_on_counting():
    seen = history([2.0] * 20, first=500)
    assert (seen.step, seen.best.step) == (520, 520)


def test_the_first_step_that_is_no_number():
    seen = history([1.0, 2.0])
    seen.add_steps([3.0, math.inf, math.nan], [0] * 3, [1] * 3)
    seen.add_steps([math.nan], [0], [1])
    assert seen.broken == 4


@pytest.mark.parametrize(("losses", "since", "expected"), [
    pytest.param([2.0, 2.1, 5.0, 2.0], 0, Jump(3, 2.05, 5.0), id="up"),
    pytest.param([2.0, 2.3, 2.6, 2.7, 2.8], 0, None, id="slowly"),
    pytest.param([0.1, 0.1, 0.1, 0.3], 0, None, id="three-times-a-small-loss"),
    pytest.param([2.0, 2.1, 5.0, 2.0, 2.0, 2.0, 2.0, 2.0, 9.0], 4, Jump(9, 2.0, 9.0), id="the-second"),
    pytest.param([2.0], 0, None, id="one-step"),
])
def test_jumps(losses, since, expected):
    assert history(losses).jump(since) == expected


def test_of_many_samples_the_first_and_last_are_kept():
    seen = History(lr=0.1)
    for step in range(1, 101):
        seen.add_sample(Sample(step, 0.1))
    steps = [s.step for s in seen.samples]
    assert steps == [*range(1, KEPT_FIRST + 1), *range(101 - KEPT_LAST, 101)]


def test_the_ratio_of_a_weight_of_zeros_is_zero():
    (weight, *_) = sample(1, ratio=0.5).weights
    assert weight.ratio == 0.5
    assert type(weight)("bias", 0.0, 1.0, 0.3).ratio == 0.0
