"""A sweep of the sources' runs beside the figures that they printed, as a Markdown table.

    archspec sweep benchmarks/sweeps/lenet.yaml
    python benchmarks/reproduction.py benchmarks/sweeps/lenet.yaml

A printed figure is a mean over all epochs or that of the last epoch; ours is taken in the same way. The test set's
accuracy is always that of the last epoch. Rows without a result yet have dashes.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from archspec.results.compare import MEASURES
from archspec.results.record import RunRecord
from archspec.results.trials import Store
from archspec.sweep.expand import expand
from archspec.sweep.model import Run, Sweep
from archspec.sweep.read import read_sweep
from archspec.sweep.records import records_of
from archspec.train.statistics import Statistic

PRINTED = Path(__file__).parents[1] / "tests" / "golden" / "experiments.csv"
# the table's column → our measure, by what the source's figures are
MEASURED = {
    "mean over all epochs": {
        "loss": "mean_train_loss", "train_acc": "mean_train_accuracy", "test_acc": "test_accuracy",
    },
    "last epoch": {"loss": "last_train_loss", "train_acc": "last_train_accuracy", "test_acc": "test_accuracy"},
}
TITLES = {"loss": "train loss", "train_acc": "train acc", "test_acc": "test acc"}


def printed_rows(path: Path) -> dict[str, dict[str, str]]:
    """The sources' runs by their id."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["id"]: row for row in csv.DictReader(stream)}


def runs_by_id(sweep: Sweep, file: str, store: Store) -> Iterator[tuple[str, list[RunRecord]]]:
    """Each recipe of the sweep's `runs`, with the finished or failed runs of its seeds.

    Two ids that are one training, such as those that differ only in loader workers, share its runs.
    """
    for run in sweep.runs:
        trials = expand(_only(sweep, run), file).trials
        results = store.results(trial.id for trial in trials)
        yield str(run.changes["recipe"].value), records_of(trials, results, store)


def _only(sweep: Sweep, run: Run) -> Sweep:
    return replace(sweep, axes=(), random=None, runs=(run,))


def table(printed: Mapping[str, Mapping[str, str]], found: Sequence[tuple[str, list[RunRecord]]]) -> str:
    """The Markdown table."""
    titles = [f"{title}, {whose}" for title in TITLES.values() for whose in ("printed", "ours")]
    head = ["id", "figures", *titles, "runs", "diagnosis"]
    lines = [head, ["---", "---", *["---:"] * (len(titles) + 1), "---"]]
    lines += [_row(printed[name], records) for name, records in found]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(printed: Mapping[str, str], records: Sequence[RunRecord]) -> list[str]:
    kind = printed["loss_kind"]
    cells = []
    for column, measure in MEASURED[kind].items():
        cells += [printed[column] or "–", _ours(records, measure)]
    wrong = "; ".join(dict.fromkeys(record.diagnosis for record in records if record.diagnosis))
    return [printed["id"], kind, *cells, str(len(records)), wrong]


def _ours(records: Sequence[RunRecord], measure: str) -> str:
    values = [value for value in map(MEASURES[measure].of, records) if value is not None]
    if not values:
        return "–"
    found = Statistic.of(values)
    return f"{found.mean:.3f}" + ("" if found.std is None else f" ± {found.std:.3f}")


def main() -> None:
    """Print the table of one sweep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", help="the sweep's file")
    parser.add_argument("--dir", type=Path, help="its folder; default runs/sweep-NAME, as `archspec sweep` has it")
    parser.add_argument("--printed", type=Path, default=PRINTED, help="the sources' figures")
    given = parser.parse_args()
    sweep = read_sweep(given.sweep)
    store = Store(given.dir or Path("runs") / f"sweep-{sweep.name}")
    print(table(printed_rows(given.printed), list(runs_by_id(sweep, given.sweep, store))))


if __name__ == "__main__":
    main()
