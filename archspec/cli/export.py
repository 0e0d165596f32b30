"""`archspec export`: write runs for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from archspec.cli.console import tell
from archspec.diagnostics import plural
from archspec.text import clean

if TYPE_CHECKING:
    from archspec.results.export.target import Adapter

TOOLS: Final = ("csv", "tensorboard", "mlflow", "trackio", "wandb")


@click.command("export")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN|SWEEP|FOLDER...")
@click.option("--to", "tool", type=click.Choice(TOOLS), help="The target tool.")
@click.option("--into", "place", metavar="DIR|URI",
              help="Output folder; default export/TOOL. For mlflow also a tracking URI.")
@click.option("--project", metavar="NAME", help="The project or experiment; default: the name of SWEEP or RUN.")
def command(paths: tuple[Path, ...], tool: str | None, place: str | None, project: str | None) -> None:
    """Write runs for another tool: tables, TensorBoard, MLflow, trackio, or Weights & Biases (offline).

    A run that was exported before is replaced if it has continued since then.
    """
    from archspec.cli.run_folders import runs_of
    from archspec.results.export.run import exported, safe_name

    if tool is None:
        raise click.UsageError(f"name the target tool: --to {'|'.join(TOOLS)}")
    records = runs_of(paths)
    runs = {run.id: run for run in map(exported, records)}  # a folder and its copy count once
    if len(runs) < len(records):
        tell(f"note: {plural(len(records) - len(runs), 'run')} left out: copies of others")
    default = paths[0].stem if paths[0].is_file() else paths[0].resolve().name
    done = _adapter(tool)([*runs.values()], place or f"export/{tool}", safe_name(project or default))
    counts = {"written": done.written, "replaced": done.replaced, "unchanged": done.unchanged}
    tell(", ".join(f"{number} {what}" for what, number in counts.items() if number) + "; to view them:")
    click.echo(clean(done.look))


def _adapter(tool: str) -> Adapter:
    from archspec.results.export import csv_tables, mlflow, tensorboard, wandb

    adapters: dict[str, Adapter] = {
        "csv": csv_tables.export, "tensorboard": tensorboard.export, "mlflow": mlflow.export,
        "trackio": wandb.export_trackio, "wandb": wandb.export_wandb,
    }
    return adapters[tool]
