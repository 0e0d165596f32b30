"""The rate-range test: what it measures, against a loop written out; what it reads off a curve; what it says."""

import copy
import json
import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from archspec.diagnostics import SpecError
from archspec.train.lr_finder import range_test as module
from archspec.train.lr_finder.range_test import FAR_BELOW, RATES, ROSE, RateRange, far_rate, judge, rate_range, smooth
from tests.train.helpers import CPU, batches, data, network, recipe, textbook

IMAGES = data()
LN4 = math.log(4)


def measured(model=None, *, steps=40, **fields):
    chosen = recipe(**fields)
    return rate_range(model or network(), batches(IMAGES, chosen), chosen, device=CPU, steps=steps)


# -- the measurement ------------------------------------------------------------------------------------------


def test_losses_are_those_of_a_loop_written_out():
    """The rate rises by the same factor from step to step; after the images' last one their next epoch begins."""
    test, twin, chosen = measured(steps=12), network(), recipe()
    optimizer = torch.optim.SGD(twin.parameters(), lr=1e-5)
    feed, losses, rates = batches(IMAGES, chosen), [], [1e-5 * (10.0 / 1e-5) ** (k / 11) for k in range(12)]
    steps = [batch for epoch in range(3) for batch in feed.batches(epoch)]  # 5 an epoch
    for rate, batch in zip(rates, steps, strict=False):
        optimizer.param_groups[0]["lr"] = rate
        loss = F.cross_entropy(twin(batch.x), batch.y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert test.rates == pytest.approx(rates)
    assert test.losses == pytest.approx(losses, rel=1e-6)
    assert test.smoothed == tuple(smooth(test.losses))


@pytest.mark.parametrize("optimizer", RATES)
def test_the_rates_are_those_usual_for_the_optimizer(optimizer):
    rates = measured(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), optimizer=optimizer, steps=30).rates
    low, high = RATES[optimizer]
    assert rates[0] == low
    assert rates[-1] <= high * (1 + 1e-9)
    assert all(b / a == pytest.approx((high / low) ** (1 / 29)) for a, b in pairwise(rates))


def test_nothing_of_the_run_is_touched():
    model, chosen = network(dropout=0.5), recipe(momentum=0.9)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    first = rate_range(model, batches(IMAGES, chosen), chosen, device=CPU, steps=30)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    again = rate_range(model, batches(IMAGES, chosen), chosen, device=CPU, steps=30)
    assert again == first, "a function of the recipe's seed alone"
    other = recipe(momentum=0.9, seed=5)
    assert rate_range(model, batches(IMAGES, other), other, device=CPU, steps=30) != first


def test_it_ends_when_the_loss_is_through_the_roof(monkeypatch):
    monkeypatch.setitem(module.RATES, "sgd", (1e-4, 1e4))
    chosen, noise = recipe(), replace(data(200), labels=torch.arange(200) % 4)  # labels that no step can fit all
    test = rate_range(layers(), batches(noise, chosen), chosen, device=CPU, steps=200)
    assert len(test.rates) < 200
    assert len(test.rates) % module.LOOK_EVERY == 0
    assert test.smoothed[-1] > module.BLOWN * min(test.smoothed)
    earlier = test.smoothed[: -module.LOOK_EVERY]
    assert earlier[-1] <= module.BLOWN * min(earlier), "and not before"


def test_what_follows_a_loss_that_is_no_number_is_cut_off(monkeypatch):
    monkeypatch.setitem(module.RATES, "sgd", (1e-3, 1e38))
    test = measured(layers(), steps=40)
    assert 0 < len(test.rates) == len(test.losses) == len(test.smoothed) < 40
    assert all(map(math.isfinite, test.losses))
    json.dumps(test.to_json(), allow_nan=False)


def test_a_first_loss_that_is_no_number_is_an_error():
    model = network()
    nn.init.constant_(model[5].weight, math.nan)
    with pytest.raises(SpecError) as caught:
        measured(model)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RUN310"
    assert diagnostic.message == "the loss is nan at the first step of the rate-range test, before any update"


def test_the_suggestion_is_a_good_rate_and_the_rate_where_the_loss_rose_is_not(monkeypatch):
    """Trained from the start at each: the one learns, the other never does better than chance."""
    monkeypatch.setitem(module.RATES, "sgd", (1e-4, 1e4))
    images, losses = data(200), {}
    chosen = recipe(batch_size=20)
    test = rate_range(layers(), batches(images, chosen), chosen, device=CPU)
    for rate in (test.suggestion, test.too_high):
        model, run = layers(), recipe(lr=rate, batch_size=20, epochs=5)
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        losses[rate] = [row[0] for row in textbook(model, images, images, run, optimizer)]
    good, bad = losses[test.suggestion], losses[test.too_high]
    assert good == sorted(good, reverse=True)
    assert good[-1] < 0.2 * LN4
    assert min(bad) > LN4


def layers():
    with torch.random.fork_rng([]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 4))


# -- what is read off a curve ---------------------------------------------------------------------------------

