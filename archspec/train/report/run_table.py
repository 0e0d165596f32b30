"""A run for people: a table of its epochs, texts, and its curves for a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal

from archspec.language.loss import FIGURES
from archspec.text import clean
from archspec.train.report.table import figure_text
from archspec.train.summary import SHORT, Criterion, EpochResult, best_epoch

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PARTS: Final[tuple[Literal["train", "evaluated"], ...]] = ("train", "evaluated")
ROWS: Final = 12  # the most epochs that a table shows


def show_run(
    console: Console, title: str, epochs: Sequence[EpochResult], criterion: Criterion, texts: Iterable[str]
) -> None:
    """Print a title, a table of the epochs, and texts below it."""
    from rich.text import Text

    console.print(Text(clean(title), style="bold"))
    if epochs:
        console.print(_epoch_table(epochs, criterion))
    for text in texts:
        console.print(Text(clean(text)))


def curves(name: str, epochs: Sequence[EpochResult]) -> list[str]:
    """The learning curves as SVG, if there are at least two epochs to join."""
    if len(epochs) < 2:
        return []
    from archspec.train.report.curves import Curve, curves_svg

    return [curves_svg([Curve(name, epochs)], name)]


def _epoch_table(epochs: Sequence[EpochResult], criterion: Criterion) -> Table:
    """The last epochs, and the best one, which is bold."""
    from rich import box
    from rich.table import Table

    best = best_epoch(epochs, criterion)
    shown = list(epochs[-ROWS:])
    shown = shown if best in shown else [best, *shown[1:]]
    split, metric = SHORT[epochs[-1].split], epochs[-1].metric
    names = ["loss"] if metric == "loss" else ["loss", metric]
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="bold")
    table.add_column("epoch", justify="right")
    for part in ("train", split):
        for name in names:
            table.add_column(f"{part} {FIGURES[name].short}", justify="right")
    table.add_column("seconds", justify="right")
    for row in shown:
        figures = [figure_text(n, row.figure(n, part)) for part in PARTS for n in names]
        table.add_row(str(row.epoch), *figures, f"{row.seconds:.1f}", style="bold" if row is best else None)
    return table
