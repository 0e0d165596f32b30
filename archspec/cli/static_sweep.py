"""Prints counted memory and predicted speed against the batch size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from archspec.cli.batch_sweep import BAR_CELLS, NOTHING, bars, fastest_line, save_picture, speed_bars, why_not
from archspec.cli.console import result_console
from archspec.cli.json_output import print_json
from archspec.cli.static_csv import table_csv
from archspec.printing.plain import NARROW, TIGHT, show_lines
from archspec.printing.profile_table import fit
from archspec.text import bytes_text, clean, figures_text

if TYPE_CHECKING:
    from rich.table import Table

    from archspec.api import Loaded
    from archspec.api.batch_costs import BatchCost
    from archspec.execution import Setting

TIMES: Final = ("predicted_forward_ms", "predicted_step_ms")  # columns of the CSV, keys of the JSON's totals
MEMORY: Final = ("inference_peak_bytes", "training_peak_bytes", "workspace_bytes")


def static_sweep(
    loaded: Loaded, batch_sizes: Sequence[int], setting: Setting, target: str | None, *, as_json: bool, as_csv: bool,
    output: Path | None, failed: dict[str, Any],
) -> None:
    """Count each batch size, then print a table with bars, JSON or CSV, and draw the curves into `output`.

    failed: an addition to the JSON of a network that is not what its spec expects.
    """
    from archspec.api.batch_costs import batch_costs

    graph = loaded.graph
    rows = list(batch_costs(graph, batch_sizes, setting, target))
    timed = any(row.times is not None for row in rows)
    title = f"{loaded.name}: {'speed and memory' if timed else 'memory'} against the batch size"
    if as_json:
        figures = [_json(loaded, row, setting.dtype) for row in rows]
        print_json({"format": 1, "name": loaded.name, "batch_sizes": figures, **failed})
    elif as_csv:
        click.echo(table_csv([_line(row) for row in rows]), nl=False)
    else:
        console = result_console()
        show_lines(console, "\n".join(_heading(title, setting, rows)))
        table = _table(rows, graph.samples, timed=timed, width=console.width)
        fit(table, len(table.columns) - 1, console)
        console.print(table)
        show_lines(console, "\n".join(_notes(rows, graph.samples, setting)))
    if output is not None:
        save_picture(rows, title, graph.samples, output)


def _heading(title: str, setting: Setting, rows: Sequence[BatchCost]) -> Iterator[str]:
    yield clean(title)
    where = next((f"predicted on {row.times.main.machine}" for row in rows if row.times is not None), "counted")
    dtype = "" if setting.dtype == "float32" else f"{setting.dtype}, "
    yield clean(f"{where}, {dtype}{setting.precision}{', channels-last' if setting.channels_last else ''}")


def _table(rows: Sequence[BatchCost], samples: str, *, timed: bool, width: int) -> Table:
    """The table: with times where the device is known, and bars of speed, or else of memory, that fill the line."""
    from rich import box
    from rich.table import Table

    wide = width >= NARROW
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="bold", padding=(0, 1) if wide else TIGHT)
    names = ("batch", *(("forward", "step", f"{samples}/s") if timed else ()), "inference\nmemory", "training\nmemory")
    cells = [(str(row.batch_size), *(_times(row) if timed else ()), *_memory(row)) for row in rows]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    columns = zip(*cells, strict=True)
    taken = [max(map(len, (*name.split("\n"), *column))) for name, column in zip(names, columns, strict=True)]
    room = min(BAR_CELLS, width - sum(taken) - (3 if wide else 2) * (len(names) + 1))
    drawn = speed_bars(rows, max(1, room)) if timed else bars([row.peak_bytes or 0 for row in rows], max(1, room))
    for row, bar, texts in zip(rows, drawn, cells, strict=True):
        table.add_row(*texts, bar if row.problem is None else why_not(row.code))
    return table


def _times(row: BatchCost) -> Iterator[str]:
    step = None if row.times is None or row.times.step is None else row.times.step.milliseconds
    forward, speed = None if row.times is None else row.times.forward.milliseconds, row.images_per_s
    for ms in (forward, step):
        yield NOTHING if ms is None else f"{figures_text(ms)} ms"
    yield NOTHING if speed is None else figures_text(speed)


def _memory(row: BatchCost) -> Iterator[str]:
    possible, training = row.peak_bytes is not None, row.found.training
    yield bytes_text(row.found.inference.peak_bytes) if possible else NOTHING
    yield bytes_text(training.peak_bytes) if possible and training is not None else NOTHING


def _notes(rows: Sequence[BatchCost], samples: str, setting: Setting) -> Iterator[str]:
    yield from fastest_line(rows, samples)
    if any(row.found.training is not None for row in rows):
        yield f"training: forward, backward, {setting.optimizer.text}; memory: the peak of the tensors"
    if all(row.times is None and row.problem is None for row in rows):
        yield "for times name a device, as in `--target h100`, or run `archspec calibrate`"
    reasons = {row.no_step for row in rows}
    if len(reasons) == 1 and None not in reasons:
        yield f"no training step: {clean(str(*reasons))}"
    for row in rows:
        if row.problem is not None:
            yield f"batch of {row.batch_size}: {clean(row.problem)}"
        elif row.no_step is not None and len(reasons) > 1:
            yield f"batch of {row.batch_size}: no training step: {clean(row.no_step)}"


def _json(loaded: Loaded, row: BatchCost, dtype: str) -> dict[str, Any]:
    from archspec.analysis import cost_report

    totals = cost_report(loaded.graph, batch_size=row.batch_size, dtype=dtype).to_json()["totals"]
    return {
        "batch_size": row.batch_size, "problem": row.problem, "code": row.code, "no_training_step": row.no_step,
        "images_per_s": row.images_per_s, "totals": totals | (row.totals() if row.peak_bytes is not None else {}),
    }


def _line(row: BatchCost) -> dict[str, Any]:
    totals = row.totals() if row.peak_bytes is not None else {}
    return {
        "batch_size": row.batch_size, **{name: totals.get(name) for name in TIMES}, "images_per_s": row.images_per_s,
        **{name: totals.get(name) for name in MEMORY}, "problem": row.problem,
    }
