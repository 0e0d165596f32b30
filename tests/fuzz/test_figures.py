"""Random networks: counts, saved tensors, the peak, forward and backward MACs are torch's; laws that any network obeys.

`python -m tests.fuzz.test_figures FIRST LAST` checks the seeds of a range and prints those that differ.
"""

from __future__ import annotations

import sys
import time

import pytest

from tests.fuzz.check import differences
from tests.fuzz.draw import valid_network

FIXED = range(40)
FRESH = [time.time_ns() // 1000 + k for k in range(40)]  # other networks in every run; a failure names its seed


@pytest.mark.parametrize("seeds", [FIXED, FRESH], ids=["fixed", "fresh"])
def test_figures_are_those_of_torch(seeds: range | list[int]) -> None:
    found = {}
    for seed in seeds:
        data, graph = valid_network(seed)
        if different := differences(graph):
            found[seed] = (different, data)
    assert not found


def main(first: int, last: int) -> None:
    """Check a range of seeds."""
    bad = 0
    for seed in range(first, last):
        different = differences(valid_network(seed)[1])
        if different:
            bad += 1
            print(seed, different, flush=True)
    print(f"{last - first} networks, {bad} differ")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
