"""Finds a stopped run in its folder, to resume it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archspec.api import load
from archspec.data.validation import default_to_test
from archspec.diagnostics import SpecError, error, plural
from archspec.files import is_regular
from archspec.ir import Graph
from archspec.language.recipe import Recipe
from archspec.train.checkpoint.compatibility import (
    UNRECORDED,
    changed_spec,
    check_same_data,
    conditions,
    differences,
    network_change,
    recipe_changes,
)
from archspec.train.checkpoint.digest import is_digest_of, release_of
from archspec.train.checkpoint.policy import FOLDER
from archspec.train.checkpoint.storage import Found, newest
from archspec.train.distributed.process_group import ProcessGroup
from archspec.train.run_dir.run_spec import explained
from archspec.train.run_dir.saved_options import last_environment, no_run
from archspec.train.step.precision import Settings


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a run resumes from. found: None if the run was stopped before its first checkpoint."""

    folder: Path
    found: Found | None
    environment: Mapping[str, Any]  # of the last start of the run

    def notices(self, epochs: int) -> list[str]:
        """Lines for the user: the checkpoint, and the damaged ones that are skipped. epochs: of the whole run."""
        if self.found is None:
            return [f"note: there is no checkpoint in {self.folder} yet: the run starts from the beginning"]
        notices = [f"warning: {path} is damaged and skipped: {why}" for path, why in self.found.damaged.items()]
        state = self.found.saved.state
        done, name = len(state.results), self.found.path.name
        if done >= epochs:
            notices.append(f"note: this run is finished ({plural(done, 'epoch')}): {name} is only evaluated again")
            return notices
        notices.append(f"note: resuming from {name} (step {state.step}, {plural(done, 'epoch')} finished)")
        if state.micro_batch is not None:  # larger micro-batches would round differently
            notices.append(f"note: memory was short: micro-batches have at most {plural(state.micro_batch, 'image')}")
        return notices

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe; if it does not set `validation`, with the validation set that the run started with."""
        then = self.environment.get("recipe")
        begun = then.get("validation") if isinstance(then, dict) else None
        if recipe.validation is not None or begun is None:
            return default_to_test(recipe)
        try:
            return Recipe.model_validate(recipe.to_data() | {"validation": begun})
        except ValidationError:  # environment.json is not trusted
            return default_to_test(recipe)

    def check_spec(self, graph: Graph, recipe: Recipe, given: Collection[str] = ()) -> None:
        """Raise SpecError RUN315 if the network or the recipe differ from those of the checkpoint.

        given: the fields of the recipe that the command line sets.
        """
        if self.found is None or is_digest_of(self.found.saved.state.digest, graph, recipe):
            return
        changes = recipe_changes(_whole(self.environment.get("recipe")), recipe.to_data())
        network = network_change(_network(self.folder / "spec.yaml"), graph)
        newer = release_of(self.found.saved.state.digest) == "newer"
        raise changed_spec(
            "the spec is not the one that the checkpoint was trained with",
            [*([network] if network else []), *changes.values(), *(["a newer archspec wrote it"] if newer else [])],
            remedy="" if network or not changes.keys() <= set(given) else _left_out(changes),
        )

    def explained(self, problem: SpecError) -> SpecError:
        """The cause of an error in the spec of the run: see `run_spec.explained`."""
        return explained(problem, self.folder)

    def check_environment(self, environment: Mapping[str, Any], *, strict: bool = True) -> list[str]:
        """A notice for each change because of which the run will not be bitwise equal to an uninterrupted one.

        Raises SpecError RUN315 if the data has changed and `strict` is set.
        """
        if self.found is None:
            return []
        now = conditions(environment)
        default = conditions({"settings": Settings().to_json()})  # a release may add a setting
        default |= {key: UNRECORDED[key] for key in UNRECORDED.keys() & now.keys()}
        then = {**default, **self.found.saved.state.conditions}
        if strict:
            check_same_data(then, now)
        return [
            f"note: {change}: the rest of the run will not be bitwise equal"
            for change in differences(then, now)
        ]


def _whole(recipe: object) -> dict[str, Any]:
    """A recipe from a run folder, completed with the defaults of newer fields; unchanged if it is not valid."""
    try:
        return Recipe.model_validate(recipe).to_data()
    except ValidationError:
        return recipe if isinstance(recipe, dict) else {}


def _network(path: Path) -> Graph | None:
    """The network of the spec in the run folder; None if it can no longer be read."""
    try:
        return load(path).graph
    except SpecError:
        return None


def _left_out(fields: Iterable[str]) -> str:
    options = [f"--{field.replace('_', '-')}" for field in fields]
    return f"leave {' and '.join(options)} out"


def find_run(folder: Path, group: ProcessGroup | None = None) -> Resumption:
    """Find the run in a folder. Raises SpecError RUN316 if there is none, RUN314 if no checkpoint is valid.

    Raises SpecError RUN333 if the processes of `group` find different checkpoints.
    """
    if not is_regular(folder / "spec.yaml"):
        raise error(
            "RUN316", f"there is no run in {folder}: {no_run(folder)}",
            hint="name the folder that `archspec train` made, with a spec.yaml in it",
        )
    found = newest(folder / FOLDER)
    if group is not None:
        mine = "no checkpoint" if found is None else found.path.name
        first = group.broadcast_text(mine)
        if mine != first:
            raise error(
                "RUN333", f"process {group.rank} of {group.size} finds {mine} in {folder}, process 0 {first}",
                hint="use a run folder that all machines share",
            )
    return Resumption(folder, found, last_environment(folder))
