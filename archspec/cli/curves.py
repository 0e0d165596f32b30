"""`archspec curves`: the learning curves of runs in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from archspec.cli.output_file import save_output
from archspec.text import clean

if TYPE_CHECKING:
    from archspec.results.record import RunRecord
    from archspec.train.report.curves import Curve

MOST: Final = 32


@click.command("curves")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path),
                metavar="RUN|SWEEP|FOLDER...")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.svg",
              help="Where the picture goes; default: curves.svg, in the run's folder for a single run.")
@click.option("--text", is_flag=True, help="Draw the losses in the terminal instead.")
def command(paths: tuple[Path, ...], output: Path | None, text: bool) -> None:
    """Draw loss, accuracy and learning rate over the epochs.

    For one run the picture includes points within the epochs and the doctor's findings; for several it shows the
    evaluated figures, with one colour per run.
    """
    from archspec.cli.run_folders import folder_of_runs, require_runs
    from archspec.results.find import find_runs
    from archspec.train.report.curves import NAME, curves_svg
    from archspec.train.run_dir.full_disk import save_text

    if text and output is not None:
        raise click.UsageError("--text draws in the terminal, -o into a file: leave one of them out")
    if output is not None and output.suffix.lower() != ".svg":
        raise click.UsageError(f"{output}: the picture is an SVG file: give it a name that ends in .svg")
    records = require_runs(find_runs(folder_of_runs(path) for path in paths), paths)
    if len(records) > MOST:
        raise click.UsageError(f"{len(records)} runs are too many for one picture (limit {MOST}): name some of them")
    names = _names(records)
    curves = [curve_of(record, name, alone=len(records) == 1) for record, name in zip(records, names, strict=True)]
    if text:
        from archspec.train.report.chart import curves_text

        click.echo(curves_text(curves))
        return
    title = curves[0].name if len(curves) == 1 else f"{len(curves)} runs"
    path = output or (records[0].path / NAME if len(records) == 1 else Path(NAME))
    save = save_text if output is None else save_output  # nothing in a run's folder leads out of it
    save("the picture", path, curves_svg(curves, title))
    click.echo(clean(str(path)))


def _names(records: Sequence[RunRecord]) -> list[str]:
    """The name of each run in the legend: the settings in which they differ, and the seed."""
    from archspec.results.compare import compare
    from archspec.results.words import label

    if len(records) == 1:
        (only,) = records
        optimizer, rate = only.settings.get("train.optimizer", "sgd"), only.settings.get("train.lr")
        return [f"{only.network}: {optimizer}, lr {rate}, seed {only.seed}"]
    comparison = compare(records)
    groups = {record.digest: label(comparison, group) for group in comparison.groups for record in group.records}
    return [
        f"{groups[record.digest]}, seed {record.seed}" + ("" if record.status == "finished" else f", {record.progress}")
        for record in records
    ]


def curve_of(record: RunRecord, name: str, *, alone: bool) -> Curve:
    """The curve of a run. alone: include the figures within its epochs."""
    from archspec.train.report.curves import Curve, events_of
    from archspec.train.run_dir.step_points import NAME, read_steps

    steps = read_steps(record.path / NAME) if alone else []
    last = record.last
    each = last.step / last.epoch if last is not None and last.step else 0.0
    return Curve(name, record.epochs, steps, events_of(record.findings, each))
