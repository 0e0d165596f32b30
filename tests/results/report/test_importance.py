"""How much of a figure each setting accounts for."""

import random

import pytest

from archspec.results.report.importance import BINS, epsilon_squared, importance


def test_by_hand():
    # groups 1, 3 and 5, 7: total 20, within 4, n 4, k 2
    assert epsilon_squared("aabb", [1, 3, 5, 7]) == pytest.approx(1 - (4 / 2) / (20 / 3))


def test_what_cannot_be_known():
    assert epsilon_squared("aaa", [1, 2, 3]) is None  # one value
    assert epsilon_squared("abc", [1, 2, 3]) is None  # no two alike
    assert epsilon_squared("aabb", [1, 1, 1, 1]) is None  # nothing to explain
    assert importance([{"a": 1}], [0.5], ["a"])[0].share is None


def test_chance_explains_nothing_on_average():
    source = random.Random(1)
    shares = [epsilon_squared([k % 8 for k in range(40)], [source.gauss(0, 1) for _ in range(40)]) for _ in range(300)]
    assert sum(shares) / len(shares) < 0.06  # η² alone would say 7/39 = 0.18


def test_the_setting_that_matters_comes_first_and_a_twin_shares_it():
    source = random.Random(2)
    rows = [{"noise": k // 2 % 2, "lr": (0.1, 1.0)[k % 2], "warmup": ("no", "yes")[k % 2]} for k in range(24)]
    found = importance(rows, [row["lr"] + source.gauss(0, 0.05) for row in rows], ["noise", "lr", "warmup"])
    assert [one.key for one in found] == ["lr", "warmup", "noise"]
    assert found[0].share == found[1].share > 0.9 and found[2].share < 0.2
    assert (found[0].together, found[1].together, found[2].together) == (("warmup",), ("lr",), ())


def test_a_number_of_many_values_is_binned_and_text_is_not():
    rows = [{"lr": k / 100, "name": str(k)} for k in range(50)]
    lr, name = importance(rows, [k / 50 for k in range(50)], ["lr", "name"])
    assert (lr.key, lr.levels, lr.binned) == ("lr", BINS, True) and lr.share > 0.9
    assert (name.levels, name.binned, name.share) == (50, False, None)
