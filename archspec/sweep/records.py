"""The results of a sweep as run records, including trials without a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archspec.results.digest import run_digest
from archspec.results.record import RunRecord, read_record
from archspec.results.trials import Result, Store
from archspec.sweep.expand import Trial
from archspec.sweep.folders import own_folder


def records_of(trials: Sequence[Trial], results: Mapping[str, Result], store: Store) -> list[RunRecord]:
    """A record for each trial that has a result, in the order of the sweep.

    A trial's settings and its group are those that the sweep gives it, so that they are known where nothing was run.
    """
    return [_record(trial, results[trial.id], store) for trial in trials if trial.id in results]


def _record(trial: Trial, result: Result, store: Store) -> RunRecord:
    recipe = trial.recipe.to_data()
    settings = {f"train.{key}": value for key, value in recipe.items() if key != "seed"}
    settings |= {f"vars.{key}": value for key, value in (trial.data.get("vars") or {}).items()}
    settings |= {key: value for key, value in trial.varied.items() if key.startswith(("stages.", "blocks."))}
    digest = run_digest(trial.loaded.graph, recipe, {"data": dict(trial.limits)})
    folder = own_folder(store, trial)
    found = None if folder is None else read_record(folder)
    if found is None:
        found = RunRecord(
            path=folder or store.run_folder(trial.id), network="", status="failed", started="", seed=trial.seed,
            digest=digest, settings={}, epochs=(), criterion="accuracy", test=None, findings=(), params=None, macs=None,
            device="", environment={},
        )
    report = trial.loaded.report
    failed = result.status not in ("done", "paused")
    reason = result.short_reason() if failed else ""
    return replace(
        found, network=trial.variant, seed=trial.seed, digest=digest, settings=settings, params=report.params,
        macs=report.macs, status="failed" if failed else "unfinished" if result.status == "paused" else found.status,
        reason=reason,
    )
