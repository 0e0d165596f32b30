"""Runs in the small form that the repository keeps: `benchmarks/results/NETWORK.jsonl`, a line a run.

    archspec sweep benchmarks/sweeps/lenet.yaml
    python benchmarks/archive.py runs/sweep-lenet

adds the runs of a sweep's folder, or of run folders. A run that is there already is replaced: network, recipe, seed and
limits on the data tell runs apart. docs/reproduction.md is made of these lines, without any training.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from archspec.language.recipe import Recipe
from archspec.results.digest import run_digest
from archspec.results.failures import with_failures
from archspec.results.record import RunRecord, is_run_folder, read_record
from archspec.results.trials import Store
from archspec.sweep.expand import Trial
from archspec.train.summary import EpochResult

RESULTS: Final = Path(__file__).parent / "results"
SERIES: Final = ("train_loss", "train_accuracy", "evaluated_loss", "evaluated_accuracy")  # a figure an epoch
DIGITS: Final = 5  # significant ones
LIMITS: Final = ("limit_train", "limit_test")
Row = dict[str, Any]


def row_of(record: RunRecord, rung: int | None = None) -> Row:
    """A run as its line has it. rung: the epochs after which a search let it rest."""
    environment = record.environment
    data, settings = environment.get("data", {}), environment.get("settings", {})
    chosen = {key.removeprefix("train."): value for key, value in record.settings.items() if key.startswith("train.")}
    recipe = Recipe.model_validate(chosen).to_data(defaults=False)  # as the record has it: a resumed run says more
    row: Row = {
        "network": record.network, "recipe": {key: recipe[key] for key in recipe if key != "seed"}, "seed": record.seed,
        "limits": {key: data[key] for key in LIMITS if data.get(key)}, "status": record.status,
        "params": record.params, "macs": record.macs, "train_images": data.get("train_images"),
        "split": record.last.split if record.last else "test",
    }
    row |= {name: [_rounded(getattr(epoch, name)) for epoch in record.epochs] for name in SERIES}
    if record.test is not None:
        row["test"] = {key: _rounded(value) for key, value in record.test.items()}
    if rung is not None:
        row["rung"] = rung
    if record.reason:
        row["reason"] = record.reason
    row["findings"] = [
        {"code": finding["code"], "title": finding["title"], "step": finding.get("step")}
        for finding in record.findings if finding.get("until") is None
    ]
    return row | {
        "seconds": round(record.seconds), "precision": settings.get("precision"), "device": record.device,
        "cpu": environment.get("cpu"), "threads": environment.get("threads"),
        "versions": {name: environment.get("versions", {}).get(name) for name in ("archspec", "torch")},
        "date": record.started[:10],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def key_of(network: str, recipe: Mapping[str, Any], seed: int | None, limits: Mapping[str, Any]) -> str:
    """What tells runs apart: network, recipe without its seed, seed, limits."""
    return json.dumps([network, {k: v for k, v in recipe.items() if k != "seed"}, seed, dict(limits)], sort_keys=True)


def _key(row: Row) -> str:
    return key_of(row["network"], row["recipe"], row["seed"], row["limits"])


@dataclass(frozen=True)
class Archive:
    """The lines of all files by their key."""

    rows: Mapping[str, Row]

    @classmethod
    def read(cls, folder: Path = RESULTS) -> Archive:
        """Of a folder."""
        texts = (path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jsonl")))
        rows = [json.loads(line) for text in texts for line in text.splitlines()]
        return cls({_key(row): row for row in rows})

    def records(self, trials: Iterable[Trial]) -> list[RunRecord]:
        """Those of a sweep's trials that are there, with the trial's own settings, in the sweep's order.

        Raises ValueError where a line's network is no longer that of the trial: it has to be trained again.
        """
        return [record for trial in trials if (record := self._record(trial)) is not None]

    def _record(self, trial: Trial) -> RunRecord | None:
        name = trial.loaded.name
        row = self.rows.get(key_of(name, trial.recipe.to_data(defaults=False), trial.seed, trial.limits))
        if row is None:
            return None
        report = trial.loaded.report
        if (row["params"], row["macs"]) != (report.params, report.macs):
            raise ValueError(f"the runs of {name} in {RESULTS.name}/ are of another network: train it again")
        recipe = trial.recipe.to_data()
        digest = run_digest(trial.loaded.graph, recipe, {"data": dict(trial.limits)})
        return replace(record_of(row), network=trial.variant, digest=digest,
                       settings={f"train.{key}": value for key, value in recipe.items() if key != "seed"})


def record_of(row: Row) -> RunRecord:
    """A line as a run. What the line has once for the whole run, its time, is shared out evenly over the epochs."""
    length = len(row["train_loss"])
    seconds = row["seconds"] / max(1, length)
    speed = row["train_images"] / seconds if seconds and row["train_images"] else 0.0
    epochs = tuple(
        EpochResult(k + 1, *(row[name][k] for name in SERIES), images_per_s=speed, seconds=seconds, split=row["split"])
        for k in range(length)
    )
    return RunRecord(
        path=Path(row["network"]), network=row["network"], status=row["status"], started=row["date"], seed=row["seed"],
        digest="", settings={}, epochs=epochs, criterion="accuracy", test=row.get("test"),
        findings=tuple(row["findings"]), params=row["params"], macs=row["macs"], device=row["device"],
        environment={"data": {"train_images": row["train_images"]}}, reason=row.get("reason", ""),
    )


def runs_in(folder: Path) -> Iterator[Row]:
    """The runs of a sweep's folder, failed and resting ones too, or the run in a run folder."""
    store = Store(folder)
    paths = [folder] if is_run_folder(folder) else sorted(path for path in (folder / "trials").glob("*"))
    records = [record for path in paths if (record := read_record(path)) is not None]
    for record in with_failures(records, folder):
        result = store.result(record.path.name)
        resting = result is not None and result.status == "paused"
        done = record.status != "unfinished" and (result is not None or folder == record.path)
        if record.environment and (done or resting):
            yield row_of(record, result.rung if resting and result else None)


def add(rows: Iterable[Row], folder: Path = RESULTS) -> int:
    """Write lines into the files of their networks; the number of lines that are new or changed."""
    kept = dict(Archive.read(folder).rows)
    changed = 0
    for row in rows:
        changed += kept.get(_key(row)) != row
        kept[_key(row)] = row
    by_network: dict[str, list[str]] = {}
    for _, row in sorted(kept.items()):
        by_network.setdefault(row["network"], []).append(json.dumps(row, ensure_ascii=False))
    folder.mkdir(exist_ok=True)
    for network, lines in by_network.items():
        (folder / f"{network}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return changed


def main(arguments: Sequence[str] | None = None) -> None:
    """Add the runs of folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="sweep folders or run folders")
    for folder in parser.parse_args(arguments).folders:
        rows = list(runs_in(folder))
        if not rows:
            remedy = "name a sweep's folder, such as runs/sweep-lenet, or a run's"
            parser.error(f"{folder} holds no run that has ended: {remedy}")
        print(f"{folder}: {len(rows)} runs, {add(rows)} new or changed")


if __name__ == "__main__":
    main()
