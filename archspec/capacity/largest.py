"""The largest batch within a limit of memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MOST: Final = 1 << 24  # images; a search ends there


def largest_batch(peak: Callable[[int], int], memory: int, least: int = 1) -> int:
    """The largest N ≥ `least` with peak(N) ≤ memory, at most MOST; 0 if `least` does not fit.

    peak: grows with N. It is the maximum over time of sums that are linear in N, so it has few corners, and
    interpolation takes few calls.
    """
    low, below = least, peak(least)
    if below > memory:
        return 0
    high, above = 2 * low, peak(2 * low)
    while above <= memory:
        if high >= MOST:
            return MOST
        slope = (above - below) / (high - low)
        further = round((memory - above) / slope) + 1 if slope > 0 else high
        low, below, high = high, above, min(high + further, MOST)
        above = peak(high)
    halving = False
    while high - low > 1:
        share = 0.5 if halving else (memory - below) / (above - below)
        middle = min(max(low + int(share * (high - low)), low + 1), high - 1)
        value = peak(middle)
        if value <= memory:
            low, below = middle, value
        else:
            high, above = middle, value
        halving = not halving
    return low
