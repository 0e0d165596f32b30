"""The sources' runs: ours beside the figures that they printed.

    archspec sweep benchmarks/sweeps/lenet.yaml
    python benchmarks/reproduction.py benchmarks/sweeps/lenet.yaml

prints the Markdown table of a sweep's own folder. Without a sweep

    python benchmarks/reproduction.py --write

writes docs/reproduction.md from benchmarks/results/, where `benchmarks/archive.py` has put the runs; it trains nothing.

A printed figure is a mean over all epochs or that of the last epoch; ours is taken in the same way. The test set's
accuracy is always that of the last epoch. Rows without a result yet have dashes.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from archspec.language.recipe import Recipe
from archspec.results.compare import MEASURES
from archspec.results.record import RunRecord
from archspec.results.stats import holm
from archspec.results.trials import Store
from archspec.sweep.expand import Trial, expand
from archspec.sweep.model import Run, Sweep
from archspec.sweep.read import read_sweep
from archspec.sweep.records import records_of
from archspec.train.statistics import Statistic, t_cdf

ROOT: Final = Path(__file__).parents[1]
PRINTED: Final = ROOT / "tests" / "golden" / "experiments.csv"
# the table's column → our measure, by what the source's figures are
MEASURED: Final = {
    "mean over all epochs": {
        "loss": "mean_train_loss", "train_acc": "mean_train_accuracy", "test_acc": "test_accuracy",
    },
    "last epoch": {"loss": "last_train_loss", "train_acc": "last_train_accuracy", "test_acc": "test_accuracy"},
}
TITLES: Final = {"loss": "train loss", "train_acc": "train acc", "test_acc": "test acc"}
ROUNDING: Final = 0.0005  # the printed figures have three digits
ALPHA: Final = 0.05
CHANCE: Final = math.log(10)  # the loss of one answer for every image of ten classes
LEARNT, LOST = 0.75 * CHANCE, 0.95 * CHANCE  # mean training losses of an epoch: below it learns, above it is lost
Find = Callable[[Sequence[Trial]], list[RunRecord]]


@dataclass(frozen=True)
class Row:
    """A run of the sources with ours."""

    printed: Mapping[str, str]
    recipe: Recipe
    records: Sequence[RunRecord]

    @property
    def shown(self) -> list[RunRecord]:
        """The runs whose figures are shown: those that learn, where some do and others stay at chance."""
        alive = [record for record in self.records if not is_dead(record)]
        return alive or list(self.records)

    @property
    def counts(self) -> str:
        """`3`, or `10, 4 of them at chance` where the others learn; or `3, 1 of them unfinished`, in no figure."""
        dead, begun = len(self.records) - len(self.shown), sum(record.status == "unfinished" for record in self.records)
        parts = [f"{n} of them {what}" for n, what in ((dead, "at chance"), (begun, "unfinished")) if n]
        return ", ".join([str(len(self.records)), *parts])

    def values(self, column: str) -> list[float]:
        """Our figures for a column of the printed table."""
        measure = MEASURES[MEASURED[self.printed["loss_kind"]][column]]
        return [value for value in map(measure.of, self.shown) if value is not None]


def is_dead(record: RunRecord) -> bool:
    """Whether a run ends at chance, or diverged."""
    return record.status != "unfinished" and (record.last is None or not record.last.train_loss < LOST)


def printed_rows(path: Path = PRINTED) -> dict[str, dict[str, str]]:
    """The sources' runs by their id."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["id"]: row for row in csv.DictReader(stream)}


def in_store(store: Store) -> Find:
    """The runs of trials in a sweep's folder."""
    def found(trials: Sequence[Trial]) -> list[RunRecord]:
        return records_of(trials, store.results(trial.id for trial in trials), store)

    return found


def rows_of(file: str, find: Find, printed: Mapping[str, Mapping[str, str]]) -> Iterator[Row]:
    """Each recipe of the sweep's `runs`, with the finished or failed runs of its seeds.

    Two ids that are one training, such as those that differ only in loader workers, share its runs.
    """
    sweep = read_sweep(file)
    for run in sweep.runs:
        trials = expand(_only(sweep, run), file).trials
        yield Row(printed[str(run.changes["recipe"].value)], trials[0].recipe, find(trials))


