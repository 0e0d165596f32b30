"""Statistics against scipy, and against what must hold whatever the numbers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy

from archspec.results.stats import difference, holm
from archspec.train.statistics import t_cdf, t_quantile

figures = st.lists(st.floats(-100, 100), min_size=2, max_size=12)


@given(st.floats(-50, 50), st.floats(0.5, 200))
def test_the_t_distribution_is_scipys(t, freedom):
    assert t_cdf(t, freedom) == pytest.approx(scipy.t.cdf(t, freedom), abs=1e-12)


@settings(max_examples=30)
@given(st.floats(0.001, 0.999), st.integers(1, 200))
def test_its_quantiles_are_scipys(p, freedom):
    assert t_quantile(p, freedom) == pytest.approx(scipy.t.ppf(p, freedom), rel=1e-9, abs=1e-9)


def test_quantiles_of_a_printed_table():
    # the 95 % column of any textbook's table
    assert [round(t_quantile(0.975, n), 3) for n in (1, 2, 4, 9, 30)] == [12.706, 4.303, 2.776, 2.262, 2.042]


def test_equal_seeds_are_compared_in_pairs():
    a = {0: 0.90, 1: 0.80, 2: 0.85}
    b = {2: 0.84, 1: 0.795, 0: 0.885}
    found = difference(a, b)
    expected = scipy.ttest_rel([a[k] for k in range(3)], [b[k] for k in range(3)])
    assert (found.test, found.n) == ("paired t", 3)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.low < found.mean < found.high


def test_other_seeds_are_compared_as_two_groups():
    a, b = {0: 0.9, 1: 0.8, 2: 0.85}, {5: 0.7, 6: 0.75}
    found = difference(a, b)
    expected = scipy.ttest_ind([*a.values()], [*b.values()], equal_var=False)
    assert found.test == "Welch t"
    assert found.p == pytest.approx(expected.pvalue)


def test_one_seed_tells_nothing():
    found = difference({0: 0.9}, {0: 0.8})
    assert (found.test, found.p, found.low) == ("none", None, None)
    assert found.mean == pytest.approx(0.1)


def test_pairs_that_all_differ_by_the_same_amount():
    assert difference({0: 2.0, 1: 3.0}, {0: 1.0, 1: 2.0}).p == 0.0
    assert difference({0: 2.0, 1: 3.0}, {0: 2.0, 1: 3.0}).p == 1.0


def test_holm_adjusts_as_its_paper_does():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_adjusted_values_keep_their_order_and_never_shrink(values):
    adjusted = holm(values)
    assert all(after >= before for before, after in zip(values, adjusted, strict=True))
    ranked = [p for _, p in sorted(zip(values, adjusted, strict=True))]
    assert ranked == sorted(ranked)
