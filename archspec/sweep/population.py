"""The networks of a sweep as a population: the figures of each network, without training and without torch."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any, Final

from archspec.diagnostics import SpecError
from archspec.language.recipe import kept_states
from archspec.sweep.draws import points_of
from archspec.sweep.expand import Checker, Invalid, Trial
from archspec.sweep.model import FIGURES, Changes, Sample, Sweep
from archspec.sweep.names import Names
from archspec.sweep.overlay import resolved_data
from archspec.sweep.points import Point, points
from archspec.template import Template

QUANTILES: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
POPULATION_FORMAT: Final = 1
_TEMPLATES: Final = 64  # to keep; each value of a stage that varies needs its own


@dataclass(frozen=True, slots=True)
class Member:
    """A network of the population.

    macs: of one image. memory_bound_bytes: an approximate upper bound for a training step of its recipe; the real peak
    is lower, because training keeps only some of the activations.
    """

    point: Point
    params: int
    macs: int
    memory_bound_bytes: int


@dataclass(frozen=True, slots=True)
class Population:
    """All members, in the order of the sweep.

    left_out: the number of points that `where` excludes. invalid: points without a valid network or recipe.
    """

    members: tuple[Member, ...]
    left_out: int
    invalid: tuple[Invalid, ...]

    @property
    def varied(self) -> tuple[str, ...]:
        """The settings that differ between members."""
        keys = dict.fromkeys(key for member in self.members for key in member.point.varied)
        values = {key: {repr(member.point.varied.get(key)) for member in self.members} for key in keys}
        return tuple(key for key in keys if len(values[key]) > 1)

    def at(self, figure: str, quantile: float) -> Member:
        """The member at a quantile of a figure: the smallest one that a share of `quantile` does not exceed."""
        ranked = self.ranked(figure)
        return ranked[max(0, math.ceil(quantile * len(ranked)) - 1)]

    def ranked(self, figure: str) -> list[Member]:
        """The members sorted by a figure, the smallest first; equal ones in the order of the sweep."""
        return sorted(self.members, key=lambda member: getattr(member, figure))

    def to_json(self) -> dict[str, Any]:
        """The versioned JSON form."""
        quantiles = {
            figure: [{"quantile": q, "value": getattr(m, figure), "member": _varied(m)}
                     for q, m in ((q, self.at(figure, q)) for q in QUANTILES)]
            for figure in FIGURES if self.members
        }
        members = [{"varied": _varied(m)} | {figure: getattr(m, figure) for figure in FIGURES} for m in self.members]
        return {
            "format": POPULATION_FORMAT, "count": len(self.members), "left_out": self.left_out,
            "invalid": len(self.invalid), "quantiles": quantiles, "members": members,
        }

    def rows(self) -> Iterator[list[Any]]:
        """The rows of a table of all members, with a header."""
        yield [*self.varied, *FIGURES]
        for member in self.members:
            yield [*(member.point.varied.get(k, "") for k in self.varied), *(getattr(member, f) for f in FIGURES)]


def _varied(member: Member) -> dict[str, Any]:
    return dict(member.point.varied)


def population(sweep: Sweep, file: str) -> Population:
    """Analyse the network of every combination, or of as many points as a search trains. Raises as `expand` does."""
    analyst = _Analyst(sweep, file)
    members: list[Member] = []
    invalid: list[Invalid] = []
    left_out = 0
    for point in points(sweep) if sweep.search is None else _drawn(sweep):
        found = analyst.member(point)
        if isinstance(found, Member):
            members.append(found)
        elif found is None:
            left_out += 1
        else:
            invalid.append(found)
    return Population(tuple(members), left_out, tuple(invalid))


def _drawn(sweep: Sweep) -> Iterator[Point]:
    search = sweep.search
    assert search is not None
    for changes in islice(points_of(search.draws, search.seed), search.trials):
        varied = {key: value.value for key, value in changes.items()}
        yield Point(sweep.variants[0], {**sweep.base, **changes}, varied)


def stratified(found: Population, plan: Sample) -> list[Point]:
    """`plan.trials` points, one from each of as many equal shares of the population, ranked by the figure of `plan`."""
    ranked, count = found.ranked(plan.by), min(plan.trials, len(found.members))
    source = random.Random(plan.seed)  # noqa: S311
    bounds = [k * len(ranked) // count for k in range(count + 1)] if count else [0]
    chosen = {id(ranked[source.randrange(low, high)]) for low, high in pairwise(bounds)}
    return [member.point for member in found.members if id(member) in chosen]


class _Analyst:
    """Computes the figures of points. Reads a spec once for all values of its vars, a recipe once for all networks."""

    def __init__(self, sweep: Sweep, file: str) -> None:
        self._checker = Checker(sweep, file)
        self._templates: dict[str, Template] = {}
        self._recipes: dict[str, Trial | Invalid] = {}
        self._dependent: dict[int, bool] = {}

    def member(self, point: Point) -> Member | Invalid | None:
        """The figures of a point, or why it has none; None if a `where` excludes it."""
        base = self._checker.base(point)
        variables = {key.removeprefix("vars."): v.value for key, v in _section(point.changes, "vars.")}
        try:
            totals = self._template(point).totals(variables)
        except SpecError:
            return self._wrong(point)
        like = self._like(point)
        if isinstance(like, Invalid):
            return self._wrong(point)
        names = {"vars": {**base.data.get("vars", {}), **variables}}
        if not self._checker.allows(Names(names, like.recipe, totals.params, totals.macs)):
            return None
        memory = totals.step_bytes(like.recipe.batch_size, states=kept_states(like.recipe))
        return Member(point, totals.params, totals.macs, memory)

    def _wrong(self, point: Point) -> Invalid:
        found = self._checker.resolve(point)
        assert isinstance(found, Invalid), "a point that can be trained has a network"
        return found

    def _template(self, point: Point) -> Template:
        """The template of the point's spec with all its changes except those of vars."""
        others = {key: v for key, v in point.changes.items() if not key.startswith(("vars.", "train.", "recipe"))}
        key = _key(point, others)
        if key not in self._templates:
            if len(self._templates) >= _TEMPLATES:
                del self._templates[next(iter(self._templates))]
            data = resolved_data(self._checker.base(point), others)
            self._templates[key] = Template({k: v for k, v in data.items() if k not in ("train", "recipes")})
        return self._templates[key]

    def _like(self, point: Point) -> Trial | Invalid:
        """A trial with the recipe of the point: the trial of the first point that has this recipe."""
        base = self._checker.base(point)
        if id(base) not in self._dependent:  # whether the recipe depends on the vars
            self._dependent[id(base)] = "$" in repr([base.data.get("train"), base.data.get("recipes")])
        own = point.changes if self._dependent[id(base)] else dict(_section(point.changes, "train.", "recipe"))
        key = _key(point, own)
        if key not in self._recipes:
            self._recipes[key] = self._checker.resolve(point)
        return self._recipes[key]


def _section(changes: Changes, *prefixes: str) -> Iterable[tuple[str, Any]]:
    return ((key, value) for key, value in changes.items() if key.startswith(prefixes))


def _key(point: Point, changes: Mapping[str, Any]) -> str:
    return repr([point.variant.spec.value, *sorted((key, repr(value.value)) for key, value in changes.items())])
