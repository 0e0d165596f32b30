"""The combinations of a sweep, before they are checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from archspec.diagnostics import error
from archspec.language.syntax import At
from archspec.sweep.draws import draw_points
from archspec.sweep.model import Changes, Run, Sweep, Value, Variant

MAX_TRIALS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Point:
    """A combination of a sweep, before it is checked.

    varied: the values that tables show. seeds: to train with; empty for the recipe's own seed.
    """

    variant: Variant
    changes: Changes
    varied: Mapping[str, Any]
    seeds: tuple[int, ...] = ()

    @property
    def at(self) -> At:
        """The place for mistakes of the point."""
        places = [value.at for value in self.changes.values()]
        return places[-1] if places else self.variant.spec.at


def points(sweep: Sweep) -> Iterator[Point]:
    """Every combination: for each variant the product of all axes and random draws, then `runs`."""
    axes: list[Sequence[Changes]] = [*sweep.axes]
    if sweep.random is not None:
        axes.append(draw_points(sweep.random))
    count = len(sweep.variants) * (len(sweep.runs) + _size(axes))
    if count > MAX_TRIALS:
        raise error(
            "SWEEP402", f"the sweep has {count:,} combinations (limit {MAX_TRIALS:,})",
            span=sweep.variants[0].spec.at.span(), hint="draw some of them: `random: {trials: 100, …}`",
        )
    several = len(sweep.variants) > 1
    for variant in sweep.variants:
        rows: Iterable[Run] = (Run(_joined(row)) for row in product(*axes))
        if not axes and sweep.runs:
            rows = ()
        for run in (*rows, *sweep.runs):
            varied = {"spec": variant.label} if several else {}
            varied |= {key: value.value for key, value in run.changes.items()}
            yield Point(variant, {**sweep.base, **variant.changes, **run.changes}, varied, run.seeds or sweep.seeds)


def _size(axes: Sequence[Sequence[Changes]]) -> int:
    total = 1
    for axis in axes:
        total *= len(axis)
    return total


def _joined(row: Iterable[Changes]) -> dict[str, Value]:
    return {key: value for changes in row for key, value in changes.items()}
