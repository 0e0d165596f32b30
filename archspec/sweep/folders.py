"""Finds the run folder of a trial, and detects folders under its name that belong to another training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.diagnostics import Diagnostic, SpecError, plural
from archspec.files import is_regular, read_regular
from archspec.results.trials import Result, Store
from archspec.train.run_dir.saved_options import last_environment

if TYPE_CHECKING:
    from archspec.api import Loaded
    from archspec.language.recipe import Recipe
    from archspec.sweep.expand import Trial


def free_folder(store: Store, trial: Trial) -> tuple[Path, bool]:
    """The folder in which a trial trains, and whether to resume its training there.

    A folder of another training, or of one that was killed before it wrote its spec, is not used; the next folder has
    a number after its name.
    """
    for folder in store.attempts(trial.id):
        if _is_begun(folder) and not differences(trial, folder):
            return folder, True
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return folder, False
    raise AssertionError("there is always another folder")


def own_folder(store: Store, trial: Trial) -> Path | None:
    """The newest folder with the run of the trial; None if there is none."""
    folders = reversed(store.run_folders(trial.id))
    return next((folder for folder in folders if _is_begun(folder) and not differences(trial, folder)), None)


def result_of(store: Store, trial: Trial) -> Result | None:
    """The result of a trial; None if it has none or its run was removed, so that the sweep runs it."""
    result = store.result(trial.id)
    gone = result is not None and result.status == "done" and own_folder(store, trial) is None
    return None if gone else result


def is_due(store: Store, trial: Trial, *, retry: bool) -> bool:
    """Whether a sweep runs this trial: it has no result, is paused, or its run was removed.

    retry: also run it if it failed or was killed.
    """
    result = result_of(store, trial)
    return result is None or result.status == "paused" or (retry and result.status != "done")


def strangers(store: Store, trial: Trial) -> list[Diagnostic]:
    """A warning for each folder under the name of the trial that belongs to another training."""
    begun = [folder for folder in store.run_folders(trial.id) if _is_begun(folder)]
    found = [(folder, differences(trial, folder)) for folder in begun]
    return [
        Diagnostic(
            "SWEEP415", f"{folder} is not the run of trial {trial.id}", notes=tuple(notes),
            hint=f"move it out of {folder.parent} to keep it, or remove it; it is left as it is, and the trial uses "
                 "another folder",
        )
        for folder, notes in found if notes
    ]


def differences(trial: Trial, folder: Path) -> list[str]:
    """How the run in a folder differs from the training of the trial; empty if it does not.

    Its spec and the environment of its last start are compared, as far as they can be read.
    """
    environment = last_environment(folder)
    found = [*_spec(trial, folder / "spec.yaml"), *_machine(environment, trial)]
    started = _started_with(environment)
    return found or ([] if started is None else _recipe(started, trial.recipe))


def _is_begun(folder: Path) -> bool:
    return is_regular(folder / "spec.yaml")


def _spec(trial: Trial, path: Path) -> list[str]:
    from archspec.api import load
    from archspec.language.resolve import without_unused_vars
    from archspec.source import dump

    own = dump(without_unused_vars({"archspec": 1, "name": trial.loaded.name, **trial.loaded.data}))
    try:
        if read_regular(path, len(own.encode())) == own.encode():  # as a training writes it: no need to analyse it
            return []
    except OSError:  # it is longer
        pass
    try:
        loaded = load(path)
        recipe = loaded.recipe()
    except SpecError as problem:
        return [f"its spec.yaml is not valid: {problem.diagnostics[0].message}"]
    return [*_network(loaded, trial), *_recipe(recipe, trial.recipe)]


def _network(found: Loaded, trial: Trial) -> list[str]:
    from archspec.ir.diff import diff
    from archspec.ir.digest import graph_digest

    here, wanted = found.graph, trial.loaded.graph
    if graph_digest(here) == graph_digest(wanted):
        return []
    changes = diff(wanted, here)
    return [f"its network is different{f': {changes[0]}' if changes else ''}"]


def _recipe(found: Recipe, wanted: Recipe) -> list[str]:
    from archspec.results.formats import value_text

    here, there = wanted.to_data(), found.to_data()
    if wanted.validation is None:  # what that came to was written down when the run began
        here = {key: value for key, value in here.items() if key != "validation"}
        there = {key: value for key, value in there.items() if key != "validation"}
    return [
        f"its {key} is {value_text(there.get(key))}, not {value_text(here.get(key))}"
        for key in {**here, **there} if here.get(key) != there.get(key)
    ]


def _machine(environment: Mapping[str, Any], trial: Trial) -> list[str]:
    """Differences in the amount of data and the number of processes."""
    data, world = environment.get("data"), environment.get("world")
    found = []
    if isinstance(data, dict):
        for key in ("limit_train", "limit_test"):
            if data.get(key) != trial.limits.get(key):
                found.append(f"its {key} is {_limit(data.get(key))}, not {_limit(trial.limits.get(key))}")
    if type(world) is int and world != trial.devices:
        found.append(f"it trained on {plural(world, 'device')}, not {trial.devices}")
    return found


def _limit(value: Any) -> str:
    return "all images" if value is None else str(value)


def _started_with(environment: Mapping[str, Any]) -> Recipe | None:
    """The recipe of the run's last start; None if it is not known."""
    from pydantic import ValidationError

    from archspec.language.recipe import Recipe

    try:
        return Recipe.model_validate(environment.get("recipe"))
    except ValidationError:
        return None
