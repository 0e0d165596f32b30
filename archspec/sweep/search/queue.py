"""The queue of a search: decides which trial trains next, and for how many epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from archspec.results.trials import Result
from archspec.sweep.expand import Invalid, Trial
from archspec.sweep.runner import Job
from archspec.sweep.search.candidates import DRAWS, Candidates, Repeats, Unfit
from archspec.sweep.search.history import Observation, Points, Sampler
from archspec.sweep.search.scores import front, score, worth

_DONE: Final = ("done", "paused")


class SearchQueue:
    """The trials of a search, in an order that depends on their results.

    Its whole state is the proposed points and their results, which are on disk; so it continues after any interruption.
    """

    def __init__(
        self, candidates: Candidates, sampler: Sampler, folder: Path, results: Callable[[Trial], Result | None]
    ) -> None:
        self.search, self.costs = candidates.search, candidates.costs
        self.trials: dict[str, Trial] = {}
        self.results: dict[str, Result] = {}
        self.unfit = 0
        self.invalid: list[Invalid] = []
        self._candidates, self._sampler, self._points = candidates, sampler, Points(folder, self.search)
        self._found_result = results
        self._running: set[str] = set()
        self._repeats = Repeats()
        self._proposed: list[tuple[Mapping[str, Any], Trial | Invalid | Unfit]] = []
        for values in self._points.values:
            self._take(values)

    def next(self) -> Job | None:
        """The next job: an unfinished trial, one that qualified for more epochs, a new one, or the winner."""
        begun = next((t for t in self.trials.values() if t.id not in self.results and t.id not in self._running), None)
        trial = begun or self._promoted() or self._new()
        if trial is None and not self._running:
            trial = self._promoted(closing=True)
        if trial is not None:
            self._running.add(trial.id)
            return Job(trial, self._rungs(trial)[len(self._reached(trial))])
        if not self._running:
            for winner in self.winners():
                if self.results[winner].status == "paused":
                    self._running.add(winner)
                    return Job(self.trials[winner], None)
        return None

    def ended(self, job: Job, result: Result) -> None:
        """Record the result of a job."""
        self._running.discard(job.trial.id)
        if result.status != "stopped":
            self.results[job.trial.id] = result

    def winners(self) -> list[str]:
        """The best trial that trained all its epochs, or with several objectives the Pareto front of these."""
        points = {}
        for name, result in self.results.items():
            trial = self.trials[name]
            if result.status in _DONE and len(self._reached(trial)) == len(self._rungs(trial)):
                found = worth(trial, result, self.search.objective, self.costs)
                if found is not None:
                    points[name] = found
        return front({name: points[name] for name in self.trials if name in points})

    def finished(self) -> bool:
        """Whether nothing is left to train."""
        if self._may_ask() or self._running:
            return False
        return all(self.results[winner].status == "done" for winner in self.winners())

    def _rungs(self, trial: Trial) -> tuple[int, ...]:
        return self._candidates.ladder(trial).rungs

    def _reached(self, trial: Trial) -> list[float]:
        """The score of a trial at each rung that it has reached."""
        result = self.results.get(trial.id)
        if result is None:
            return []
        rungs = self._rungs(trial)
        if result.status not in _DONE:
            return [score(result, self.search.objective[0])]  # the worst score, so the trial ends at the first rung
        return [
            score(result, self.search.objective[0], rung) for rung in rungs
            if result.rung is None or rung <= result.rung
        ]

    def _promoted(self, *, closing: bool = False) -> Trial | None:
        if self.search.asha is None or not self.trials:
            return None
        scores = {name: self._reached(trial) for name, trial in self.trials.items()}
        ladder = self._candidates.ladder(next(iter(self.trials.values())))
        found = ladder.promoted(scores, self._running, closing=closing)
        return None if found is None else self.trials[found]

    def _new(self) -> Trial | None:
        """Ask the sampler for points until one may start."""
        while self._may_ask():
            values = self._sampler.ask([self._observed(*proposed) for proposed in self._proposed])
            self._points.add(values)
            before = len(self.trials)
            trial = self._take(values)
            if trial is not None and len(self.trials) > before and trial.id not in self.results:
                return trial
        return None

    def _may_ask(self) -> bool:
        most = DRAWS * self.search.trials
        return len(self.trials) < self.search.trials and len(self._proposed) < most and not self._repeats.exhausted

    def _take(self, values: Mapping[str, Any]) -> Trial | None:
        new = self._repeats.add(values)
        if new:
            found = self._candidates.judge(self._points.changes(values))
        else:
            found = next(judged for known, judged in self._proposed if known == values)
        self._proposed.append((values, found))
        if not new:
            return None
        if isinstance(found, Invalid):
            self.invalid.append(found)
        elif isinstance(found, Unfit):
            self.unfit += 1
        elif found.id not in self.trials and len(self.trials) < self.search.trials:
            self.trials[found.id] = found
            result = self._found_result(found)
            if result is not None:
                self.results[found.id] = result
        return found if isinstance(found, Trial) else None

    def _observed(self, values: Mapping[str, Any], found: Trial | Invalid | Unfit) -> Observation:
        if isinstance(found, Unfit):
            return Observation(values, found.excess or {"where": 1.0}, {}, None, running=False)
        if isinstance(found, Invalid):
            return Observation(values, {"invalid": 1.0}, {}, None, running=False)
        scores, rungs = self._reached(found), self._rungs(found)
        result = self.results.get(found.id)
        if result is None:
            return Observation(values, {}, {}, None, running=True)
        if result.status not in _DONE:
            return Observation(values, {}, {}, None, running=False)
        complete = worth(found, result, self.search.objective, self.costs) if len(scores) == len(rungs) else None
        finite = {rung: value for rung, value in zip(rungs, scores, strict=False) if value > float("-inf")}
        return Observation(values, {}, finite, complete, running=False)
