"""`archspec compare`: runs, or the trials of a sweep, beside each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from archspec.cli.console import result_console
from archspec.cli.options import json_option

if TYPE_CHECKING:
    from archspec.results.compare import Comparison

FORMATS: Final = ("table", "markdown", "csv", "latex", "json")


@click.command("compare")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
                metavar="RUN|FOLDER...")
@click.option("--by", "measure", default="test_accuracy", show_default=True, metavar="FIGURE",
              help="What runs are compared by: test_accuracy, test_loss, last_train_loss, best_accuracy, seconds, …")
@click.option("--baseline", type=click.IntRange(min=1), metavar="ROW",
              help="The row that others are compared with; default: the best.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@json_option
def command(paths: tuple[Path, ...], measure: str, baseline: int | None, form: str, as_json: bool) -> None:
    """Compare runs: folders of runs, of sweeps, or folders that hold several.

    Runs that differ by their seeds alone are one row: mean ± standard deviation. A difference is tested in pairs of
    equal seeds (t-test), with Holm's correction for the number of rows; with one seed it is not known.
    """
    from archspec.results.compare import compare
    from archspec.results.find import find_runs

    check_measure(measure)
    records = find_runs(paths)
    if not records:
        raise click.UsageError(f"there is no run in {', '.join(map(str, paths))}")
    comparison = compare(records, measure, None if baseline is None else baseline - 1)
    _show(comparison, "json" if as_json else form)


def check_measure(name: str) -> None:
    """Raise UsageError where there is no figure of that name."""
    from archspec.results.compare import MEASURES

    if name not in MEASURES:
        from archspec.diagnostics import listing, nearest

        close = nearest(name, MEASURES)
        meant = f"did you mean {close}?" if close else f"there are {listing(MEASURES)}"
        raise click.UsageError(f"there is no figure {name!r}; {meant}")


def _show(comparison: Comparison, form: str) -> None:
    from archspec.results import formats

    writers: dict[str, Any] = {
        "markdown": formats.to_markdown, "latex": formats.to_latex, "csv": lambda c: formats.to_csv(c).rstrip("\n"),
        "json": lambda c: json.dumps(formats.to_json(c), indent=2, ensure_ascii=False),
    }
    if form in writers:
        click.echo(writers[form](comparison))
        return
    from archspec.results.table import comparison_table

    result_console().print(comparison_table(comparison))
