"""The rate-range test as text, read back: Braille by the names that Unicode gives its dots."""

import math
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.train.lr_finder.chart import HEIGHT, WIDTH, comparison, rate_chart, scale_of, verdict
from archspec.train.lr_finder.range_test import RateRange, judge, smooth

RATES = [10 ** (-5 + 6 * k / 99) for k in range(100)]
VALLEY = [2.3] * 40 + [2.3 - 0.05 * k for k in range(30)] + [0.8 + 0.3 * k for k in range(30)]
TEST = judge(RATES, VALLEY, 2.3)
# Unicode 15, section 21.1: the eight dots of a cell, by number -> (row, column).
DOT = {1: (0, 0), 2: (1, 0), 3: (2, 0), 4: (0, 1), 5: (1, 1), 6: (2, 1), 7: (3, 0), 8: (3, 1)}


def rows_of(chart, wall="│"):
    """What stands to the right of the axis, the top row first."""
    rows = [line.partition(wall)[2] for line in chart.splitlines() if wall in line]
    assert len(rows) == HEIGHT
    return rows


def dots_of(chart):
    """(row, column) of every dot, by the characters' names."""
    found = set()
    for y, row in enumerate(rows_of(chart)):
        for x, character in enumerate(row):
            if character != " ":
                numbers = unicodedata.name(character).partition("DOTS-")[2]
                found |= {(4 * y + DOT[int(n)][0], 2 * x + DOT[int(n)][1]) for n in numbers}
    return found


def expected_dots(test):
    """Where the steps lie on a canvas of 4 × HEIGHT by 2 × WIDTH dots, from the printed scale's ends."""
    scale = scale_of(test)
    low, high = math.log10(test.rates[0]), math.log10(test.rates[-1])
    for rate, loss in zip(test.rates, test.smoothed, strict=True):
        x = (math.log10(rate) - low) / (high - low)
        y = (min(loss, scale.top) - scale.bottom) / (scale.top - scale.bottom)
        yield (1 - y) * (4 * HEIGHT - 1), x * (2 * WIDTH - 1)


def test_every_step_has_its_dot():
    dots = dots_of(rate_chart(TEST, 0.1))
    for row, column in expected_dots(TEST):
        assert any(abs(row - r) <= 0.51 and abs(column - c) <= 0.51 for r, c in dots), (row, column)


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 50.0), min_size=2, max_size=100))
def test_the_curve_has_no_gap_and_stays_on_the_canvas(losses):
    test = judge(RATES[: len(losses)], losses, 2.3)
    dots = dots_of(rate_chart(test, 1e-3))
    assert {c for _, c in dots} == set(range(2 * WIDTH))
    assert {r for r, _ in dots} <= set(range(4 * HEIGHT))
    reached, todo = set(), [next(iter(dots))]
    while todo:  # from dot to dot as a king moves
        row, column = dot = todo.pop()
        if dot in dots - reached:
            reached.add(dot)
            todo += [(row + dy, column + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    assert reached == dots


def test_in_ascii_it_is_the_same_curve():
    braille, ascii_ = rate_chart(TEST, 0.1), rate_chart(TEST, 0.1, ascii_only=True)
    assert ascii_.isascii()
    assert [[c != " " for c in row] for row in rows_of(braille)] == [
        [c != " " for c in row] for row in rows_of(ascii_, "|")
    ]


def column_under(chart, line, character):
    """Where a character of a line stands, counted from the axis."""
    axis = next(row for row in chart.splitlines() if "└" in row).index("└")
    return line.index(character) - axis - 1


def test_marks_and_ticks_stand_under_their_rates():
    chart = rate_chart(TEST, 1e-3)
    *_, ticks, suggestion, recipe = chart.splitlines()
    for power in range(-5, 2):
        text = f"1e{power}"
        assert column_under(chart, ticks, text) == round((power + 5) / 6 * (WIDTH - 1))
    assert column_under(chart, recipe, "▲") == column_under(chart, ticks, "1e-3")
    expected = (math.log10(TEST.suggestion) + 5) / 6 * (WIDTH - 1)
    assert abs(column_under(chart, suggestion, "▲") - expected) <= 0.5
    assert recipe.strip() == "▲ this recipe: 0.001"


@settings(deadline=None)
@given(st.floats(1e-12, 1e12))
def test_any_rate_has_its_mark_within_the_picture(rate):
    chart = rate_chart(TEST, rate)
    *body, recipe = chart.splitlines()
    axis = next(row for row in body if "└" in row)
    assert len(recipe) <= len(axis)
    column = column_under(chart, recipe, "▲")
    assert abs(column - min(1.0, max(0.0, (math.log10(rate) + 5) / 6)) * (WIDTH - 1)) <= 0.5
    assert "this recipe: " in recipe


def test_without_a_suggestion_there_is_one_mark():
    chart = rate_chart(judge(RATES, [2.3] * 100, 2.3), 0.1)
    assert "suggestion" not in chart
    assert chart.count("▲") == 1


def test_the_scale_is_the_smoothed_losses_up_to_a_ceiling():
    scale = scale_of(TEST)
    curve = smooth(VALLEY)
    assert scale.bottom == min(curve)
    assert scale.top == 1.3 * curve[0] < max(curve)
    flat = scale_of(judge(RATES, [2.3] * 100, 2.3))
    assert flat.top > flat.bottom, "or nothing could be divided by it"


@settings(deadline=None)
@given(st.floats(1e-20, 1e20), st.floats(1e-20, 1e20))
def test_the_scale_keeps_order(one, other):
    scale = scale_of(TEST)
    low, high = sorted((one, other))
    assert 0 <= scale.x(low) <= scale.x(high) <= 1
    assert 0 <= scale.y(low) <= scale.y(high) <= 1


def test_a_single_step_can_be_drawn():
    """A test that broke off at once."""
    chart = rate_chart(judge([1e-5], [2.3], 2.3), 0.1)
    assert len(dots_of(chart)) == 1


def found(suggestion=None, lowest=None, too_high=None):
    return RateRange((1e-5, 10.0), (2.3, 2.0), (2.3, 2.1), suggestion, lowest, too_high)


@pytest.mark.parametrize(("test", "text"), [
    (found(0.012, 0.12, 1.0), "suggested rate: 0.012, which is 1/10 of 0.12, where the smoothed loss is lowest"),
    (found(), "no suggestion: in 2 steps the loss fell no lower than that of a constant prediction"),
    (found(too_high=0.5), "no suggestion: in 2 steps the loss fell no lower than that of a constant prediction; "
     "at rate 0.5 it has risen"),
], ids=str)
def test_the_verdict_in_words(test, text):
    assert verdict(test) == text


@pytest.mark.parametrize(("rate", "text"), [
    (0.9, "this recipe's rate 0.9 is 90 times the suggestion"),
    (19.4, "this recipe's rate 19.4 is 1,900 times the suggestion"),
    (1e-6, "this recipe's rate 1e-06 is 1/10,000 of the suggestion"),
    (0.021, "this recipe's rate 0.021 is 2.1 times the suggestion"),
    (0.02, "this recipe's rate 0.02 is about the suggestion"),
    (0.005, "this recipe's rate 0.005 is about the suggestion"),
    (0.002, "this recipe's rate 0.002 is 1/5 of the suggestion"),
])
def test_the_recipe_s_rate_is_compared_in_words(rate, text):
    assert comparison(found(0.01, 0.1), rate) == text
    assert comparison(found(too_high=0.5), rate) is None
