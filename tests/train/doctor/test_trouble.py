"""Runs that diverge, and networks that lose what they had learned."""

import math

import pytest

from archspec.train.doctor.finding import Evidence, Finding
from archspec.train.doctor.history import BLOCK, FirstBatch
from archspec.train.doctor.trouble import (
    BACK_STEPS,
    BEYOND,
    BLOWN,
    LOST_STEPS,
    blows_up,
    collapses,
    diverges,
    learns_again,
    not_finite,
)
from tests.train.doctor.helpers import LN10, history, sample

LEARNT = [2.3] * 20 + [1.0] * 20 + [0.3] * 60
RIGHT = [0.1] * 20 + [0.6] * 20 + [0.9] * 60


def lost(losses, accuracy=0.1, **fields):
    return history(LEARNT + losses, RIGHT + [accuracy] * len(losses), **fields)


def test_a_loss_that_is_no_number():
    samples = [sample(1, ratio=3.0), sample(2, ratio=0.2)]
    seen = history([2.3, 2.2, 40.0, 1e9, math.nan, math.nan], samples=samples, lr=30.0)
    finding = not_finite(seen)
    assert (finding.code, finding.step) == ("RUN346", 5)
    texts = [fact.text for fact in finding.evidence]
    assert texts == [
        "the loss is nan at step 5", "the lowest before was 2.2 at step 2",
        "the loss first jumped at step 3, from 2.25 to 40",
        "the update of step 1 changed layer2.weight by 3 of its size",
    ]


def test_of_a_first_loss_that_is_no_number_no_rate_is_to_blame():
    finding = not_finite(history([math.inf]))
    assert (finding.code, finding.title) == ("RUN346", "the loss is not a number from the start")
    assert [fact.text for fact in finding.evidence] == ["the loss is inf at step 1, before any update"]
    assert "`init`" in finding.advice
    seen = history([math.nan])
    seen.inputs = FirstBatch(1, mean=math.nan, std=math.nan, spread=math.nan, finite=False)
    assert not_finite(seen).advice == "repair the data files"


def test_after_a_resume_the_first_loss_seen_is_not_the_run_s():
    assert not_finite(history([math.nan], first=20)).title == "the run diverges"


def test_losses_that_are_numbers_are_left_alone():
    assert not_finite(history([2.3, 1e30])) is None


def test_a_loss_that_keeps_growing_diverges():
    steps = BLOWN + BLOCK
    losses = [2.3 * 1.05**k for k in range(steps)]
    assert diverges(history(losses[:-1])) is None
    finding = diverges(history(losses))
    assert (finding.code, finding.step) == ("RUN346", steps)
    assert finding.evidence[0].values["first_loss"] == 2.3


@pytest.mark.parametrize("losses", [
    pytest.param([2.3] * 200, id="flat"),
    pytest.param([50.0] * 5 + [3.0] * 100, id="from-a-bad-start"),
    pytest.param([2.3] * 50 + [30.0] * 5 + [2.0] * 60, id="a-spike"),
    pytest.param([2.3, *[20.0 - 0.15 * k for k in range(120)]], id="on-its-way-back"),
    pytest.param([0.05] * 20 + [0.4] * 100, id="little-is-little"),
])
def test_what_does_not_diverge(losses):
    assert diverges(history(losses)) is None


def test_a_loss_that_blows_up_and_comes_down_again():
    finding = blows_up(history([2.74, 4e5, 1e10, 30.0, *[LN10] * 26], lr=5.0, samples=[sample(2, ratio=40.0)]))
    assert (finding.code, finding.step, finding.title, finding.final) == ("RUN346", 30, "the loss blew up", False)
    assert [fact.text for fact in finding.evidence] == [
        "at step 1 the loss was 2.74", "the loss is 4e+05 at step 2",
        "over the last 20 steps the loss is 2.3 and the accuracy 0.100",
        "the update of step 2 changed layer2.weight by 40 of its size",
    ]
    assert finding.advice.endswith("try lr 0.1, or a warm-up")


