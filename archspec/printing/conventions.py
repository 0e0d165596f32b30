"""Prints what other tools count of a network, and why it is not what archspec counts."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill
from typing import TYPE_CHECKING

from archspec.text import clean, count_text

if TYPE_CHECKING:
    from rich.console import Console

    from archspec.analysis.conventions import Figure, Omission


def show(figures: list[Figure], console: Console) -> None:
    """Print each tool's number, then the differences, then what it leaves out; a long text is wrapped below itself."""
    for figure in figures:
        console.print()
        for start, text, style in _lines(figure):
            line = fill(text, console.width, initial_indent=start, subsequent_indent=" " * len(start))
            console.print(line, style=style or None, markup=False)


def _lines(figure: Figure) -> Iterator[tuple[str, str, str]]:
    """What a line begins with, its text and its style."""
    of = figure.convention
    images = "one sample" if figure.batch_size == 1 else f"a batch of {figure.batch_size}"
    rest = f" of {images}" + ("" if figure.exact else ", at least")
    fails = "" if figure.fails is None else f"; fails, because {clean(figure.fails)} needs 2 or more at a time"
    yield "", f"{of.name}: {figure.total:,} {of.unit}{rest}{fails}", "bold"
    yield "  ", f"{of.tool}: {of.how}", "dim"
    factor = "" if of.per_mac == 1 else f"{of.per_mac} × "
    width = max(len(f"{abs(x):,}") for x in (figure.macs * of.per_mac, *(d.amount for d in figure.differences)))
    yield f"    {figure.macs * of.per_mac:>{width},}  ", f"{factor}archspec's MACs", ""
    for each in figure.differences:
        start = f"  {'+' if each.amount > 0 else '−'} {abs(each.amount):>{width},}  "
        yield start, f"{clean(each.what)}{_times(each.layers)}: {each.reason}", ""
    for out in figure.left_out:
        if out.macs:
            start = f"  − {out.macs * of.per_mac:>{width},}  "
            yield start, f"{clean(out.what)}{_times(out.layers)}, left out: {out.reason}", ""
    for out in figure.left_out:
        if out.elementwise_flops or not out.macs:
            yield f"    {'left out':>{width}}  ", f"{_work(out)}: {out.reason}", "dim"


def _work(out: Omission) -> str:
    return f"{clean(out.what)}{_times(out.layers)}, {count_text(out.elementwise_flops)} element-wise FLOPs"


def _times(layers: int) -> str:
    return "" if layers == 1 else f" ×{layers}"
