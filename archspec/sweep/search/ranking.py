"""The results of a search: its trials, the best first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from archspec.diagnostics import plural
from archspec.results.formats import value_text
from archspec.sweep.search.model import FIGURES
from archspec.sweep.search.queue import SearchQueue
from archspec.sweep.search.scores import figure, score

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Row:
    """A trial. epochs: trained, out of `of`. figures: the values of the objectives. test: only for a winner."""

    id: str
    varied: Mapping[str, Any]
    epochs: int
    of: int
    figures: Mapping[str, float | None]
    winner: bool
    status: str
    reason: str
    test: Mapping[str, Any] | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "id": self.id, "varied": dict(self.varied), "epochs": self.epochs, "of": self.of,
            "figures": dict(self.figures), "winner": self.winner, "status": self.status, "reason": self.reason,
            "test": self.test, "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True)
class Ranking:
    """The trials of a search. unfit: the number of rejected points. invalid: points whose network cannot be built."""

    objective: tuple[str, ...]
    rows: tuple[Row, ...]
    unfit: int
    invalid: int

    def to_json(self) -> dict[str, Any]:
        """The versioned JSON form."""
        return {
            "format": FORMAT, "objective": list(self.objective), "epochs": sum(row.epochs for row in self.rows),
            "winners": [row.id for row in self.rows if row.winner], "unfit": self.unfit, "invalid": self.invalid,
            "trials": [row.to_json() for row in self.rows],
        }

    @property
    def winner_name(self) -> str:
        """The name of a winner in tables: with several objectives it is on the Pareto front."""
        return "best" if len(self.objective) == 1 else "front"

    def text(self) -> str:
        """The results as a few lines of text."""
        trained, whole = (sum(getattr(row, name) for row in self.rows) for name in ("epochs", "of"))
        lines = [f"{plural(len(self.rows), 'trial')}, {trained:,} of {whole:,} epochs trained"]
        if self.unfit:
            lines[0] += f"; constraints ruled out {plural(self.unfit, 'point')}"
        for row in self.rows:
            if row.winner:
                values = ", ".join(f"{key}: {value_text(value)}" for key, value in row.varied.items())
                test = "" if row.test is None else f"; test accuracy {row.test['accuracy']:.4f}"
                lines.append(f"{self.winner_name}: {values}: {self._figures(row)}{test}")
        return "\n".join(lines)

    def _figures(self, row: Row) -> str:
        return ", ".join(
            f"{name.replace('_', ' ')} {value:.4f}" if name in FIGURES else f"{_count(value)} {name}"
            for name, value in row.figures.items() if value is not None
        )


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ranking(queue: SearchQueue) -> Ranking:
    """The trials that have a result: the winners first, the others by epochs and by the first objective."""
    objective, winners = queue.search.objective, queue.winners()
    rows = []
    for name, trial in queue.trials.items():
        result = queue.results.get(name)
        if result is None:
            continue
        summary = result.summary or {}
        figures = {key: figure(result, key) if key in FIGURES else queue.costs.of(trial, key) for key in objective}
        rows.append(Row(
            name, trial.varied, len(summary.get("epochs", ())), trial.recipe.epochs, figures, name in winners,
            result.status, result.reason, summary.get("test"), result.seconds,
        ))
    rank = {row.id: score(queue.results[row.id], objective[0]) for row in rows}
    rows.sort(key=lambda row: (not row.winner, -row.epochs, -rank[row.id]))
    return Ranking(objective, tuple(rows), queue.unfit, len(queue.invalid))
