"""The largest batch of any peak that is a maximum of lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.capacity.largest import MOST, largest_batch

LINES = st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10**6)), min_size=1, max_size=5)


@given(LINES, st.integers(0, 10**10), st.integers(1, 2), st.sampled_from([1, 512]))
def test_it_fits_and_one_more_does_not(lines, memory, least, granularity):
    calls = []

    def peak(n):
        calls.append(n)
        return max(a + -(-b * n // granularity) * granularity for a, b in lines)

    found = largest_batch(peak, memory, least)
    count = len(calls)
    if not found:
        assert peak(least) > memory
    else:
        assert found >= least
        assert peak(found) <= memory
        assert found == MOST or peak(found + 1) > memory
    assert count <= 3 * MOST.bit_length()  # of doublings, and of halvings in turns with interpolation, on any steps


def test_a_line_takes_few_calls():
    calls = []
    assert largest_batch(lambda n: calls.append(n) or 10**9 + 123_457 * n, 8 * 2**30) == (8 * 2**30 - 10**9) // 123_457
    assert len(calls) <= 6


@pytest.mark.parametrize("peak", [lambda n: 5, lambda n: min(n, 7)])
def test_a_peak_that_does_not_grow(peak):
    assert largest_batch(peak, 10) == MOST
