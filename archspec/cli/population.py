"""`archspec population`: analyse the networks of a sweep without training them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from archspec.cli.console import print_diagnostics, result_console
from archspec.cli.failures import WRONG
from archspec.cli.json_output import print_json
from archspec.cli.options import json_option, plugin_option
from archspec.diagnostics import plural

if TYPE_CHECKING:
    from archspec.sweep.population import Population

TITLES: Final = {"params": "parameters", "macs": "MACs", "memory_bound_bytes": "a training step needs at most"}


@click.command("population")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True),
                metavar="FILE")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True,
              help="The quantiles as a table, or every network.")
@plugin_option
@json_option
@click.pass_context
def command(ctx: click.Context, file: Path, form: str, as_json: bool) -> None:
    """Analyse the networks of all combinations of the sweep FILE: quantiles of parameters, MACs and memory.

    Trains nothing, and needs no torch. To train some of them, use `sample` in the sweep file.
    """
    from archspec.cli.compare import check_form
    from archspec.cli.stdin import read_stdin
    from archspec.source import DEFAULT_LIMITS
    from archspec.sweep.check import mistakes
    from archspec.sweep.population import population
    from archspec.sweep.read import read_sweep

    check_form(form, as_json=as_json)
    read_stdin([str(file)], DEFAULT_LIMITS)
    found = population(read_sweep(file), str(file))
    print_diagnostics(mistakes(found.invalid))
    if as_json or form == "json":
        print_json(found.to_json())
    elif form == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(found.rows())
        click.echo(text.getvalue(), nl=False)
    else:
        _print_table(found)
    ctx.exit(WRONG if found.invalid else 0)


def _print_table(found: Population) -> None:
    from rich.table import Table
    from rich.text import Text

    from archspec.printing.columns import WORDS, Column, add_columns, fitting, of_values
    from archspec.printing.plain import show_lines
    from archspec.sweep.model import FIGURES
    from archspec.sweep.population import QUANTILES
    from archspec.text import bytes_text, clean

    console, titles = result_console(), list[int]()
    rows: list[list[str]] = []
    for figure in FIGURES if found.members else ():
        titles.append(len(rows))
        rows.append([TITLES[figure], *[""] * (1 + len(found.varied))])
        for quantile in QUANTILES:
            member = found.at(figure, quantile)
            value = getattr(member, figure)
            head = {0.0: "min", 1.0: "max"}.get(quantile, f"{100 * quantile:.0f} %")
            shown = bytes_text(value) if figure.endswith("bytes") else f"{value:,}"
            rows.append([f"  {head}", shown, *(clean(str(member.point.varied.get(key, ""))) for key in found.varied)])
    names, values, *varied = zip(*rows, strict=True) if rows else ((), (), *[()] * len(found.varied))
    heads = [clean(key.rpartition(".")[2]) for key in found.varied]
    columns = [Column("", names, WORDS), Column("", values, right=True), *map(of_values, heads, varied)]
    widths = fitting(columns, range(len(columns)), console.width)
    table = Table(box=None, pad_edge=False)
    add_columns(table, columns, widths)
    for k, row in enumerate(rows):
        table.add_row(*(Text(row[column]) for column in widths), style="bold" if k in titles else None)
    if rows:
        console.print(table)
    if rest := [column.head for k, column in enumerate(columns) if k not in widths]:
        show_lines(console, f"no room for {'; '.join(rest)} (`--format csv` has all)")
    left_out = f"; `where` leaves out {found.left_out:,}" if found.left_out else ""
    invalid = f"; {plural(len(found.invalid), 'combination')} cannot be trained" if found.invalid else ""
    show_lines(console, f"{plural(len(found.members), 'network')}{left_out}{invalid}")
