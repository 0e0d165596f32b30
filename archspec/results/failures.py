"""Failed trials in a sweep folder as run records, with or without a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from archspec.files import is_folder
from archspec.results.digest import run_digest
from archspec.results.find import in_sweep_order
from archspec.results.record import RunRecord
from archspec.results.trials import Result, Store


def with_failures(records: Sequence[RunRecord], folder: Path) -> list[RunRecord]:
    """The records with the reasons of failed trials of the sweep in `folder`, and with the trials that left no run."""
    if not all(is_folder(folder / name) for name in ("results", "specs", "trials")):
        return in_sweep_order(records)
    store = Store(folder)
    found = {record.path.resolve(): k for k, record in enumerate(records)}
    updated = list(records)
    for path in sorted((folder / "results").glob("*.json")):
        result = store.result(path.stem)
        if result is None or result.status in ("done", "stopped", "paused"):
            continue
        run = store.run_folder(result.id)
        number = found.get(run.resolve())
        reason = result.short_reason() or result.status
        if number is not None:
            updated[number] = replace(updated[number], status="failed", reason=reason)
        elif (record := _without_run(result, store, run, reason, records)) is not None:
            updated.append(record)
    return in_sweep_order(updated)


def _without_run(
    result: Result, store: Store, run: Path, reason: str, others: Sequence[RunRecord]
) -> RunRecord | None:
    """The record of a trial that ended before its run started; None if its spec cannot be read."""
    from archspec.api import load
    from archspec.diagnostics import SpecError

    try:
        loaded = load(store.spec(result.id))
        recipe = loaded.recipe().to_data()
    except (SpecError, OSError):
        return None
    # runs of the same trial with other seeds have the same amount of data
    alike = next((o.environment for o in others if o.settings.get("train.data") == recipe.get("data")), {})
    settings = {f"train.{key}": value for key, value in recipe.items() if key != "seed"}
    settings |= {f"vars.{key}": value for key, value in (loaded.data.get("vars") or {}).items()}
    return RunRecord(
        path=run, network=result.variant, status="failed", started="", seed=result.seed,
        digest=run_digest(loaded.graph, recipe, alike), settings=settings, epochs=(), criterion="accuracy", test=None,
        findings=(), params=loaded.report.params, macs=loaded.report.macs, device="", environment={}, reason=reason,
    )
