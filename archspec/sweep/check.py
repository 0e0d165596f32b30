"""Checks a sweep file, for `archspec validate` and pytest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from archspec.api import Examined
from archspec.diagnostics import Diagnostic, SpecError, plural
from archspec.language.errors import in_order
from archspec.source import parse
from archspec.sweep.expand import Invalid, expand, expand_points
from archspec.sweep.model import Sweep
from archspec.sweep.points import Point, points
from archspec.sweep.read import read_sweep, sweep_of

_CHECKED: Final = 20  # points of a sweep with a `sample`


def examine_sweep(path: str) -> Examined:
    """Every mistake of a sweep file: in its own text, or in the specs that its changes produce."""
    try:
        sweep = read_sweep(path)
        found = expand(sweep, path) if sweep.sample is None else expand_points(sweep, path, _spread(sweep))
    except SpecError as problem:
        return Examined(None, tuple(problem.diagnostics))
    return Examined(None, mistakes(found.invalid))


def examine_sweep_text(text: str, path: str, *, at_most: int) -> Examined:
    """`examine_sweep` for a text instead of the file at `path`. at_most: the most combinations to check."""
    try:
        sweep = sweep_of(parse(text, path), Path(path).stem)
        if sweep.search is not None:
            return Examined(None, mistakes(expand(sweep, path).invalid))
        chosen = islice(points(sweep), at_most) if sweep.sample is None else _spread(sweep)
        found = expand_points(sweep, path, chosen)
    except SpecError as problem:
        return Examined(None, tuple(problem.diagnostics))
    return Examined(None, mistakes(found.invalid))


def _spread(sweep: Sweep) -> list[Point]:
    """Some points, far from each other, because choosing the points of the sample would take long."""
    every = list(points(sweep))
    return every[:: max(1, len(every) // _CHECKED)]


def mistakes(found: Iterable[Invalid]) -> tuple[Diagnostic, ...]:
    """Each mistake once, with the number of combinations that have it."""
    groups: dict[object, tuple[Diagnostic, int]] = {}
    for invalid in found:
        for diagnostic in invalid.diagnostics:
            key = (diagnostic.code, diagnostic.message, diagnostic.span)
            first, count = groups.get(key, (diagnostic, 0))
            groups[key] = first, count + 1
    return in_order(_with_count(first, count) for first, count in groups.values())


def _with_count(diagnostic: Diagnostic, count: int) -> Diagnostic:
    more = [f"the same in {plural(count - 1, 'other combination')}"] if count > 1 else []
    return replace(diagnostic, notes=(*diagnostic.notes, *more))
