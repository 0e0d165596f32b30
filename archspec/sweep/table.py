"""A sweep's results as a table: a row for each combination, mean and standard deviation over its seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING, Any, Final

from archspec.sweep.expand import Expansion
from archspec.sweep.store import Result

if TYPE_CHECKING:
    from rich.table import Table

RESULTS_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Row:
    """A combination with the results of its seeds. failed: results without a summary."""

    variant: str
    varied: Mapping[str, Any]
    results: tuple[Result, ...]

    @property
    def summaries(self) -> list[Mapping[str, Any]]:
        """Of the trials that finished."""
        return [result.summary for result in self.results if result.summary is not None]

    def figures(self, *path: str) -> list[float]:
        """One figure of each finished trial: `figures("last", "test_accuracy")`."""
        found = []
        for summary in self.summaries:
            value: Any = summary
            for key in path:
                value = value[key]
            found.append(float(value))
        return found


def rows(found: Expansion, results: Mapping[str, Result]) -> list[Row]:
    """The combinations that have a result, in the order of the sweep."""
    groups: dict[str, list[Result]] = {}
    for trial in found.trials:
        if trial.id in results:
            key = json.dumps([trial.variant, trial.varied], sort_keys=True, default=str)
            groups.setdefault(key, []).append(results[trial.id])
    return [Row(group[0].variant, group[0].varied, tuple(group)) for group in groups.values()]


def results_table(found: Expansion, results: Mapping[str, Result]) -> Table:
    """The table for a terminal: what varies first, then figures of the last epoch, then what went wrong."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    all_rows = rows(found, results)
    keys = varied_keys(all_rows)
    for key in keys:
        table.add_column(key.removeprefix("train."), overflow="fold")
    for title in ("n", "train loss", "test accuracy", "seconds"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("diagnosis", overflow="fold")
    for row in all_rows:
        values = [_cell(row.varied.get(key)) if key != "spec" else row.variant for key in keys]
        table.add_row(
            *values, str(len(row.summaries)), spread(row.figures("last", "train_loss")),
            spread(row.figures("last", "test_accuracy")), spread(row.figures("seconds"), 1), diagnosis(row),
        )
    return table


def varied_keys(all_rows: Sequence[Row]) -> list[str]:
    """The keys that vary, in the order in which they first appear."""
    return list(dict.fromkeys(key for row in all_rows for key in row.varied))


def spread(values: Sequence[float], digits: int = 4) -> str:
    """`0.8912 ± 0.0031`: mean and sample standard deviation; one value alone; `–` for none."""
    if not values:
        return "–"
    mean = math.fsum(values) / len(values)
    text = f"{mean:.{digits}f}" if abs(mean) < 1e5 else f"{mean:.4g}"
    return text if len(values) == 1 else f"{text} ± {stdev(values):.{digits}f}"


def diagnosis(row: Row) -> str:
    """What went wrong in a row's trials, each thing once, with how many it befell where not all."""
    found: dict[str, int] = {}
    for result in row.results:
        if result.summary is None:
            found[f"{result.status}: {result.reason}"] = found.get(f"{result.status}: {result.reason}", 0) + 1
            continue
        for finding in result.summary.get("findings", []):
            if finding.get("until") is None:
                text = f"{finding['code']} {finding['title']}"
                found[text] = found.get(text, 0) + 1
                break
    total = len(row.results)
    return "; ".join(text if count == total else f"{text} ({count} of {total})" for text, count in found.items())


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return "–" if value is None else str(value)


def results_json(found: Expansion, results: Mapping[str, Result], folder: Path) -> dict[str, Any]:
    """The versioned JSON form: every trial with its result."""
    return {
        "format": RESULTS_FORMAT,
        "folder": str(folder),
        "trials": [asdict(results[trial.id]) for trial in found.trials if trial.id in results],
        "missing": [trial.id for trial in found.trials if trial.id not in results],
    }
