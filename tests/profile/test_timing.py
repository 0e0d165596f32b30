"""Repetitions, warm-up, median and spread, with a clock that the test turns."""

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.profile.timing import MEASURED, WARMUP, Runs, Until, quantile, time_runs
from tests.profile.helpers import TickingClock


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=40))
@settings(deadline=None, max_examples=100)
def test_quantiles_are_those_of_statistics(values):
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    for k, expected in enumerate(tenths, 1):
        assert quantile(values, k / 10) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_quantiles_of_one_value_are_that_value():
    assert [quantile([3.5], q) for q in (0, 0.1, 0.5, 0.9, 1)] == [3.5] * 5


def test_figures_of_runs():
    runs = Runs((4.0, 1.0, 2.0, 3.0, 10.0), warmup_runs=2, batch_size=6)
    assert (runs.median_ms, runs.p10_ms, runs.p90_ms) == (3.0, pytest.approx(1.4), pytest.approx(7.6))
    assert runs.images_per_s == 2000
    assert runs.per_s(9) == 3000


def test_what_takes_no_time_is_infinitely_fast():
    assert Runs((0.0,), 0, batch_size=1).images_per_s == math.inf


@pytest.mark.parametrize(("until", "durations", "expected"), [
    pytest.param(Until(3), [9, 9, 9], 3, id="so-many"),
    pytest.param(Until(2, seconds=1.0), [0.25] * 4, 4, id="goes-on-until-the-time-is-filled"),
    pytest.param(Until(3, seconds=1.0), [2, 2, 2], 3, id="goes-on-until-there-are-enough"),
    pytest.param(Until(10, seconds=1.0, few=3, most_seconds=10.0), [4, 4, 4], 3, id="slow-ends-early"),
    pytest.param(Until(10, seconds=1.0, few=3, most_seconds=10.0), [40, 40, 40], 3, id="but-not-before-a-few"),
    pytest.param(WARMUP, [5], 1, id="one-slow-run-is-warm-up-enough"),
    pytest.param(MEASURED, [0.5] * 10, 10, id="ten-runs"),
    pytest.param(MEASURED, [0.0625] * 16, 16, id="a-second"),
    pytest.param(MEASURED, [5, 5, 5], 3, id="three-slow-runs"),
])
def test_how_often(until, durations, expected):
    calls = []
    clock = TickingClock(*durations)
    runs = time_runs(
        lambda: calls.append(1), batch_size=1, synchronise=lambda: None, clock=clock, warmup=Until(0), measured=until
    )
    assert len(calls) == len(runs.times_ms) == expected
    assert clock.durations == []


def test_warm_up_runs_are_done_and_not_counted():
    calls = []
    clock = TickingClock(100, 50, 0.001, 0.004, 0.002)
    runs = time_runs(
        lambda: calls.append(1), batch_size=4, synchronise=lambda: None, clock=clock, warmup=Until(2), measured=Until(3)
    )
    assert len(calls) == 5
    assert runs.warmup_runs == 2
    assert runs.times_ms == pytest.approx((1, 4, 2))
    assert runs.median_ms == pytest.approx(2)
    assert runs.images_per_s == pytest.approx(2000)


def test_the_device_is_awaited_before_every_look_at_the_clock():
    order = []

    def clock():
        order.append("look")
        return float(len(order))

    time_runs(
        lambda: order.append("run"), batch_size=1, synchronise=lambda: order.append("wait"), clock=clock,
        warmup=Until(1), measured=Until(2),
    )
    assert order == ["wait", "look", "run", "wait", "look"] * 3
