"""Searches for the fastest settings: first those with the largest effect, then one more change of the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from archspec.train.step.precision import Settings
from archspec.train.tune.candidates import Candidate, Space, possible
from archspec.train.tune.measure import Measured, Problem, measure

WORTH: Final = 1.03  # the speedup that a later candidate needs over the simpler ones before it
LONG_S: Final = {"cpu": 1200.0, "cuda": 300.0}  # in a longer run, compiling for minutes may pay off
SKIPPED: Final = "not tried: compiling only pays off in longer runs"

Measure = Callable[[Problem, Candidate, float | None], Measured]


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result of a search. reference: fp32, NCHW, not compiled. rows: all measurements, in order.

    If the reference itself is rejected, there are no other rows and no speedup.
    """

    best: Measured
    reference: Measured
    rows: tuple[Measured, ...]

    @property
    def speedup(self) -> float:
        """The time of the reference divided by the time of the best candidate."""
        assert self.best.step_s is not None and self.reference.step_s is not None
        return self.reference.step_s / self.best.step_s


def tune(
    problem: Problem, space: Space, steps: int, *, tell: Callable[[Measured, Measured], None] = lambda row, ref: None,
    measure: Measure = measure,
) -> Tuning:
    """Find the fastest candidate of `space` whose losses agree with those of fp32.

    steps: of the whole run; they decide whether compiling can pay off. tell: receives each row as it is measured, and
    the reference. measure: measures one candidate.
    """
    reference = measure(problem, Candidate(Settings(), space.threads[0]), None)
    if reference.step_s is None:  # nothing to compare with
        return Tuning(reference, reference, (reference,))
    search = _Search(problem, space, reference, tell, measure)
    for candidate in space.first():
        search.look(candidate)
    if search.best is not None:
        for candidate in space.around(search.best.candidate):
            search.look(candidate)
        _look_compiled(search, steps)
    best = search.best or reference
    return Tuning(best, reference, tuple(search.rows))


def _look_compiled(search: _Search, steps: int) -> None:
    best = search.best
    assert best is not None and best.step_s is not None
    wanted = False not in search.space.compile
    if wanted:
        search.best = None  # only compiled candidates are allowed
    for candidate in search.space.compiled(best.candidate):
        if wanted or best.step_s * steps >= LONG_S[search.problem.device.type]:
            search.look(candidate)
        else:
            search.note(Measured(candidate, None, refused=SKIPPED))


class _Search:
    """The rows so far, and the best one."""

    def __init__(
        self, problem: Problem, space: Space, reference: Measured, tell: Callable[[Measured, Measured], None],
        measure: Measure,
    ) -> None:
        self.problem, self.space, self.reference = problem, space, reference
        self.best: Measured | None = None
        self.rows: list[Measured] = []
        self._tell, self._measure = tell, measure

    def look(self, candidate: Candidate) -> None:
        """Measure a candidate, unless it is impossible or was measured before."""
        chosen = candidate.settings
        if not possible(candidate, self.problem.device) or any(row.candidate == candidate for row in self.rows):
            return
        if chosen.own_kernels and not self.problem.own_layers(channels_last=chosen.channels_last):
            return
        known = candidate == self.reference.candidate
        best_s = None if self.best is None else self.best.step_s
        row = self.reference if known else self._measure(self.problem, candidate, best_s)
        self.note(self._judged(row))

    def note(self, row: Measured) -> None:
        """Add a row, and update the best."""
        self.rows.append(row)
        if row.refused is None and row.step_s is not None and (
            self.best is None or self.best.step_s is None or WORTH * row.step_s < self.best.step_s
        ):
            self.best = row
        self._tell(row, self.reference)

    def _judged(self, row: Measured) -> Measured:
        """Reject a row whose results differ from the reference."""
        if row.refused is not None or not row.losses or not self.reference.losses:
            return row
        return replace(row, refused=row.disagreement(self.reference))
