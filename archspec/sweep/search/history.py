"""Stores the points of a search in the sweep folder, so that a restarted search does not ask for them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from archspec.atomic_files import write_text
from archspec.files import read_regular
from archspec.sweep.model import Changes, Value
from archspec.sweep.search.model import Search

FORMAT: Final = 1
NAME: Final = "search.json"
MAX_BYTES: Final = 1 << 26


@dataclass(frozen=True, slots=True)
class Observation:
    """A point and its results so far.

    excess: constraint → relative excess, for a rejected point. rungs: epochs → score. worth: a score for each
    objective, once all epochs are trained. running: whether more results will come. A point without results that is
    not running has failed.
    """

    values: Mapping[str, Any]
    excess: Mapping[str, float]
    rungs: Mapping[int, float]
    worth: tuple[float, ...] | None
    running: bool


class Sampler(Protocol):
    """Proposes points."""

    def ask(self, history: Sequence[Observation]) -> dict[str, Any]:
        """The next point, key → value. history: all points so far, in the order of their proposals."""


class Points:
    """The values of all points in order; the file is written before the trial of a new point starts."""

    def __init__(self, folder: Path, search: Search) -> None:
        self._path, self._space = folder / NAME, _space_digest(search)
        self._draws = search.draws
        self.values: list[dict[str, Any]] = self._read()

    def add(self, values: dict[str, Any]) -> None:
        """Append a point and write the file."""
        self.values.append(values)
        data = {"format": FORMAT, "space": self._space, "points": self.values}
        write_text(self._path, json.dumps(data) + "\n")

    def changes(self, values: Mapping[str, Any]) -> Changes:
        """A point as changes of the base, each with its place in the sweep file."""
        return {key: Value(values[key], draw.at) for key, draw in self._draws.items()}

    def _read(self) -> list[dict[str, Any]]:
        """The points of an earlier start with the same sampler and space; empty if the file is of another search."""
        try:
            data = json.loads(read_regular(self._path, MAX_BYTES))
            sound = data["format"] == FORMAT and data["space"] == self._space
            points = data["points"] if sound else []
            return [{key: point[key] for key in self._draws} for point in points]
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return []


def _space_digest(search: Search) -> str:
    draws = {key: [d.kind, d.bounds, d.options, d.whole] for key, d in search.draws.items()}
    parts = [search.sampler, search.seed, search.objective, dict(search.constraints), draws]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
