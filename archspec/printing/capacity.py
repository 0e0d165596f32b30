"""Prints whether a network fits into memory, and what makes a batch fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.printing.plain import show_lines
from archspec.text import bytes_text, clean, estimates_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from archspec.capacity import Answer, Option
    from archspec.capacity.answer import Use
    from archspec.execution import Setting

_SAME = 0.005  # a smaller change of the price is none


def show(found: Answer, console: Console) -> None:
    """Print the answer in one line, then inference, what it is about, and the options."""
    asked = found.request
    style = "bold green" if found.asked is None or found.asked.fits else "bold red"
    show_lines(console, answer_text(found), style)
    show_lines(console, f"inference: {_inference(found.inference, asked.samples)}")
    place = f"{clean(asked.device.name)}: " if asked.device is not None else ""
    holds = "tensors and oneDNN's copies" if asked.setting.libraries else "tensors"
    about = f"{clean(asked.name)}, {_setting(asked.setting)}; {place}{bytes_text(asked.memory)} for {holds}"
    show_lines(console, about + _bound(found.asked), "dim")
    if found.estimated:
        show_lines(console, clean(estimates_text(found.estimated)), "yellow")
    if found.options:
        _show_options(found, console)


def answer_text(found: Answer) -> str:
    """The answer for training in one line."""
    use, memory = found.asked, bytes_text(found.request.memory)
    if use is None:
        return "the network has no parameters to train"
    if found.request.batch_size is None and found.usual is None:
        if not use.largest_batch:
            return f"no: training needs {bytes_text(use.peak_bytes)} of {memory} even with a batch of {use.batch_size}"
        return f"yes: training fits with batches up to {_largest(use)}, which need {bytes_text(use.peak_bytes)}"
    whose = "the recipe's batches" if found.usual is not None else "batches"
    needs = f"training with {whose} of {use.batch_size:,} needs {bytes_text(use.peak_bytes)} of {memory}"
    if use.fits:
        return f"yes: {needs}, {bytes_text(use.spare_bytes)} to spare; the largest batch is {_largest(use)}"
    if use.largest_batch:
        return f"no: {needs}; the largest batch is {_largest(use)}"
    return f"no: {needs}; {_least(use)}"


def _largest(use: Use) -> str:
    return f"{use.largest_batch:,}{' or more' if use.searched_to_the_end else ''}"


def _least(use: Use) -> str:
    """Why no batch fits: `even a batch of 1 needs 6.86 MiB`."""
    size, peak = use.least
    return f"even a batch of {size} needs {bytes_text(peak)}"


def _inference(use: Use, samples: str) -> str:
    if not use.largest_batch:
        return f"no, {_least(use)}"
    most = f"at most {_largest(use)} {samples} at once"
    if use.batch_size == use.largest_batch:
        return most
    return f"{'yes' if use.fits else 'no'}, {use.batch_size:,} {samples} need {bytes_text(use.peak_bytes)}; {most}"


def _setting(setting: Setting) -> str:
    return f"{setting.precision}{', channels last' if setting.channels_last else ''}, {setting.optimizer.text}"


def _bound(use: Use | None) -> str:
    if use is None:
        return ""
    beside = f"; libraries may take up to {bytes_text(use.workspace_bytes)} more" if use.workspace_bytes else ""
    return f"; most of it: {use.bound}, {bytes_text(use.parts[use.bound])}{beside}"


def _show_options(found: Answer, console: Console) -> None:
    from rich.padding import Padding
    from rich.text import Text

    assert found.asked is not None
    batch = f"a batch of {found.asked.batch_size:,}"
    for title, chosen in (
        (f"{batch} fits with", [x for x in found.options if x.fits]),
        ("this helps, but is not enough", [x for x in found.options if not x.fits]),
    ):
        if chosen:
            console.print(Text(f"\n{title}", style="bold"))
            console.print(Padding(_table(chosen, found.request.price.unit), (0, 0, 0, 2)))


def _table(options: list[Option], unit: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for option in options:
        figures = (bytes_text(option.peak_bytes), price_text(option.price, unit), clean(option.effect))
        table.add_row(Text(clean(option.text), style="cyan"), *map(Text, figures))
    return table


def price_text(ratio: float, unit: str) -> str:
    """A ratio of prices: `+33 % multiply-adds`."""
    if abs(ratio - 1) < _SAME:
        return f"the same {unit}"
    sign = "+" if ratio > 1 else "−"
    return f"{sign}{abs(100 * (ratio - 1)):.0f} % {unit}"
