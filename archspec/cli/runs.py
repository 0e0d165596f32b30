"""`archspec runs`: find, filter, tag and remove the runs of a project."""

from __future__ import annotations

import json
from math import isnan
from pathlib import Path
from typing import Any, Final

import click

from archspec.cli.console import result_console, tell
from archspec.cli.json_output import print_json
from archspec.cli.options import COUNT, is_given, json_option
from archspec.diagnostics import one_line, plural
from archspec.text import clean

_MEMORY: Final = "peak_memory_bytes"
_COLUMNS: Final = (
    "path", "network", "test_accuracy", "test_f1", "test_mae", "test_r2", "last_train_loss", "epochs_done", "seconds",
    _MEMORY, "tags", "diagnosis",
)
_TITLES: Final = {
    "epochs_done": "epochs run", "last_train_loss": "train loss", "test_accuracy": "test acc", "test_f1": "test F1",
    "test_mae": "test MAE", "test_r2": "test R²", _MEMORY: "memory",
}
_NUMBERS: Final = {  # name → digits
    "test_accuracy": 4, "test_f1": 4, "test_mae": 4, "test_r2": 4, "last_train_loss": 4, "epochs_done": 0, "seconds": 0,
    _MEMORY: 0,
}
_FOLDED: Final = {"path": 24, "network": 12, "tags": 18, "diagnosis": 18}  # the widths to which they may be folded
_DROPPED: Final = frozenset({"train.data"})


@click.group("runs", invoke_without_command=True)
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True,
              metavar="DIR", help="Folder of the runs.")
@click.option("--where", metavar="CONDITION", help="Only runs that match: `lr > 0.1 and network = lenet`.")
@click.option("--sort", metavar="FIELD", help="Sort by a figure or a setting; -FIELD: largest first.")
@click.option("--limit", type=COUNT, metavar="N", help="Show only the first N.")
@click.option("--rebuild", is_flag=True, help="Rebuild the index from the run folders.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, root: Path, where: str | None, sort: str | None, limit: int | None, rebuild: bool, as_json: bool
) -> None:
    """List the runs below a folder: what was trained, with what settings, and how it went.

    The index, `runs/archspec.db`, only contains data from the run folders.
    """
    ctx.obj = root
    if ctx.invoked_subcommand is not None:
        _refuse_listing(ctx, ctx.invoked_subcommand)
        return
    rows = chosen(root, where, rebuild=rebuild)
    if sort is not None:
        rows = in_order(rows, sort)
    shown = rows[:limit] if limit else rows
    if as_json:
        print_json({"format": 1, "root": str(root), "runs": shown})
        return
    if not rows:
        tell(f"no run in {root}" + (" matches the condition" if where else ""))
        return
    _show(shown)
    if len(shown) < len(rows):
        click.echo(f"{len(shown)} of {plural(len(rows), 'run')}")


def _refuse_listing(ctx: click.Context, subcommand: str) -> None:
    """Raise UsageError for options of the list, which a subcommand would silently ignore."""
    for name in ("where", "sort", "limit", "rebuild", "as_json"):
        if is_given(name):
            flag = name.removeprefix("as_")
            raise click.UsageError(f"--{flag} before `{subcommand}` is for the list of runs: leave it out, or write it "
                                   f"behind `{subcommand}` if that has it too")


def chosen(root: Path, where: str | None, *, rebuild: bool = False) -> list[dict[str, Any]]:
    """The rows of the runs below `root` that match a condition."""
    from archspec.results.index import Index
    from archspec.results.where import check_fields, parse_where

    condition = None if where is None else parse_where(where)
    if not root.is_dir():
        return []
    index = Index(root)
    rows = index.rebuild() if rebuild else index.rows()
    if condition is None or where is None:
        return rows
    check_fields(where, rows)
    return [row for row in rows if condition(row)]


