"""Student's t against tables and scipy, and what is said of few values."""

import math
import random
import statistics

import pytest

from archspec.train.statistics import Statistic, t_cdf, t_quantile

TABLE = {  # of 0.975, from the tables that every textbook has
    1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764, 5: 2.5706, 6: 2.4469, 9: 2.2622, 10: 2.2281, 29: 2.0452, 30: 2.0423,
    60: 2.0003, 120: 1.9799, 999: 1.9623,
}


@pytest.mark.parametrize(("freedom", "value"), TABLE.items())
def test_the_quantiles_of_the_tables(freedom, value):
    assert t_quantile(0.975, freedom) == pytest.approx(value, abs=5e-5)


@pytest.mark.parametrize("probability", [0.5, 0.6, 0.9, 0.95, 0.975, 0.995, 0.9999])
@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 8, 33, 200])
def test_the_quantiles_of_scipy(probability, freedom):
    scipy = pytest.importorskip("scipy.stats")
    assert t_quantile(probability, freedom) == pytest.approx(scipy.t.ppf(probability, freedom), rel=1e-9, abs=1e-12)
    assert t_cdf(1.5, freedom) == pytest.approx(scipy.t.cdf(1.5, freedom), rel=1e-12)


@pytest.mark.parametrize(("probability", "freedom"), [(0.0, 3), (1.0, 3), (0.975, 0)])
def test_what_has_no_quantile(probability, freedom):
    with pytest.raises(ValueError, match="no quantile"):
        t_quantile(probability, freedom)


def test_of_some_values():
    found = Statistic.of([0.80, 0.82, 0.84, 0.86])
    assert (found.mean, found.n) == (pytest.approx(0.83), 4)
    assert found.std == pytest.approx(statistics.stdev([0.80, 0.82, 0.84, 0.86]))
    half = 3.182446305 * found.std / math.sqrt(4)
    assert found.interval == (pytest.approx(0.83 - half), pytest.approx(0.83 + half))
    assert found.text() == "0.8300 ± 0.0258 (n = 4; 95 % interval of the mean: 0.7889 to 0.8711)"
    assert found.to_json()["interval"].keys() == {"level", "low", "high"}


def test_of_one_value_the_spread_is_not_known():
    found = Statistic.of([0.8])
    assert (found.std, found.interval, found.to_json()["interval"]) == (None, None, None)
    assert found.text() == "0.8000 (n = 1: standard deviation and interval are not known)"


def test_equal_values_have_no_spread():
    assert Statistic.of([0.1, 0.1, 0.1]).interval == (pytest.approx(0.1), pytest.approx(0.1))


def test_95_of_100_intervals_hold_the_mean():
    draw = random.Random(0)
    intervals = [Statistic.of([draw.gauss(3.0, 2.0) for _ in range(4)]).interval for _ in range(4000)]
    assert sum(low <= 3.0 <= high for low, high in intervals) / 4000 == pytest.approx(0.95, abs=0.01)
