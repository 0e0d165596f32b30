"""Prints speed and memory against the batch size."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.cli.console import result_console
from archspec.cli.json_output import print_json
from archspec.cli.layer_table import NARROW, TIGHT
from archspec.text import bytes_text, clean, figures_text

if TYPE_CHECKING:
    from rich.table import Table

    from archspec.api import Loaded
    from archspec.profile.batches import BatchRow

BAR_CELLS = 20
NOTHING = "–"


def sweep(
    loaded: Loaded, batch_sizes: Sequence[int], options: dict[str, Any], *, as_json: bool, as_csv: bool,
    output: Path | None,
) -> None:
    """Measure each batch size, then print a table with bars, JSON or CSV, and draw the curves into `output`."""
    from archspec.profile.batches import sweep_batches

    rows = []
    for row in sweep_batches(loaded, batch_sizes, **options):
        rows.append(row)
        if sys.stderr.isatty():
            sys.stderr.write(f"batch of {row.batch_size}: {'done' if row.measured else 'does not run'}\n")
    if as_json:
        print_json({"format": 1, "name": loaded.name, "batch_sizes": [row.to_json() for row in rows]})
    elif as_csv:
        sys.stdout.write(csv_text(rows))
    else:
        from archspec.printing.plain import show_lines

        console = result_console()
        show_lines(console, "\n".join(_heading(loaded.name, rows)))
        console.print(_table(rows, wide=console.width >= NARROW))
        show_lines(console, "\n".join(_notes(rows)))
    if output is not None:
        from archspec.profile.batches_svg import batches_svg
        from archspec.train.run_dir.full_disk import save_text

        save_text("the picture", output, batches_svg(rows, f"{loaded.name}: speed and memory against the batch size"))
        sys.stderr.write(f"{output}\n")


def _heading(name: str, rows: Sequence[BatchRow]) -> Iterator[str]:
    yield f"{clean(name)}: speed and memory against the batch size"
    measured = next((row.measured for row in rows if row.measured is not None), None)
    if measured is not None:
        yield f"measured on {clean(measured.device_name)} ({measured.device}), torch {measured.torch_version}"


def _table(rows: Sequence[BatchRow], *, wide: bool = True) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, pad_edge=False, header_style="bold", padding=(0, 1) if wide else TIGHT)
    for name in ("batch", "forward", "step", "images/s", "peak memory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    fastest = max((row.images_per_s or 0.0 for row in rows), default=0.0)
    for row in rows:
        if row.measured is None:
            table.add_row(str(row.batch_size), *[NOTHING] * 4, Text(clean(_short(row)), style="red"))
            continue
        speed, peak = row.images_per_s or 0.0, row.peak_bytes
        step = NOTHING if row.measured.step_ms is None else f"{figures_text(row.measured.step_ms)} ms"
        bar = "█" * round(speed / fastest * BAR_CELLS) if 0 < fastest < float("inf") else ""
        table.add_row(
            str(row.batch_size), f"{figures_text(row.measured.forward_ms)} ms", step, figures_text(speed),
            NOTHING if peak is None else bytes_text(peak), Text(bar, style="yellow"),
        )
    return table


def _short(row: BatchRow) -> str:
    """A few words for the table; the whole problem is below it."""
    return "does not fit" if row.code == "BUILD201" else "too small"


def _notes(rows: Sequence[BatchRow]) -> Iterator[str]:
    known = [(row.images_per_s, row) for row in rows if row.images_per_s is not None]
    if known:
        speed, best = max(known, key=lambda pair: pair[0])
        trained = best.measured is not None and best.measured.step is not None
        yield (f"fastest: batch of {best.batch_size} with {figures_text(speed)} images/s in "
               f"{'a training step' if trained else 'a forward pass'}")
        if trained and best.measured is not None:
            yield f"training step: forward, {best.measured.loss}, backward, {best.measured.optimizer}"
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
