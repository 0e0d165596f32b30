"""Accuracy per class and the confusion matrix as text: a row for each class, and the matrix if it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archspec.diagnostics import one_line
from archspec.text import clean, percent_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from archspec.train.report.confusion import ClassResult, Confusion

MATRIX: Final = 16  # the most columns of numbers that are readable
WORST: Final = 10  # the most rows of a summary
NAME: Final = 24  # characters


def show(confusion: Confusion, console: Console, *, summary: bool = False) -> None:
    """Print accuracy per class and the confusion matrix. summary: of many classes, print only the worst."""
    from archspec.printing.profile_table import fit, natural_width

    matrix = _matrix(confusion) if len(confusion.columns) <= MATRIX else None
    if matrix is not None and natural_width(matrix, console) <= console.width:
        console.print("row: true class; column: predicted class")
        console.print(matrix)
        return
    rows = sorted(range(confusion.classes), key=lambda k: (_accuracy(confusion, k), k))
    shown = rows[:WORST] if summary else range(confusion.classes)
    if len(shown) < confusion.classes:
        console.print(f"the {len(shown)} of {confusion.classes} classes with the lowest accuracy")
    table = _list(confusion, shown)
    fit(table, 3, console)
    console.print(table)


def _accuracy(confusion: Confusion, row: int) -> float:
    accuracy = confusion.per_class()[row].accuracy
    return 2.0 if accuracy is None else accuracy  # a class without images is not a bad one


def _matrix(confusion: Confusion) -> Table:
    from rich.text import Text

    table = _table("class")
    table.add_column("accuracy", justify="right", no_wrap=True)
    for column in confusion.columns:
        table.add_column(str(column), justify="right", no_wrap=True)
    for row, (result, counts) in enumerate(zip(confusion.per_class(), confusion.matrix(), strict=True)):
        cells = [
            Text(str(number) if number else "·", style="bold" if row == column else "" if number else "dim")
            for column, number in zip(confusion.columns, counts, strict=True)
        ]
        table.add_row(_label(row, result.name), _accuracy_text(result), *cells)
    return table


def _list(confusion: Confusion, rows: range | list[int]) -> Table:
    table = _table("class")
    for name in ("images", "accuracy"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("most often confused with", no_wrap=True)
    results = confusion.per_class()
    for row in rows:
        result, other = results[row], confusion.taken_for(row)
        wrong = f"{_name(other[0])} ({other[1]})" if other else "–"
        table.add_row(_label(row, result.name), str(result.images), _accuracy_text(result), wrong)
    return table


def _accuracy_text(result: ClassResult) -> str:
    """A class without images has no accuracy."""
    return percent_text(result.right, result.images) if result.images else "–"


def _table(first: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 0), header_style="bold")
    table.add_column(first, no_wrap=True)
    return table


def _label(row: int, name: str) -> str:
    """The number and name of a class, or only the name if it is the number."""
    return _name(name) if name == str(row) else f"{row} {_name(name)}"


def _name(name: str) -> str:
    """A class's name, shortened, without control characters and line breaks: it comes from a file."""
    plain = clean(one_line(name))
    return plain if len(plain) <= NAME else plain[: NAME - 1] + "…"
