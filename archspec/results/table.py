"""A comparison as a table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.results.compare import Comparison
from archspec.results.formats import cells, titles

if TYPE_CHECKING:
    from rich.table import Table


def comparison_table(comparison: Comparison) -> Table:
    """What varies first, figures in columns of their own, the verdict and what was wrong last."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    heads, varied = titles(comparison), len(comparison.varied)
    for k, title in enumerate(heads):
        figures = varied <= k < len(heads) - 2
        table.add_column(title, justify="right" if figures else "left", overflow="fold")
    for k, group in enumerate(comparison.groups):
        row = cells(comparison, group)
        table.add_row(*row, style="bold" if k == comparison.baseline else None)
    return table
