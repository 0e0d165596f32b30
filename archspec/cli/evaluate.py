"""`archspec evaluate`: evaluate a run on a split of its data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archspec.cli.console import tell
from archspec.cli.json_output import print_json
from archspec.cli.options import COUNT, DEVICE, json_option, plugin_option
from archspec.cli.processes import alone
from archspec.diagnostics import plural
from archspec.text import clean

if TYPE_CHECKING:
    from archspec.data.registry import RunSplit
    from archspec.inference.evaluate import Evaluation
    from archspec.inference.trained_run import FinishedRun



@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True,
              help="The split to evaluate.")
@click.option("--data", metavar="NAME", help="Another data set: a known name, or folder:PATH.")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Folder to search first for data sets; also $ARCHSPEC_DATA.")
@click.option("--device", default="auto", show_default=True, type=DEVICE, metavar=DEVICE.name,
              help="Where to compute.")
@click.option("--precision", type=click.Choice(["auto", "fp32", "tf32", "bf16", "fp16"]), default="auto",
              show_default=True, help="As for `archspec train`.")
@click.option("--batch-size", type=COUNT, metavar="N", help="Images per batch; default: as in training.")
@click.option("--limit-test", type=COUNT, metavar="N", help="Use only the first N test images.")
@plugin_option
@json_option
@alone
def command(
    run: Path, split: RunSplit, data: str | None, data_root: Path | None, device: str, precision: str,
    batch_size: int | None, limit_test: int | None, as_json: bool,
) -> None:
    """Evaluate the run in the folder RUN, finished or stopped, on the test split of its data, or on another.

    The training and validation images are those of the run, with the split and limits of its recipe and seed.

    Prints loss, accuracy, the accuracy of each class and the confusion matrix. Draws the matrix to RUN/confusion.svg,
    or to RUN/confusion-evaluate.svg for images other than the run's test images.
    """
    if limit_test is not None and split == "train":
        raise click.UsageError("--limit-test limits the test images: leave it out, or evaluate --split test")
    from archspec.backends.denormals import denormals_flushed
    from archspec.backends.device import pick_device
    from archspec.backends.fits import report_memory_shortage
    from archspec.data.validation import val_folder
    from archspec.inference.evaluate import evaluate_run
    from archspec.inference.trained_run import open_run
    from archspec.train.report.confusion_data import save_confusion
    from archspec.train.report.confusion_picture import OTHER_PICTURE, PICTURE, draw_confusion
    from archspec.train.run_dir.saved_options import earlier_choices
    from archspec.train.setup import Machine
    from archspec.train.step.precision import Settings, pick_precision

    opened = open_run(run, with_data=data is None)
    finished, limit_train = opened.with_recipe(batch_size=batch_size), None
    if data is not None:
        finished = finished.with_recipe(data=data, validation="val" if val_folder(data) else "test")
    elif split != "test":
        if limit_test is not None and isinstance(opened.recipe.validation, (int, float)):
            raise click.UsageError("--limit-test limits the test images; the validation images are of the training "
                                   "set: leave it out")
        noted = earlier_choices(run)
        limit_train, limit_test = noted.get("limit_train"), limit_test or noted.get("limit_test")
    for notice in finished.notices:
        tell(notice)
    where = pick_device(device)
    click.get_current_context().with_resource(denormals_flushed())
    settings = Settings(pick_precision(precision, where))
    machine = Machine(where, data_root, limit_train, limit_test, settings)
    with report_memory_shortage("evaluation"):
        result = evaluate_run(finished, machine, split=split, progress=tell)
    for notice in result.notices:
        tell(notice)
    own = split == "test" and opened.was_tested_on(result.data, result.metrics.images)
    picture = run / (PICTURE if own else OTHER_PICTURE)
    if result.confusion is not None:
        draw_confusion(result.confusion, picture, finished.name, result.data, split)
    if own and result.confusion is not None:
        save_confusion(result.confusion, run)
    if as_json:
        about = {"name": finished.name, "run_dir": str(run), "device": str(where)}
        drawn = {} if result.confusion is None else {"picture": str(picture)}
        print_json(result.to_json() | about | drawn)
    else:
        _show(finished, result, picture)


def _show(finished: FinishedRun, result: Evaluation, picture: Path) -> None:
    from archspec.cli.confusion import show
    from archspec.cli.console import result_console
    from archspec.train.report.table import titled

    figures = result.metrics
    data = f"{clean(result.data)}, {result.split} split"
    click.echo(f"{clean(finished.name)} on {data}: {plural(figures.images, 'image')}")
    click.echo(titled(figures.figures()))
    if result.confusion is not None:
        show(result.confusion, result_console())
        click.echo(f"picture: {clean(str(picture))}")
