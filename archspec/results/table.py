"""A comparison as a table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archspec.diagnostics import wrapped
from archspec.results.compare import Comparison
from archspec.results.formats import DIAGNOSIS, cells, shown_measures, titles
from archspec.results.words import label, summary_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_GAP: Final = 3  # characters between two columns
_FOLDED: Final = 18  # the width that a column of words needs if it is folded


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
    shown = _columns(comparison, heads, rows, width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    varied = len(comparison.varied)
    for k in shown:
        figures = varied <= k < len(heads) - 2
        table.add_column(
            heads[k], justify="right" if figures else "left", overflow="fold", no_wrap=figures,
        )
    for k, row in enumerate(rows):
        table.add_row(*(row[column] for column in shown), style="bold" if k == comparison.baseline else None)
    empty = len(heads) - 1 if not any(row[-1] for row in rows) else None
    return table, [head for k, head in enumerate(heads) if k not in shown and k != empty]


def _columns(comparison: Comparison, heads: list[str], rows: list[list[str]], width: int) -> list[int]:
    """The columns that fit, in order; what varies, n, the compared figure and the verdict are always included."""
    from rich.cells import cell_len

    varied, last = len(comparison.varied), len(heads) - 1
    names = shown_measures(comparison)
    places = {name: varied + 1 + k for k, name in enumerate(names)}
    main = [places[comparison.measure.name]] if comparison.measure.name in places else []
    chosen = [*range(varied + 1), *main, last - 1]
    wrong = [last] if any(row[last] for row in rows) else []
    extra = [*wrong, last - 2, *(places[name] for name in names if name != comparison.measure.name)]
    needs = [max(cell_len(row[k]) for row in [heads, *rows]) for k in range(len(heads))]
    needs[last] = min(needs[last], _FOLDED)
    room = width - sum(needs[k] + _GAP for k in chosen) - 1
    for k in extra:
        if needs[k] + _GAP <= room:
            chosen.append(k)
            room -= needs[k] + _GAP
    return sorted(chosen)
