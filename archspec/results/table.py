"""A comparison as a table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archspec.diagnostics import wrapped
from archspec.printing.columns import WORDS, Column, add_columns, fitting, of_values, padding
from archspec.results.compare import Comparison
from archspec.results.formats import DIAGNOSIS, cells, shown_measures, titles
from archspec.results.words import label, summary_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_FOLDED: Final = 18  # the width to which a diagnosis may be folded


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Print the table, as wide as the console, and the conclusions below it."""
    from rich.text import Text

    if not comparison.groups:
        console.print(Text("no trial has a result yet"))
        return
    table, left_out = comparison_table(comparison, console.width)
    console.print(table)
    lines = summary_lines(comparison)
    if DIAGNOSIS in left_out:
        lines += [f"{label(comparison, group)}: {group.diagnosis}" for group in comparison.groups if group.diagnosis]
    rest = [title for title in left_out if title != DIAGNOSIS]
    if rest:
        lines.append(f"no room for {'; '.join(rest)} (`archspec compare … --format csv` has all)")
    for line in lines:
        console.print(Text(wrapped(line, console.width, 2)), soft_wrap=True)


def comparison_table(comparison: Comparison, width: int) -> tuple[Table, list[str]]:
    """A table with what varies first, then figures, and verdict and diagnosis last.

    Also returns the titles of the columns, the least important ones, that do not fit into `width`.
    """
    from rich import box
    from rich.table import Table

    heads, rows = titles(comparison), [cells(comparison, group) for group in comparison.groups]
    columns = _columns(comparison, heads, rows)
    shown = fitting(columns, _ranked(comparison, rows), width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=padding(columns, width))
    add_columns(table, columns, shown)
    for k, row in enumerate(rows):
        table.add_row(*(row[column] for column in shown), style="bold" if k == comparison.baseline else None)
    empty = len(heads) - 1 if not any(row[-1] for row in rows) else None
    return table, [head for k, head in enumerate(heads) if k not in shown and k != empty]


def _columns(comparison: Comparison, heads: list[str], rows: list[list[str]]) -> list[Column]:
    """What varies, and verdict and diagnosis, may be folded; a figure stays whole."""
    varied, last = len(comparison.varied), len(heads) - 1
    columns = []
    for k, head in enumerate(heads):
        texts = [row[k] for row in rows]
        if k < varied:
            columns.append(of_values(head, texts))
        elif k < last - 1:
            columns.append(Column(head, texts, right=True))
        else:
            columns.append(Column(head, texts, _FOLDED if k == last else WORDS))
    return columns


def _ranked(comparison: Comparison, rows: list[list[str]]) -> list[int]:
    """The columns, the most important first: the compared figure, what varies, n and the verdict."""
    varied, names = len(comparison.varied), shown_measures(comparison)
    places = {name: varied + 1 + k for k, name in enumerate(names)}
    difference = varied + 1 + len(names)
    main = [places[comparison.measure.name]] if comparison.measure.name in places else []
    wrong = [difference + 2] if any(row[-1] for row in rows) else []
    return [*main, varied, difference + 1, *range(varied), *wrong, difference, *places.values()]
