"""The confusion matrix as text: whole figures in any terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from archspec.cli.confusion import show
from archspec.train.report.confusion import Confusion


def printed(classes: int, width: int, *, summary: bool, name: str = "class of things") -> list[str]:
    counts = {(true, other): 1000 + 10 * true + other for true in range(classes) for other in range(classes)}
    found = Confusion(tuple(f"{name} {k}" for k in range(classes)), classes, counts)
    stream = io.StringIO()
    show(found, Console(file=stream, width=width, color_system=None, highlight=False, markup=False), summary=summary)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("summary", [False, True])
@pytest.mark.parametrize("classes", [2, 8, 10, 16, 40])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_figure_is_cut(classes: int, width: int, summary: bool) -> None:
    lines = printed(classes, width, summary=summary)
    assert max(map(len, lines)) <= width
    rows = [line for line in lines if line.lstrip().startswith(tuple(f"{k} class" for k in range(classes)))]
    assert len(rows) == (min(classes, 10) if summary and not lines[0].startswith("row:") else classes)
    if lines[0].startswith("row: true class"):
        shown = [row.split("%")[1].split() for row in rows]
        assert classes <= 16 and shown == [[str(1000 + 10 * k + j) for j in range(classes)] for k in range(classes)]
    else:
        assert classes > 16 or width < 200
        images = sum(1000 + k for k in range(classes))
        assert all(f" {images + 10 * int(row.split()[0]) * classes} " in row for row in rows)


def test_a_long_name_is_shortened() -> None:
    lines = printed(40, 80, summary=False, name="a class with a name that is very long")
    assert max(map(len, lines)) <= 80 and sum("%" in line for line in lines) == 40
