"""`archspec predict`: the most likely classes of image files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archspec.cli.console import print_diagnostics, tell
from archspec.cli.failures import WRONG
from archspec.cli.json_output import print_json
from archspec.cli.options import COUNT, DEVICE, json_option, plugin_option
from archspec.cli.processes import alone
from archspec.diagnostics import one_line
from archspec.text import clean

if TYPE_CHECKING:
    from archspec.data.survey import Survey
    from archspec.inference.predict import Prediction

PREDICTION_FORMAT = 1


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, metavar="IMAGE…", type=click.Path(path_type=Path))
@click.option("--top", type=COUNT, default=3, show_default=True, metavar="N", help="Classes to show.")
@click.option("--device", default="auto", show_default=True, type=DEVICE, metavar=DEVICE.name,
              help="Where to compute.")
@click.option("--batch-size", type=COUNT, default=32, show_default=True, metavar="N", help="Images at a time.")
@plugin_option
@json_option
@alone
@click.pass_context
def command(
    ctx: click.Context, run: Path, images: tuple[Path, ...], top: int, device: str, batch_size: int, as_json: bool
) -> None:
    """Show the most likely classes of each IMAGE, with probabilities, for the network of the run in the folder RUN.

    The run may be finished or stopped. Images are decoded, resized and scaled as in training. A broken image is
    reported, the others are still shown, and the exit code is 1.
    """
    from archspec.backends.denormals import denormals_flushed
    from archspec.backends.device import pick_device
    from archspec.backends.fits import report_memory_shortage
    from archspec.data.survey import Survey
    from archspec.inference.predict import predict
    from archspec.inference.trained_run import open_run

    ctx.with_resource(denormals_flushed())
    finished, where = open_run(run), pick_device(device)
    for notice in finished.notices:
        tell(notice)
    with report_memory_shortage("prediction"):
        results = list(predict(finished, images, where, top=top, batch_size=batch_size))
    problems = [result.problem for result in results if result.problem is not None]
    for notice in _seen(results, Survey()).notices():
        tell(f"note: {notice}")
    if as_json:
        rows = [result.to_json() for result in results]
        about = {"format": PREDICTION_FORMAT, "name": finished.name, "run_dir": str(run), "images": rows}
        print_json(about)
    else:
        _show([result for result in results if result.problem is None])
    print_diagnostics(problems)
    if problems:
        ctx.exit(WRONG)


def _seen(results: list[Prediction], survey: Survey) -> Survey:
    """The survey, with a count of what was done to the images."""
    for result in results:
        if result.facts is not None:
            survey.add(result.facts)
    return survey


def _show(results: list[Prediction]) -> None:
    """Print a line for each image: its name, then classes and probabilities in columns, best first."""
    from rich.cells import cell_len  # Chinese characters take two columns

    rows = [
        [_line(str(result.path)), *(f"{_line(name)} {100 * p:.1f} %" for name, p in result.classes)]
        for result in results
    ]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _line(text: str) -> str:
    return clean(one_line(text))