def in_order(rows: list[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    """The rows sorted by a field. Rows without it come last, and those where it is not a number."""
    from archspec.results.where import check_fields, field_of

    name = sort.removeprefix("-")
    check_fields(f"{name} = x", rows)
    values = [field_of(row, name) for row in rows]
    known = [value is not None and not (isinstance(value, float) and isnan(value)) for value in values]
    have = [k for k in range(len(rows)) if known[k]]
    numbers = all(isinstance(values[k], (int, float)) for k in have)
    have.sort(key=lambda k: (float if numbers else str)(values[k]), reverse=sort.startswith("-"))
    return [rows[k] for k in dict.fromkeys([*have, *range(len(rows))])]


def _show(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    from archspec.printing.columns import Column, add_columns, fitting, of_values, padding
    from archspec.printing.plain import show_lines
    from archspec.results.formats import title_of

    console = result_console()
    settings = _varied(rows)
    columns = [c for c in _COLUMNS if c == "path" or any(row.get(c) for row in rows)]
    places = [*columns[:2], *settings, *columns[2:]]
    cells = {
        name: [_cell(name, (row["settings"] if name in settings else row).get(name)) for row in rows]
        for name in places
    }
    titles = {name: _TITLES.get(name, title_of(name).removeprefix("vars.")) for name in places}
    fitted = [
        of_values(titles[name], cells[name]) if name in settings
        else Column(titles[name], cells[name], _FOLDED.get(name), right=name in _NUMBERS) for name in places
    ]
    order = ["path", "test_accuracy", *settings, "diagnosis", "tags", "network", "last_train_loss", "epochs_done"]
    shown = fitting(fitted, [places.index(name) for name in [*order, *places] if name in places], console.width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=padding(fitted, console.width))
    add_columns(table, fitted, shown)
    for row in zip(*(fitted[k].cells for k in shown), strict=True):
        table.add_row(*row)
    console.print(table)
    left_out = [column.head for k, column in enumerate(fitted) if k not in shown]
    if left_out:
        show_lines(console, f"no room for {'; '.join(left_out)} (`archspec runs --json` has all)")


def _cell(name: str, value: Any) -> str:
    from archspec.results.formats import number_text, value_text

    if name == "tags":
        return value_text(", ".join(value or []))
    if name not in _NUMBERS or value is None:
        return value_text(value)
    if name == _MEMORY:
        return number_text(value, name)
    return f"{value:.{_NUMBERS[name]}f}" if value < 1e5 else f"{value:.3g}"


def _varied(rows: list[dict[str, Any]]) -> list[str]:
    """The settings in which these runs differ, at most six."""
    from archspec.results.compare import follows_optimizer

    settings = [row["settings"] for row in rows]
    varied = [
        key for key in dict.fromkeys(key for one in settings for key in one)
        if key not in _DROPPED and len({json.dumps(one.get(key), sort_keys=True) for one in settings}) > 1
        and not follows_optimizer(key, settings)
    ]
    return varied[:6]


@command.command("tag")
@click.argument("name", metavar="TAG")
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--remove", "off", is_flag=True, help="Remove the tag.")
def tag(name: str, runs: tuple[Path, ...], off: bool) -> None:
    """Give RUNS a TAG, to find them again: `archspec runs --where 'tag = baseline'`."""
    from archspec.diagnostics import error
    from archspec.results.index import read_tags, write_tags
    from archspec.results.record import is_run_folder

    if not off and not name.strip():
        raise click.UsageError("the tag is empty")
    for run in runs:
        if not is_run_folder(run):
            raise error("RUN360", f"there is no run in {run}", hint="name a folder that `archspec train` made")
    for run in runs:
        write_tags(run, [other for other in read_tags(run) if other != name] + [name] * (not off))


@command.command("rm")
@click.argument("runs", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--where", metavar="CONDITION", help="All runs below --root that match.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_context
def remove(ctx: click.Context, runs: tuple[Path, ...], where: str | None, yes: bool) -> None:
    """Remove RUNS with all their files, after confirmation."""
    from archspec.results.remove import check_removable, remove_run

    root: Path = ctx.obj
    if not runs and not where:
        raise click.UsageError("name runs to remove, or a condition: --where 'epochs_done = 0'", ctx)
    matching = [root / row["path"] for row in (chosen(root, where) if where else [])]
    named = [*{run.resolve(): run for run in (*runs, *matching)}.values()]
    if not named:
        tell(f"no run in {root} matches the condition")
        return
    for run in named:
        check_removable(run)
    for run in named:
        click.echo(clean(one_line(str(run))))
    if not yes:
        click.confirm(f"Remove {plural(len(named), 'run')}?", abort=True, err=True)
    for run in named:
        remove_run(run)
    tell(f"removed {plural(len(named), 'run')}")
