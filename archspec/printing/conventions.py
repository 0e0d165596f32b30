"""Prints what other tools count of a network, and why it is not what archspec counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from archspec.text import count_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from archspec.analysis.conventions import Figure, Omission


def show(figures: list[Figure], console: Console) -> None:
    """Print each tool's number, then the differences, then what it leaves out."""
    for figure in figures:
        console.print()
        console.print(*_lines(figure), sep="\n")


def _lines(figure: Figure) -> Iterator[Text]:
    from rich.text import Text

    of = figure.convention
    images = "one sample" if figure.batch_size == 1 else f"a batch of {figure.batch_size}"
    rest = f" of {images}" + ("" if figure.exact else ", at least")
    yield Text.assemble((f"{of.name}: {figure.total:,} {of.unit}", "bold"), rest)
    yield Text(f"  {of.tool}: {of.how}", style="dim")
    factor = "" if of.per_mac == 1 else f"{of.per_mac} × "
    width = max(len(f"{abs(x):,}") for x in (figure.macs * of.per_mac, *(d.amount for d in figure.differences)))
    yield Text(f"    {figure.macs * of.per_mac:>{width},}  {factor}archspec's MACs")
    for each in figure.differences:
        sign = "+" if each.amount > 0 else "−"
        yield Text(f"  {sign} {abs(each.amount):>{width},}  {each.what}{_times(each.layers)}: {each.reason}")
    for out in figure.left_out:
        if out.macs:
            yield Text(f"  − {out.macs * of.per_mac:>{width},}  {out.what}{_times(out.layers)}, left out: {out.reason}")
    for out in figure.left_out:
        if out.elementwise_flops or not out.macs:
            yield Text(f"    {'left out':>{width}}  {_work(out)}: {out.reason}", style="dim")


def _work(out: Omission) -> str:
    return f"{out.what}{_times(out.layers)}, {count_text(out.elementwise_flops)} element-wise FLOPs"


def _times(layers: int) -> str:
    return "" if layers == 1 else f" ×{layers}"
