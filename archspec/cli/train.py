"""`archspec train`: train a network with its spec's recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archspec.cli.doctoring import Doctoring, doctor_options
from archspec.cli.memory_size import MEMORY
from archspec.cli.options import (
    COUNT,
    DEVICE,
    Rate,
    Reading,
    SpecPath,
    ValidationSet,
    input_option,
    json_option,
    spec_options,
)
from archspec.cli.output_format import output_format_option
from archspec.cli.processes import in_processes
from archspec.cli.saving import Saving, handle_signals, saving_options
from archspec.cli.seeds import Seeds, SeedsType, train_seeds
from archspec.cli.stdin import read_stdin
from archspec.cli.tuning import Computing, computing_options
from archspec.diagnostics import SpecError
from archspec.train.chosen_recipe import chosen_recipe, completed, resolved_text

if TYPE_CHECKING:
    from archspec.api import Loaded
    from archspec.language.input_override import InputShapes
    from archspec.train.checkpoint.resume import Resumption
    from archspec.train.distributed.process_group import ProcessGroup
    from archspec.train.signals import Stop


@click.command("train")
@click.argument("spec", type=SpecPath(), required=False)
@click.option("--recipe", "name", metavar="NAME", help="One of the spec's `recipes` instead of `train`.")
@click.option("--epochs", type=COUNT, metavar="N", help="Passes over the training set.")
@click.option("--batch-size", type=COUNT, metavar="N", help="Images that go through the network at once.")
@click.option("--accumulate", type=COUNT, metavar="K", help="Batches whose gradients are added up per step.")
@click.option("--lr", type=Rate(), metavar="RATE", help="Learning rate.")
@click.option("--optimizer", type=click.Choice(["sgd", "adam", "adamw"]), help="Update rule.")
@click.option("--data", metavar="NAME", help="Data set: a known name, or folder:PATH.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N",
              help="Seed of weights, order, augmentation and dropout.")
@click.option("--seeds", type=SeedsType(), metavar=SeedsType.name,
              help="Train once for each of N seeds, or of these; mean, standard deviation and a 95 % interval.")
@click.option("--validation", type=ValidationSet(), metavar=ValidationSet.name,
              help="Validation images: a share or number of training images, a folder's val/, or the test set.")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Folder to search first for data sets; also $ARCHSPEC_DATA.")
@click.option("--device", default="auto", show_default=True, type=DEVICE, metavar=DEVICE.name, help="Where to train.")
@input_option
@click.option("--workers", "--num-workers", type=COUNT, metavar="N",
              help="Processes that decode a folder's images; default: one per processor.")
@click.option("--limit-train", type=COUNT, metavar="N", help="Use only the first N training images.")
@click.option("--limit-test", type=COUNT, metavar="N", help="Use only the first N test images.")
@computing_options
@click.option("--fit", "memory", type=MEMORY, metavar=MEMORY.name,
              help="Change the recipe so that a step fits into this memory: recompute stages, or accumulate.")
@click.option("--run-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="The run's folder; default runs/NAME-TIME.")
@click.option("--tensorboard", is_flag=True, help="Also write each epoch's figures for TensorBoard.")
@saving_options
@doctor_options
@spec_options
@json_option
@output_format_option
@in_processes
@handle_signals
def command(
    spec: str | None, name: str | None, reading: Reading, as_json: bool, device: str, computing: Computing,
    data_root: Path | None, limit_train: int | None, limit_test: int | None,
    input_shape: InputShapes | None, workers: int | None, memory: int | None,
    run_dir: Path | None, saving: Saving, doctoring: Doctoring, stop: Stop, group: ProcessGroup | None,
    tensorboard: bool, seeds: Seeds | None, **changes: Any,
) -> None:
    """Train SPEC with its recipe; options override the recipe.

    The run folder receives the resolved spec, metrics of every epoch, checkpoints, weights and the environment.

    Under `torchrun --nproc-per-node=N -m archspec train …` N processes train together.
    """
    if seeds is not None:
        seeds.check(
            given=changes, resumed=saving.resume is not None, paused=saving.stop_after is not None,
            find_lr=doctoring.find_lr, group=group,
        )
    doctoring.check(resumed=saving.resume is not None, group=group)
    computing.check(resumed=saving.resume is not None, alone=group is None or group.alone)
    earlier = saving.earlier(spec, run_dir, group)
    changes = {key: value for key, value in changes.items() if value is not None}
    reading = reading._replace(sets=completed(reading.sets, changes))
    loaded = _loaded(spec, earlier, input_shape, reading)
    chosen = chosen_recipe(loaded, name, changes)
    recipe = chosen if earlier is None else earlier.recipe(chosen)

    from archspec.backends.allocator import keep_freed_memory
    from archspec.backends.denormals import denormals_flushed
    from archspec.backends.device import pick_device
    from archspec.cli.training import Training, fitted_recipe
    from archspec.train.distributed.process_group import ALONE
    from archspec.train.run_dir.directory import check_free, new_run_path
    from archspec.train.run_dir.tensorboard import check_tensorboard
    from archspec.train.setup import Machine

    if tensorboard:
        check_tensorboard()
    group = group or ALONE
    if earlier is None:
        path = Path(group.broadcast_text(str(run_dir or new_run_path(loaded.name))))
        if group.leads:
            check_free(path)
    else:
        path = earlier.folder
    click.get_current_context().with_resource(denormals_flushed())  # before torch starts its threads
    where = pick_device(device)
    if where.type == "cpu":
        keep_freed_memory()
    machine = Machine(where, data_root, limit_train, limit_test, computing.settings(where), group, workers)
    recipe, changes = fitted_recipe(loaded.graph, recipe, changes, machine, memory)
    if earlier is not None and not saving.allow_changes:
        earlier.check_spec(loaded.graph, recipe, changes.keys())
    if computing.tune or computing.retune:
        text = resolved_text(loaded, name, changes, recipe)
        machine = replace(machine, settings=computing.tuned(loaded.graph, text, recipe, machine))
    training = Training(loaded, name, changes, machine, saving, doctoring, stop, tensorboard)
    if seeds is not None:
        train_seeds(training, recipe, path, seeds, as_json=as_json)
    elif doctoring.find_lr:
        training.find_rate(recipe, path, as_json=as_json)
    else:
        training.run(recipe, path, earlier).show(as_json=as_json)


def _loaded(spec: str | None, earlier: Resumption | None, shape: InputShapes | None, reading: Reading) -> Loaded:
    """The spec that is named, or that of the earlier run. Raises SpecError."""
    from archspec.api import load

    arguments = reading.arguments()
    read_stdin([spec], arguments["text_limits"])
    try:
        return load(spec or (earlier and str(earlier.folder / "spec.yaml")), input=shape, **arguments)
    except SpecError as problem:
        raise problem if earlier is None else earlier.explained(problem) from problem