curves = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=60)


@settings(deadline=None)
@given(curves)
def test_the_smoothed_loss_is_the_weighted_mean_of_all_before(losses):
    for k, value in enumerate(smooth(losses)):
        weights = [module.SMOOTHING ** (k - i) for i in range(k + 1)]
        mean = math.fsum(w * x for w, x in zip(weights, losses, strict=False)) / math.fsum(weights)
        assert value == pytest.approx(mean)


@settings(deadline=None)
@given(curves, st.floats(0.1, 10.0))
def test_what_is_read_off_any_curve(losses, chance):
    rates = [1e-5 * 1.3**k for k in range(len(losses))]
    test = judge(rates, losses, chance)
    bottom = min(test.smoothed)
    assert (test.suggestion is None) == (test.lowest is None)
    if test.lowest is not None:
        assert test.smoothed[rates.index(test.lowest)] == bottom < chance
        assert test.suggestion == pytest.approx(test.lowest / 10)
    if test.too_high is not None:
        at = rates.index(test.too_high)
        assert test.smoothed[at] > ROSE * bottom
        assert test.smoothed.index(bottom) < at
        assert test.lowest is None or test.too_high > test.lowest
    else:
        assert test.smoothed[-1] <= ROSE * bottom


@settings(deadline=None)
@given(st.floats(1e-3, 1e3), curves)
def test_in_other_units_of_rate_the_suggestion_is_the_same(unit, losses):
    rates = [1e-3 * 1.2**k for k in range(len(losses))]
    one, other = judge(rates, losses, 2.3), judge([unit * rate for rate in rates], losses, 2.3)
    assert (one.suggestion is None) == (other.suggestion is None)
    if one.suggestion is not None:
        assert other.suggestion == pytest.approx(unit * one.suggestion)


def test_a_valley_is_found():
    """A known curve over 10^-5 … 10: flat, falling from 10^-3, lowest at 10^-1, steeply rising after it."""
    powers = [-5 + 6 * k / 299 for k in range(300)]
    losses = [2.3 if p < -3 else 2.3 - 0.8 * (p + 3) if p < -1 else 0.7 + 8 * (p + 1) for p in powers]
    test = judge([10**p for p in powers], losses, 2.3)
    assert 0.1 < test.lowest < 0.2  # the moving average lags a few steps behind
    assert test.suggestion == pytest.approx(test.lowest / 10)
    assert test.lowest < test.too_high < 0.4


@pytest.mark.parametrize("losses", [
    pytest.param([2.303] * 100, id="flat"),
    pytest.param([2.31, 2.29] * 50, id="noise"),
    pytest.param([2.303] * 80 + [3.0] * 20, id="only-up"),
    pytest.param([4.0] * 10 + [2.303] * 90, id="from-a-bad-start-to-chance"),
    pytest.param([2.303 - 0.0003 * k for k in range(100)], id="by-one-per-cent"),
])
def test_a_loss_that_falls_no_lower_than_chance_suggests_nothing(losses):
    test = judge([1e-5 * 1.15**k for k in range(100)], losses, 2.303)
    assert test.suggestion is test.lowest is None


# -- the verdict on the recipe's rate -------------------------------------------------------------------------


def found(*, suggestion=0.01, lowest=0.1, too_high=1.0):
    return RateRange((1e-5, 10.0), (2.3, 2.0), (2.3, 2.1), suggestion, lowest, too_high)


@pytest.mark.parametrize("rate", [0.01 / FAR_BELOW, 0.001, 0.01, 0.05, 0.0999])
def test_a_rate_near_the_suggestion_is_left_alone(rate):
    assert far_rate(found(), rate) is None


@pytest.mark.parametrize(("test", "rate", "side", "advice"), [
    (found(), 0.1, "above", "try lr 0.01"),
    (found(), 30.0, "above", "try lr 0.01"),
    (found(), 0.99 * 0.01 / FAR_BELOW, "below", "try lr 0.01"),
    (found(too_high=None), 1e-6, "below", "try lr 0.01"),
    (found(suggestion=None, lowest=None, too_high=0.5), 0.5, "above", "try lr 0.05"),
], ids=str)
def test_a_rate_far_from_it_is_told(test, rate, side, advice):
    finding = far_rate(test, rate)
    assert (finding.code, finding.step, finding.advice) == ("RUN351", 0, advice)
    assert finding.title.endswith(f"is far {side} the suggestion of the range test")
    values = {key: value for fact in finding.evidence for key, value in fact.values.items()}
    known = {"lowest_loss_at": test.lowest, "suggestion": test.suggestion, "too_high_from": test.too_high}
    assert values == {key: value for key, value in known.items() if value is not None}


@pytest.mark.parametrize("test", [found(suggestion=None, lowest=None, too_high=None)], ids=["nothing-known"])
@pytest.mark.parametrize("rate", [1e-9, 0.1, 1e3])
def test_without_a_suggestion_nothing_is_said(test, rate):
    assert far_rate(test, rate) is None
