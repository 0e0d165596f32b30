"""A run that was stopped, found again in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archspec.diagnostics import error
from archspec.graph import Graph
from archspec.spec.recipe import Recipe
from archspec.train.checkpoint import Found, newest
from archspec.train.checkpointer import FOLDER
from archspec.train.earlier import last_environment
from archspec.train.same_run import (
    check_same_data,
    check_same_spec,
    conditions,
    differences,
    recipe_changes,
    spec_digest,
)
from archspec.train.world import World


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a run goes on from. found: None where the run was stopped before its first checkpoint."""

    folder: Path
    found: Found | None
    environment: Mapping[str, Any]  # as it was when the run was last started

    @property
    def notices(self) -> list[str]:
        """Which checkpoint it is, and which were damaged."""
        if self.found is None:
            return [f"note: there is no checkpoint in {self.folder} yet: it starts from the beginning"]
        notices = [f"warning: {path} is damaged and left out: {why}" for path, why in self.found.damaged.items()]
        state = self.found.saved.state
        place = f"step {state.step}, {len(state.results)} epochs finished"
        notices.append(f"note: it goes on from {self.found.path.name} ({place})")
        if state.micro_batch is not None:  # more at once would be another run, by rounding
            notices.append(f"note: memory was short: at most {state.micro_batch} images go through the network at once")
        return notices

    def is_finished(self, recipe: Recipe) -> bool:
        """Whether all epochs of the recipe are trained."""
        return self.found is not None and len(self.found.saved.state.results) >= recipe.epochs

    def check_spec(self, graph: Graph, recipe: Recipe) -> None:
        """Raise SpecError RUN315 where the network or the recipe are not those of the checkpoint."""
        if self.found is not None:
            then = self.environment.get("recipe")
            changes = recipe_changes(then if isinstance(then, dict) else {}, recipe.to_data())
            check_same_spec(spec_digest(graph, recipe), self.found.saved.state.digest, changes)

    def check_environment(self, environment: Mapping[str, Any], *, strict: bool = True) -> list[str]:
        """What else has changed, so that the run will not be equal to the last bit: a notice for each.

        Raises SpecError RUN315 where the data has, if `strict`.
        """
        if self.found is None:
            return []
        then, now = self.found.saved.state.conditions, conditions(environment)
        if strict:
            check_same_data(then, now)
        return [
            f"note: {change}: the rest of the run will not be equal to the last bit"
            for change in differences(then, now)
        ]


def find_run(folder: Path, world: World | None = None) -> Resumption:
    """Look into a run's folder. Raises SpecError RUN316 where it is none, RUN314 where no checkpoint can be used.

    RUN333 where the processes of `world` do not find the same.
    """
    if not (folder / "spec.yaml").is_file():
        raise error(
            "RUN316", f"there is no run in {folder}" + ("" if folder.is_dir() else ": it is no folder"),
            hint="name the folder that `archspec train` made, with a spec.yaml in it",
        )
    found = newest(folder / FOLDER)
    if world is not None:
        mine = "no checkpoint" if found is None else found.path.name
        first = world.said(mine)
        if mine != first:
            raise error(
                "RUN333", f"process {world.rank} of {world.size} finds {mine} in {folder}, process 0 {first}",
                hint="let the folder of a run be one that all machines share",
            )
    return Resumption(folder, found, last_environment(folder))
