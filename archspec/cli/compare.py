"""`archspec compare`: a table of runs, or of a sweep's trials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from archspec.cli.console import result_console
from archspec.cli.json_output import print_json
from archspec.cli.options import json_option
from archspec.diagnostics import plural

if TYPE_CHECKING:
    from archspec.results.compare import Comparison

FORMATS: Final = ("table", "markdown", "csv", "latex", "json")


@click.command("compare")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path),
                metavar="RUN|SWEEP|FOLDER...")
@click.option("--by", "measure", default="test_accuracy", show_default=True, metavar="FIGURE",
              help="The figure to compare: test_accuracy, test_loss, last_train_loss, best_accuracy, seconds, …")
@click.option("--baseline", type=click.IntRange(min=1), metavar="ROW",
              help="The row to compare with; default: the best of those with enough seeds to test.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@json_option
def command(paths: tuple[Path, ...], measure: str, baseline: int | None, form: str, as_json: bool) -> None:
    """Compare runs: folders of runs, sweeps (their file or folder), or folders that hold several.

    Runs that only differ by their seeds form one row: mean ± standard deviation. Differences are tested in pairs of
    equal seeds (t-test), with Holm's correction for the number of rows; with one seed there is no test.
    """
    from archspec.cli.run_folders import runs_of
    from archspec.results.compare import compare

    check_measure(measure)
    check_form(form, as_json=as_json)
    records = runs_of(paths)
    rows = len({record.digest for record in records})
    if baseline is not None and baseline > rows:
        raise click.UsageError(f"--baseline {baseline}: there {'is' if rows == 1 else 'are'} {plural(rows, 'row')}")
    comparison = compare(records, measure, None if baseline is None else baseline - 1)
    _show(comparison, "json" if as_json else form)


def check_form(form: str, *, as_json: bool) -> None:
    """Raise UsageError for `--json` beside another `--format`."""
    if as_json and form not in ("table", "json"):
        raise click.UsageError(f"--format {form} and --json exclude each other")


def check_measure(name: str) -> None:
    """Raise UsageError if there is no figure with this name."""
    from archspec.results.compare import MEASURES

    if name not in MEASURES:
        from archspec.diagnostics import listing, nearest

        close = nearest(name, MEASURES)
        meant = close.words("") if close else f"there are {listing(MEASURES)}"
        raise click.UsageError(f"there is no figure {name!r}; {meant}")


def _show(comparison: Comparison, form: str) -> None:
    from archspec.results import formats

    writers: dict[str, Any] = {
        "markdown": formats.to_markdown, "latex": formats.to_latex, "csv": lambda c: formats.to_csv(c).rstrip("\n"),
    }
    if form == "json":
        print_json(formats.to_json(comparison))
    elif form in writers:
        click.echo(writers[form](comparison))
    else:
        print_comparison(comparison)


def print_comparison(comparison: Comparison) -> None:
    """Print the table, as wide as the terminal, and the conclusions below it."""
    comparison.show(result_console())