def test_a_loss_that_blows_up_and_stays_there_may_yet_come_down():
    high = BEYOND * LN10 * 1.01
    early, late = (blows_up(history([LN10, *[high] * steps])) for steps in (BLOCK - 2, BLOCK))
    assert (early.title, early.final) == ("the loss blew up", False)
    assert early.evidence[2].values["steps"] == BLOCK - 1
    assert (late.title, late.final) == ("so far the run diverges", False)


@pytest.mark.parametrize("losses", [
    pytest.param([2.3, 0.99 * BEYOND * LN10, *[LN10] * 50], id="a-spike"),
    pytest.param([5000.0, 9000.0, *[20.0] * 50], id="from-a-bad-start"),
    pytest.param([], id="nothing-seen"),
])
def test_what_does_not_blow_up(losses):
    assert blows_up(history(losses)) is None


def test_a_collapse():
    seen = lost([9.0, 4.0] + [2.31] * (LOST_STEPS + 10), samples=[sample(1), sample(150, stuck=0.94, rate=0.2)], lr=0.2)
    finding = collapses(seen)
    assert finding.code == "RUN347"
    assert finding.title == "the network collapsed after it had learned, at rate 0.2"
    values = [fact.values for fact in finding.evidence]
    assert values[0]["step"] == 60  # the first of equal blocks
    assert values[0]["loss"] == pytest.approx(0.3)
    assert values[1] == {"step": 101, "loss_before": 0.3, "loss_after": 9.0}
    assert values[2]["loss"] == pytest.approx(2.31)
    assert values[3]["share"] == 0.94
    assert "schedule: cosine" in finding.advice


@pytest.mark.parametrize("seen", [
    pytest.param(lost([2.31] * (LOST_STEPS - 10)), id="too-soon-to-say"),
    pytest.param(lost([9.0] * 5 + [0.4] * 100, 0.9), id="a-spike"),
    pytest.param(lost([2.31, 2.4, 0.5, 2.2] * 20, 0.3), id="single-bad-batches"),
    pytest.param(lost([1.5] * 100, 0.5), id="half-of-it-lost"),
    pytest.param(lost([2.4] * 100, 0.8), id="sure-of-its-errors"),
    pytest.param(history([LN10] * 300), id="never-learned"),
    pytest.param(history([1.9] * 50 + [LN10] * 100), id="barely-learned"),
])
def test_what_is_no_collapse(seen):
    assert collapses(seen) is None


def said(step, loss=LN10):
    return Finding("RUN341", step, "dead", (Evidence("", {"loss": loss}),), "")


def test_a_network_that_learnt_a_little_must_learn_more():
    losses = [1.7] * 400 + [1.5] * BACK_STEPS
    assert learns_again(history(losses, 0.3), said(300, 1.7)) is None
    assert learns_again(history(losses + [1.3] * BACK_STEPS, 0.4), said(300, 1.7)) is not None


def test_a_network_that_learns_after_all():
    """LeNet at 3: at chance for 440 steps, then it learns."""
    plateau = [LN10] * 440
    fact = learns_again(history([*plateau, *[1.5] * BACK_STEPS], 0.4), said(100))
    assert fact.text == "over the last 40 steps the loss is 1.5 and the accuracy 0.400"
    assert fact.values == {"steps": BACK_STEPS, "loss": 1.5, "accuracy": 0.4}


@pytest.mark.parametrize(("losses", "since"), [
    pytest.param([LN10] * 500, 100, id="still-at-chance"),
    pytest.param([LN10] * 460 + [1.0] * 10 + [LN10] * 30, 100, id="for-a-moment"),
    pytest.param([LN10] * 400 + [2.0] * 100, 100, id="hardly"),
    pytest.param([1.0] * 110, 100, id="what-was-before-the-verdict"),
    pytest.param([], 0, id="nothing-seen"),
])
def test_what_is_no_recovery(losses, since):
    assert learns_again(history(losses), said(since)) is None
