"""Propose the points of a search: at random, or from a model of the results so far."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from archspec.diagnostics import error
from archspec.sweep.draws import as_written, points_of
from archspec.sweep.model import Draw
from archspec.sweep.search.history import Observation, Sampler
from archspec.sweep.search.model import Search

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


def sampler_of(search: Search) -> Sampler:
    """The sampler of a search. Raises SpecError SWEEP409 if its package is not installed."""
    return Tpe(search) if search.sampler == "tpe" else Chance(search)


class Chance:
    """Independent random draws, as a function of the seed."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def ask(self, history: Sequence[Observation]) -> dict[str, Any]:
        """The next draw; its number is the length of the history."""
        draws = points_of(self._search.draws, self._search.seed)
        return {key: value.value for key, value in next(islice(draws, len(history), None)).items()}


class Tpe:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011).

    Each call builds a new study from the history, so that the sweep folder is the only state: a trial that continues
    counts with its latest figure, and a killed search cannot leave a state that contradicts the results.
    """

    def __init__(self, search: Search) -> None:
        try:
            import optuna
        except ImportError:
            raise error(
                "SWEEP409", "`sampler: tpe` needs Optuna, which is not installed", span=search.at.span(),
                hint="run `pip install 'archspec-nn[search]'`, or write `sampler: random`",
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._search = search
        self._space = {key: _distribution(draw) for key, draw in search.draws.items()}

    def ask(self, history: Sequence[Observation]) -> dict[str, Any]:
        """The point with the largest expected improvement."""
        import optuna

        seed = (self._search.seed * 1_000_003 + len(history)) % 2**32
        sampler = optuna.samplers.TPESampler(seed=seed)
        study = optuna.create_study(sampler=sampler, directions=["maximize"] * len(self._search.objective))
        study.add_trials([self._trial(seen) for seen in history])
        chosen = study.ask(self._space).params
        return {key: _value(draw, chosen[key]) for key, draw in self._search.draws.items()}

    def _trial(self, seen: Observation) -> FrozenTrial:
        from optuna.trial import TrialState, create_trial

        params = {key: _param(draw, seen.values[key]) for key, draw in self._search.draws.items()}
        if seen.worth is not None:
            return create_trial(params=params, distributions=self._space, values=seen.worth)
        if seen.running:
            return create_trial(params=params, distributions=self._space, state=TrialState.RUNNING)
        rungs = dict(seen.rungs) if len(self._search.objective) == 1 else {}
        return create_trial(  # without a value: a failed trial ranks below all others
            params=params, distributions=self._space, state=TrialState.PRUNED, intermediate_values=rungs,
            constraints=dict(seen.excess) or None,
        )


def _distribution(draw: Draw) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if draw.bounds is None:
        return CategoricalDistribution(range(len(draw.options)))  # values may be whole stages
    low, high = draw.bounds
    log = draw.kind == "log_uniform"
    if draw.whole:
        first, last = as_written(draw, low), as_written(draw, high)
        return IntDistribution(first, last, log=log)
    return FloatDistribution(low, high, log=log)


def _value(draw: Draw, param: Any) -> Any:
    return draw.options[param] if draw.bounds is None else as_written(draw, param)


def _param(draw: Draw, value: Any) -> Any:
    if draw.bounds is None:
        return next(k for k, option in enumerate(draw.options) if option == value and type(option) is type(value))
    return value if draw.whole else min(max(value, draw.bounds[0]), draw.bounds[1])