def _only(sweep: Sweep, run: Run) -> Sweep:
    return replace(sweep, axes=(), random=None, runs=(run,))


def table(rows: Sequence[Row]) -> str:
    """The Markdown table."""
    titles = [f"{title}, {whose}" for title in TITLES.values() for whose in ("printed", "ours")]
    head = ["id", "training", "figures", *titles, "runs", "judged", "diagnosis"]
    lines = [head, ["---", "---", "---", *["---:"] * (len(titles) + 1), "---", "---"]]
    lines += [_cells(row, verdict) for row, verdict in zip(rows, verdicts(rows), strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row, verdict: str) -> list[str]:
    recipe = row.recipe
    cells = []
    for column in TITLES:
        cells += [row.printed[column] or "–", _ours(row.values(column))]
    wrong = "; ".join(dict.fromkeys(record.diagnosis for record in row.records if record.diagnosis))
    training = f"{recipe.optimizer} {recipe.lr:g}, batch {recipe.batch_size}, {recipe.epochs} epochs"
    kind = row.printed["loss_kind"]
    return [row.printed["id"], training, kind, *cells, row.counts, verdict, wrong]


def _ours(values: Sequence[float]) -> str:
    if not values:
        return "–"
    found = Statistic.of(values)
    return f"{found.mean:.3f}" + ("" if found.std is None else f" ± {found.std:.3f}")


def verdicts(rows: Sequence[Row]) -> list[str]:
    """Whether the printed accuracy could be that of one more run of ours, for each row; adjusted for their number.

    The training accuracy is judged, which nearly every row prints, or the test accuracy where only that is printed.
    """
    compared = [_compared(row) for row in rows]
    tested = {k: chance(*pair) for k, pair in enumerate(compared) if pair is not None and len(pair[1]) > 1}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [_verdict(pair, adjusted.get(k)) for k, pair in enumerate(compared)]


def _compared(row: Row) -> tuple[float, list[float]] | None:
    for column in ("train_acc", "test_acc"):
        if row.printed[column] and (values := row.values(column)):
            return float(row.printed[column]), values
    return None


def chance(printed: float, values: Sequence[float]) -> float:
    """The probability that one more run is at least as far from the mean of ours as the printed one.

    Two-sided, by the prediction interval of a normal distribution; rounding explains the last printed digit.
    """
    found = Statistic.of(values)
    gap = max(0.0, abs(printed - found.mean) - ROUNDING)
    if not gap:
        return 1.0
    if not found.std:
        return 0.0
    return 2 * (1 - t_cdf(gap / (found.std * (1 + 1 / found.n) ** 0.5), found.n - 1))


def _verdict(pair: tuple[float, Sequence[float]] | None, p: float | None) -> str:
    if pair is None:
        return ""
    printed, values = pair
    gap = Statistic.of(values).mean - printed
    size = f"{'+' if gap >= 0 else '−'}{abs(gap):.3f}"
    if p is None:
        return f"{size}, one run: not known"
    shown = "< 0.001" if p < 0.001 else f"{p:.2g}"
    return f"{size}, within the spread of ours (p {shown})" if p >= ALPHA else f"{size}, differs (p {shown})"


def main() -> None:
    """Print the table of one sweep, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", nargs="?", help="the sweep's file")
    parser.add_argument("--dir", type=Path, help="its folder; default runs/sweep-NAME, as `archspec sweep` has it")
    parser.add_argument("--printed", type=Path, default=PRINTED, help="the sources' figures")
    parser.add_argument("--write", action="store_true", help="write docs/reproduction.md from benchmarks/results/")
    given = parser.parse_args()
    if given.write == (given.sweep is not None):
        parser.error("give a sweep's file, or --write")
    if given.write:
        from page import page

        (ROOT / "docs" / "reproduction.md").write_text(page(), encoding="utf-8")
        return
    folder = given.dir or Path("runs") / f"sweep-{read_sweep(given.sweep).name}"
    print(table(list(rows_of(given.sweep, in_store(Store(folder)), printed_rows(given.printed)))))


if __name__ == "__main__":
    main()
