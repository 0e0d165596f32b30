"""Prints measured speed and memory against the batch size."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archspec.cli.console import result_console, tell
from archspec.cli.json_output import print_json
from archspec.cli.output_file import save_output
from archspec.printing.plain import NARROW, TIGHT, show_lines
from archspec.printing.profile_table import fit
from archspec.text import bytes_text, clean, figures_text

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from archspec.api import Loaded
    from archspec.printing.batches_svg import BatchRow as PictureRow
    from archspec.profile.batches import BatchRow

BAR_CELLS = 20
NOTHING = "–"


def sweep(
    loaded: Loaded, batch_sizes: Sequence[int], options: dict[str, Any], *, as_json: bool, as_csv: bool,
    output: Path | None,
) -> None:
    """Measure each batch size, then print a table with bars, JSON or CSV, and draw the curves into `output`."""
    from archspec.profile.batches import sweep_batches

    samples, rows = loaded.graph.samples, []
    for row in sweep_batches(loaded, batch_sizes, **options):
        rows.append(row)
        if sys.stderr.isatty():
            sys.stderr.write(f"batch of {row.batch_size}: {'done' if row.measured else 'does not run'}\n")
    if as_json:
        print_json({"format": 1, "name": loaded.name, "batch_sizes": [row.to_json() for row in rows]})
    elif as_csv:
        click.echo(csv_text(rows), nl=False)
    else:
        console = result_console()
        show_lines(console, "\n".join(_heading(loaded.name, rows)))
        table = _table(rows, samples, wide=console.width >= NARROW)
        fit(table, len(table.columns) - 1, console)
        console.print(table)
        show_lines(console, "\n".join(_notes(rows, samples)))
    if output is not None:
        save_picture(rows, f"{loaded.name}: speed and memory against the batch size", samples, output)


def save_picture(rows: Sequence[PictureRow], title: str, samples: str, output: Path) -> None:
    """Draw the curves into a file, and name it on stderr."""
    from archspec.printing.batches_svg import batches_svg

    save_output("the picture", output, batches_svg(rows, title, samples))
    tell(str(output))


def _heading(name: str, rows: Sequence[BatchRow]) -> Iterator[str]:
    yield f"{clean(name)}: speed and memory against the batch size"
    measured = next((row.measured for row in rows if row.measured is not None), None)
    if measured is not None:
        yield f"measured on {clean(measured.device_name)} ({measured.device}), torch {measured.torch_version}"


def _table(rows: Sequence[BatchRow], samples: str, *, wide: bool = True) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False, header_style="bold", padding=(0, 1) if wide else TIGHT)
    for name in ("batch", "forward", "step", f"{samples}/s", "peak memory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    bars = speed_bars(rows, BAR_CELLS)
    for row, bar in zip(rows, bars, strict=True):
        if row.measured is None:
            table.add_row(str(row.batch_size), *[NOTHING] * 4, why_not(row.code))
            continue
        speed, peak = row.images_per_s or 0.0, row.peak_bytes
        step = NOTHING if row.measured.step_ms is None else f"{figures_text(row.measured.step_ms)} ms"
        table.add_row(
            str(row.batch_size), f"{figures_text(row.measured.forward_ms)} ms", step, figures_text(speed),
            NOTHING if peak is None else bytes_text(peak), bar,
        )
    return table


def why_not(code: str | None) -> Text:
    """A few words for the table; the whole problem is below it."""
    from rich.text import Text

    return Text("does not fit" if code == "BUILD201" else "too small", style="red")


def speed_bars(rows: Sequence[PictureRow], cells: int) -> list[Text]:
    """A bar of each row's speed. Where some train, the others, which are faster, have none."""
    comparable = _comparable(rows)
    return bars([(row.images_per_s or 0.0) if row in comparable else 0.0 for row in rows], cells)


def bars(figures: Sequence[float], cells: int) -> list[Text]:
    """A bar for each figure; the largest has so many cells."""
    from rich.text import Text

    largest = max(figures, default=0.0)
    shares = [figure / largest if 0 < largest < float("inf") else 0.0 for figure in figures]
    return [Text("█" * round(share * cells), style="yellow") for share in shares]


def _comparable(rows: Sequence[PictureRow]) -> list[PictureRow]:
    """The rows with a speed: of a training step, or of a forward pass if none trains."""
    known = [row for row in rows if row.images_per_s is not None]
    return [row for row in known if row.trains] or known


def fastest_line(rows: Sequence[PictureRow], samples: str) -> Iterator[str]:
    """`fastest: batch of 64 with 2,338 images/s in a training step`; nothing where no speed is known."""
    if known := _comparable(rows):
        best = max(known, key=lambda row: row.images_per_s or 0.0)
        yield (f"fastest: batch of {best.batch_size} with {figures_text(best.images_per_s or 0.0)} {samples}/s in "
               f"{'a training step' if best.trains else 'a forward pass'}")


def _notes(rows: Sequence[BatchRow], samples: str) -> Iterator[str]:
    yield from fastest_line(rows, samples)
    trained = next((row.measured for row in rows if row.measured is not None and row.trains), None)
    if trained is not None:
        yield f"training step: forward, {trained.loss}, backward, {trained.optimizer}"
    for row in rows:
        if row.problem is not None:
            yield f"batch of {row.batch_size}: {clean(row.problem)}"


def csv_text(rows: Sequence[BatchRow]) -> str:
    """A line for each batch size."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["batch_size", "forward_ms", "step_ms", "images_per_s", "peak_memory_bytes", "problem"])
    for row in rows:
        times = (None, None) if row.measured is None else (row.measured.forward_ms, row.measured.step_ms)
        writer.writerow([row.batch_size, *times, row.images_per_s, row.peak_bytes, row.problem])
    return text.getvalue()
