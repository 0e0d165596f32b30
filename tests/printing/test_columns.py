"""The columns that fit into a terminal, and their widths."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich import box
from rich.console import Console
from rich.table import Table

from archspec.printing.columns import WORDS, Column, add_columns, fitting, of_values, padding

TEXTS = st.text("ab_ ", min_size=1, max_size=40).map(lambda text: text.strip() or "a")


@st.composite
def tables(draw: st.DrawFn) -> list[Column]:
    count = draw(st.integers(1, 4))
    numbers, words = st.integers(0, 10**9).map(str), TEXTS
    return [
        of_values(draw(TEXTS), draw(st.lists(draw(st.sampled_from([numbers, words])), min_size=count, max_size=count)))
        for _ in range(draw(st.integers(1, 8)))
    ]


@given(tables(), st.integers(60, 160))
def test_tables_fit_and_keep_their_numbers(columns: list[Column], width: int) -> None:
    shown = fitting(columns, range(len(columns)), width)
    table, stream = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=padding(columns, width)), io.StringIO()
    add_columns(table, columns, shown)
    for row in zip(*(columns[k].cells for k in shown), strict=True):
        table.add_row(*row)
    Console(file=stream, width=width).print(table)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for k in shown:
        assert columns[k].least is not None or all(cell in stream.getvalue() for cell in columns[k].cells)
    if sum(column.natural + 3 for column in columns) <= width:
        assert padding(columns, width) == (0, 1)
        assert [shown[k] for k in range(len(columns))] == [column.natural for column in columns]


def test_what_is_folded() -> None:
    assert of_values("lr", ["0.1", "1e-05", "–", "-3", "1,000"]).least is None
    assert of_values("a", ["relu", "3"]).least == WORDS
    assert of_values("a", ["[1, 2]"]).least == WORDS


def test_heads_are_broken_behind_underscores_and_spaces() -> None:
    table = Table()
    add_columns(table, [Column("label_smoothing", ["0"]), Column("train loss", ["1"]), Column("lr", ["2"])], {0: 9, 1: 5, 2: 4})
    assert [str(column.header) for column in table.columns] == ["label_\nsmoothing", "train\nloss", "lr"]


def test_the_first_column_is_always_in() -> None:
    columns = [Column("x" * 90, ["1"]), Column("y", ["2"])]
    assert fitting(columns, [0, 1], 60) == {0: 58}
    assert fitting(columns, [1, 0], 60) == {1: 1}
