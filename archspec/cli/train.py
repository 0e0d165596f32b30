"""`archspec train`: a spec's recipe, run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archspec.cli.console import result_console, tell
from archspec.cli.doctoring import Doctoring, doctor_options, find_rate, with_findings
from archspec.cli.options import (
    COUNT,
    DEVICE,
    InputShape,
    Rate,
    Reading,
    SpecPath,
    ValidationSet,
    json_option,
    spec_options,
)
from archspec.cli.processes import in_processes
from archspec.cli.saving import Saving, hears_signals, saving_options, stops_placed
from archspec.cli.tuning import Computing, computing_options

if TYPE_CHECKING:
    from archspec.api import Loaded
    from archspec.spec.recipe import Recipe
    from archspec.train.confusion import Confusion
    from archspec.train.prepare import Task
    from archspec.train.resume import Resumption
    from archspec.train.run import Watcher
    from archspec.train.stop import Stop
    from archspec.train.summary import Summary
    from archspec.train.world import World



@click.command("train")
@click.argument("spec", type=SpecPath(), required=False)
@click.option("--recipe", "name", metavar="NAME", help="One of the spec's `recipes` instead of `train`.")
@click.option("--epochs", type=COUNT, metavar="N", help="Passes over the training set.")
@click.option("--batch-size", type=COUNT, metavar="N", help="Images a step.")
@click.option("--lr", type=Rate(), metavar="RATE", help="Learning rate.")
@click.option("--optimizer", type=click.Choice(["sgd", "adam", "adamw"]), help="Update rule.")
@click.option("--data", metavar="NAME", help="Data set: a known name, or folder:PATH.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="The run is a function of it.")
@click.option("--validation", type=ValidationSet(), metavar=ValidationSet.name,
              help="What choices are made on: a share or number of training images, a folder's val/, or the test set.")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where data sets are looked for first; also $ARCHSPEC_DATA.")
@click.option("--device", default="auto", show_default=True, type=DEVICE, metavar=DEVICE.name, help="Where to train.")
@click.option("--input", "input_shape", type=InputShape(), metavar="CxHxW", help="Another input, such as 3x224x224.")
@click.option("--workers", "--num-workers", type=COUNT, metavar="N",
              help="Processes that decode a folder's images; default one a processor. Other data needs none.")
@click.option("--limit-train", type=COUNT, metavar="N", help="Only so many training images.")
@click.option("--limit-test", type=COUNT, metavar="N", help="Only so many test images.")
@computing_options
@click.option("--run-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="The run's folder; default runs/NAME-TIME.")
@click.option("--tensorboard", is_flag=True, help="Also write each epoch's figures for TensorBoard.")
@saving_options
@doctor_options
@spec_options
@json_option
@in_processes
@hears_signals
def command(
    spec: str | None, name: str | None, reading: Reading, as_json: bool, device: str, computing: Computing,
    data_root: Path | None, limit_train: int | None, limit_test: int | None,
    input_shape: tuple[int, ...] | None, workers: int | None,
    run_dir: Path | None, saving: Saving, doctoring: Doctoring, stop: Stop, world: World | None,
    tensorboard: bool, **changes: Any,
) -> None:
    """Train SPEC with its recipe; options override the recipe.

    The run's folder gets the resolved spec, the metrics of every epoch, checkpoints, the weights and the environment.

    Under `torchrun --nproc-per-node=N -m archspec train …` N processes train together.
    """
    from archspec.api import load

    doctoring.check(resumed=saving.resume is not None, world=world)
    computing.check(resumed=saving.resume is not None, alone=world is None or world.alone)
    earlier = saving.earlier(spec, run_dir, world)
    loaded = load(spec or (earlier and str(earlier.folder / "spec.yaml")), input=input_shape, **reading.arguments())
    changes = {key: value for key, value in changes.items() if value is not None}
    chosen = chosen_recipe(loaded, name, changes)
    recipe = chosen if earlier is None else earlier.recipe(chosen)

    from archspec.backends.allocator import keep_freed_memory
    from archspec.backends.denormals import denormals_flushed
    from archspec.backends.device import pick_device
    from archspec.data.validation import resolve_validation
    from archspec.train.digest import spec_digest
    from archspec.train.final import FinalConfusion
    from archspec.train.prepare import Machine, prepare
    from archspec.train.run_folder import check_free, new_run_path
    from archspec.train.scalars import FOLDER, Scalars, check_tensorboard
    from archspec.train.world import ALONE

    if tensorboard:
        check_tensorboard()
    world, resolved = world or ALONE, resolve_validation(recipe)
    text, digest = resolved_text(loaded, name, changes, resolved), spec_digest(loaded.graph, resolved)
    if earlier is None:
        path = Path(world.said(str(run_dir or new_run_path(loaded.name))))
        if world.leads:
            check_free(path)
    else:
        path = earlier.folder
        if not saving.allow_changes:
            earlier.check_spec(loaded.graph, resolved, changes.keys())
    click.get_current_context().with_resource(denormals_flushed())  # before torch starts its threads
    where = pick_device(device)
    if where.type == "cpu":
        keep_freed_memory()
    machine = Machine(where, data_root, limit_train, limit_test, computing.settings(where), world, workers)
    if computing.tune or computing.retune:
        machine = replace(machine, settings=computing.tuned(loaded.graph, text, recipe, machine))
    task = prepare(loaded.graph, recipe, machine, progress=tell)
    try:
        if doctoring.find_lr:
            find_rate(task, path, loaded.name, as_json=as_json)
            return
        doctors = doctoring.watchers(path, world)
        boards = [Scalars(path / FOLDER)] if tensorboard and world.leads else []
        final = FinalConfusion(task.test, task.classes, name=loaded.name, folder=path)
        summary = _run(task, path, text, digest, saving, earlier, stop, *doctors, final, *boards)
    finally:
        task.close()
    _show(loaded.name, task, path, with_findings(summary, doctors), final.confusion, as_json)


def chosen_recipe(loaded: Loaded, name: str | None, changes: dict[str, Any]) -> Recipe:
    """The spec's recipe of that name, the default one if None, with the command line's changes laid over it.

    A spec without `train` can be trained if the command line names data and rate.
    """
    from pydantic import ValidationError

    from archspec.diagnostics import Diagnostic, SpecError
    from archspec.spec.problems import told
    from archspec.spec.recipe import Recipe, merge_recipe

    enough = name is None and "train" not in loaded.recipes and {"data", "lr"} <= changes.keys()
    base = {} if enough else loaded.recipe(name).to_data()
    try:
        return Recipe.model_validate(merge_recipe(base, changes))
    except ValidationError as problems:
        found = [dict(problem) for problem in problems.errors(include_url=False)]
        raise SpecError(
            [Diagnostic("SPEC060", _message(problem, told), hint=told(problem)[1]) for problem in found]
        ) from problems


def _message(problem: dict[str, Any], told: Callable[[dict[str, Any]], tuple[str, str | None]]) -> str:
    """The mistake that the options made of a sound recipe."""
    if problem["type"] == "recipe_field":
        return str(problem["msg"])
    return f"`{'.'.join(map(str, problem['loc']))}` {told(problem)[0]}"


def resolved_text(loaded: Loaded, name: str | None, changes: dict[str, Any], recipe: Recipe) -> str:
    """The spec that repeats this run: `train` is what is run; vars that only its old values used are gone.

    recipe: the one that is run, whose `validation` is written out where it is not the test set.
    """
    from archspec.source import dump
    from archspec.spec.recipe import merge_recipe
    from archspec.spec.resolve import without_unused_vars

    data = {"archspec": 1, "name": loaded.name, **loaded.data}
    data["train"] = merge_recipe(data.get("train"), data["recipes"][name] if name else {})
    data["train"] = merge_recipe(data["train"], changes)
    if recipe.validation not in (None, "test"):
        data["train"].setdefault("validation", recipe.validation)
    return dump(without_unused_vars(data))


def _run(
    task: Task, path: Path, text: str, digest: str, saving: Saving, earlier: Resumption | None, stop: Stop,
    *others: Watcher,
) -> Summary:
    from archspec.backends.fits import memory_shortage_told
    from archspec.train.display import display
    from archspec.train.environment import environment
    from archspec.train.loop import fit
    from archspec.train.run_folder import RunFolder
    from archspec.train.sharded import Partner

    for notice in task.notices:
        tell(f"note: {notice}")
    about = environment(task)
    folder = RunFolder(path, spec=text, environment=about, resumed=earlier is not None)
    saves = saving.checkpointer(folder, digest, about, earlier, task.recipe.epochs)
    world = task.machine.world
    if world.leads:
        others = (folder, saves, display(sys.stderr), *others)
    elif world.sharded:
        others = (Partner(), saves, *others)
    found = None if earlier is None else earlier.found
    with stops_placed(path, saves), memory_shortage_told("training"):
        return fit(
            task.model, task.train, task.test, task.recipe, validation=task.validation,
            device=task.machine.device, settings=task.machine.settings, watchers=others,
            resume=None if found is None else found.saved, stop=stop, world=world,
        )


def _show(
    name: str, task: Task, path: Path, summary: Summary, confusion: Confusion | None, as_json: bool
) -> None:
    from archspec.cli.confusion import show
    from archspec.train.table import summary_text

    if not as_json:
        if confusion is not None:
            show(confusion, result_console(), summary=True)
        click.echo(f"{summary_text(summary)}\nrun folder: {path}")
        return
    about = {
        "name": name, "device": str(task.machine.device), "run_dir": str(path), "recipe": task.recipe.to_data(),
        "data": {"name": task.recipe.data, "sources": task.sources},
    }
    classes = {} if confusion is None else confusion.to_json()
    click.echo(json.dumps(classes | summary.to_json() | about, indent=2, ensure_ascii=False))
