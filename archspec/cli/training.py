"""What `archspec train` does with a recipe: one run in its folder, and its output."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archspec.cli.console import result_console, tell
from archspec.cli.doctoring import Doctoring, find_rate, name_tried_remedy, with_findings
from archspec.cli.json_output import print_json
from archspec.cli.saving import Saving, name_run_on_stop, resume_command
from archspec.train.chosen_recipe import resolved_text

if TYPE_CHECKING:
    from archspec.api import Loaded
    from archspec.ir import Graph
    from archspec.language.recipe import Recipe
    from archspec.train.checkpoint.resume import Resumption
    from archspec.train.forecast import Forecast
    from archspec.train.report.confusion import Confusion
    from archspec.train.session import SessionOptions
    from archspec.train.setup import Machine, Task
    from archspec.train.signals import Stop
    from archspec.train.summary import Summary


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that is finished, or paused by --stop-after-epochs. about: its name, device, folder, recipe and data."""

    summary: Summary
    confusion: Confusion | None
    about: dict[str, Any]
    paused: bool = False
    forecast: Forecast | None = None

    def show(self, *, as_json: bool) -> None:
        """Print it."""
        from archspec.cli.confusion import show
        from archspec.train.report.table import summary_text

        if as_json:
            classes = {} if self.confusion is None else self.confusion.to_json()
            expected = {} if self.forecast is None else {"predicted": self.forecast.to_json(self.summary)}
            print_json(classes | self.summary.to_json() | self.about | expected)
            return
        if self.confusion is not None:
            show(self.confusion, result_console(), summary=True)
        click.echo(summary_text(self.summary))
        if self.forecast is not None and (line := self.forecast.outcome(self.summary)):
            click.echo(line)
        click.echo(f"run folder: {self.about['run_dir']}")
        if self.paused:
            click.echo(f"`{resume_command(self.about['run_dir'])}` continues")


def fitted_recipe(
    graph: Graph, recipe: Recipe, changes: dict[str, Any], machine: Machine, memory: int | None
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe, and the changes of the spec that give it, so that a step fits into `memory` bytes; it says which.

    memory: None for a recipe that stays as it is.
    """
    if memory is None:
        return recipe, changes
    from archspec.train.fitting import fit_recipe

    if machine.group.sharded:
        raise click.UsageError("--fit does not know how much memory a sharded network needs: leave it or --fsdp out")
    recipe, fitting = fit_recipe(graph, recipe, machine, memory)
    if machine.group.leads:
        tell(fitting.text)
    return recipe, changes | fitting.changes


@dataclass(frozen=True, slots=True)
class Training:
    """The options of the command line, except seed and folder. changes: the fields of the recipe that they set."""

    loaded: Loaded
    name: str | None
    changes: dict[str, Any]
    machine: Machine
    saving: Saving
    doctoring: Doctoring
    stop: Stop
    tensorboard: bool
    known_cost: bool = False  # whether an earlier run of this command has printed what each of them takes

    def run(self, recipe: Recipe, path: Path, earlier: Resumption | None = None) -> Outcome:
        """Train a new network in the folder `path`, or resume the `earlier` run there."""
        from archspec.train.forecast import forecast
        from archspec.train.session import Session

        resumed = earlier is not None and earlier.found is not None
        task = self._prepared(recipe, resumed=resumed)
        expected = forecast(self.loaded.graph, task)
        said = self.known_cost or (resumed and expected is not None and expected.step is None)
        if expected is not None and self.machine.group.leads and not said:
            tell(expected.text)
        try:
            doctors = self.doctoring.callbacks(path, self.loaded, task)
            session = Session(
                task, path, name=self.loaded.name, graph=self.loaded.graph, options=self._options(),
                text=resolved_text(self.loaded, self.name, self.changes, task.recipe), doctors=doctors,
                resumption=earlier,
            )
            with name_tried_remedy(doctors), name_run_on_stop(path, session.checkpointer):
                summary = session.run(self.stop)
        finally:
            task.close()
        paused = self.saving.stop_after is not None
        found = with_findings(summary, doctors)
        return Outcome(found, session.final.confusion, self._about(task, path), paused, expected)

    def _options(self) -> SessionOptions:
        from archspec.train.session import SessionOptions

        saving = self.saving
        return SessionOptions(
            sys.stderr, tell, saving.every, saving.keep, saving.allow_changes, saving.stop_after, self.tensorboard
        )

    def find_rate(self, recipe: Recipe, path: Path, *, as_json: bool) -> None:
        """Test rates instead of training."""
        task = self._prepared(recipe)
        try:
            find_rate(task, path, self.loaded.name, as_json=as_json)
        finally:
            task.close()

    def _prepared(self, recipe: Recipe, *, resumed: bool = False) -> Task:
        from archspec.data.recipe_places import at_places
        from archspec.train.setup import prepare

        with at_places(self.loaded, self.name):
            return prepare(self.loaded.graph, recipe, self.machine, progress=tell, resumed=resumed)

    def _about(self, task: Task, path: Path) -> dict[str, Any]:
        return {
            "name": self.loaded.name, "device": str(task.machine.device), "run_dir": str(path),
            "recipe": task.recipe.to_data(), "data": {"name": task.recipe.data, "sources": task.sources},
        }
