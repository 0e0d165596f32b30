"""Which trial of a search trains on: asynchronous successive halving (Li et al. 2020, algorithm 2)."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from archspec.sweep.search.model import Asha


@dataclass(frozen=True, slots=True)
class Ladder:
    """rungs: epochs after which trials are compared, the last being all. reduction: of so many trials one goes on."""

    rungs: tuple[int, ...]
    reduction: int

    @classmethod
    def of(cls, asha: Asha, epochs: int) -> Ladder:
        """Rungs at `min_epochs`, and each `reduction` times the one before, up to `epochs`."""
        rungs = []
        rung = asha.min_epochs
        while rung < epochs:
            rungs.append(rung)
            rung *= asha.reduction
        return cls((*rungs, epochs), asha.reduction)

    def promoted(
        self, scores: Mapping[str, Sequence[float]], running: Collection[str] = (), *, closing: bool = False
    ) -> str | None:
        """The trial to train to its next rung; None where none has earned it yet.

        scores: trial, in the order in which they began → its score at each rung that it has reached, the highest is
        the best. running: trials on their way to their next rung. closing: no further trial will come, so that the
        best of a rung goes on however few are there.
        """
        below_top = range(len(self.rungs) - 1)
        for rung in below_top if closing else reversed(below_top):
            here = [trial for trial, reached in scores.items() if len(reached) > rung]
            ranked = sorted(here, key=lambda trial: -scores[trial][rung])  # stable: of equals the first
            quota = max(len(here) // self.reduction, int(closing))
            for trial in ranked[:quota]:
                waits = len(scores[trial]) == rung + 1 and trial not in running
                if waits and scores[trial][rung] > -math.inf:
                    return trial
        return None

    def expected_epochs(self, trials: int) -> int:
        """Epochs of so many trials together, where each rung keeps exactly its share."""
        total, below, left = 0, 0, trials
        for rung in self.rungs:
            total += left * (rung - below)
            below, left = rung, max(1, left // self.reduction)
        return total
