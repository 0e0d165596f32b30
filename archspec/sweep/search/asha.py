"""Decides which trials of a search continue: asynchronous successive halving (Li et al. 2020, algorithm 2)."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from archspec.sweep.search.model import Asha


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of a search.

    rungs: the epochs after which trials are compared; the last is the whole training. reduction: one in this many
    trials continues.
    """

    rungs: tuple[int, ...]
    reduction: int

    @classmethod
    def of(cls, asha: Asha, epochs: int) -> Ladder:
        """Rungs at `min_epochs`, then each `reduction` times the one before, up to `epochs`."""
        rungs = []
        rung = asha.min_epochs
        while rung < epochs:
            rungs.append(rung)
            rung *= asha.reduction
        return cls((*rungs, epochs), asha.reduction)

    def promoted(
        self, scores: Mapping[str, Sequence[float]], running: Collection[str] = (), *, closing: bool = False
    ) -> str | None:
        """The trial to train to its next rung; None if none has qualified yet.

        scores: trial → its score at each rung that it has reached, in the order of their starts; higher is better.
        running: trials that train towards their next rung. closing: no new trial will come, so the best of a rung
        continues even if few have reached it.
        """
        below_top = range(len(self.rungs) - 1)
        for rung in below_top if closing else reversed(below_top):
            here = [trial for trial, reached in scores.items() if len(reached) > rung]
            ranked = sorted(here, key=lambda trial: -scores[trial][rung])  # stable: the first among equals
            quota = max(len(here) // self.reduction, int(closing))
            for trial in ranked[:quota]:
                waits = len(scores[trial]) == rung + 1 and trial not in running
                if waits and scores[trial][rung] > -math.inf:
                    return trial
        return None

    def expected_epochs(self, trials: int) -> int:
        """The total epochs of this many trials if each rung keeps exactly its share."""
        total, below, left = 0, 0, trials
        for rung in self.rungs:
            total += left * (rung - below)
            below, left = rung, max(1, left // self.reduction)
        return total
