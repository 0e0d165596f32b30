"""Limits the time for trials."""

from __future__ import annotations

import time
from typing import Final

SHARE: Final = 0.05  # of the time of the whole run
LEAST_S: Final = 10.0  # always allowed
MOST_S: Final = 30.0


class Clock:
    """Measures the time of a run."""

    def __init__(self) -> None:
        self._began, self._first = time.monotonic(), 0

    def start(self, step: int) -> None:
        """Start the clock at this step."""
        self._began, self._first = time.monotonic(), step

    def allowance(self, step: int, total: int) -> float:
        """Seconds for trials: 5 % of the estimated time of a run of `total` steps, at least 10 and at most 30."""
        passed = time.monotonic() - self._began
        whole = passed * total / max(1, step - self._first)
        return min(MOST_S, max(LEAST_S, SHARE * whole))
