"""How long trials may take."""

from __future__ import annotations

import time
from typing import Final

SHARE: Final = 0.05  # of what the whole run would take
LEAST_S: Final = 10.0  # so much is worth it for any run that has failed
MOST_S: Final = 30.0


class Clock:
    """Measures a run."""

    def __init__(self) -> None:
        self._began, self._first = time.monotonic(), 0

    def start(self, step: int) -> None:
        """The run goes on from this step."""
        self._began, self._first = time.monotonic(), step

    def allowance(self, step: int, total: int) -> float:
        """Seconds for trials: a twentieth of what the run of `total` steps takes, at least 10 and at most 30."""
        passed = time.monotonic() - self._began
        whole = passed * total / max(1, step - self._first)
        return min(MOST_S, max(LEAST_S, SHARE * whole))
