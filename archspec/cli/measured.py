"""Prints a measurement: times with their spread, speed, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archspec.diagnostics import plural
from archspec.printing.plain import NARROW, TIGHT
from archspec.text import bytes_text, clean, figures_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from archspec.profile import Measurement, Runs
    from archspec.profile.measurement import PredictedMemory


COLUMNS: Final = ("median", "p10–p90", "speed", "peak memory", "predicted", "runs")


def show(measured: Measurement, console: Console, samples: str = "images") -> None:
    """Print the device, a row each for the forward pass and the training step, and notes.

    samples: what the network takes.
    """
    from archspec.printing.plain import show_lines
    from archspec.printing.profile_table import natural_width

    threads = plural(measured.threads, "thread")
    place = f"{clean(measured.device_name)} ({measured.device}), {threads}, torch {measured.torch_version}"
    show_lines(console, f"\nmeasured on {place}{_settings(measured)}", "bold")
    for left_out in ((), ("runs",), ("runs", "p10–p90")):
        table = _table(measured, left_out, samples, wide=console.width >= NARROW)
        if natural_width(table, console) <= console.width:
            break
    console.print(table)
    show_lines(console, "\n".join(_notes(measured)))


def _table(measured: Measurement, left_out: tuple[str, ...], samples: str, *, wide: bool) -> Table:
    """The table without these columns, those that are least needed where a terminal is narrow."""
    from rich import box
    from rich.table import Table

    shown = [name for name in COLUMNS if name not in left_out]
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="bold", padding=(0, 1) if wide else TIGHT)
    table.add_column(f"batch of {measured.batch_size}", no_wrap=True)
    for name in shown:
        table.add_column(f"{samples}/s" if name == "speed" else name, justify="right", no_wrap=True)
    rows = {"forward": measured.forward} | ({} if measured.step is None else {"training step": measured.step})
    for (title, runs), key in zip(rows.items(), ("forward", "step"), strict=False):
        cells = dict(zip(COLUMNS, _cells(runs, measured.predicted.get(key)), strict=True))
        table.add_row(title, *[cells[name] for name in shown])
    return table


def _settings(measured: Measurement) -> str:
    """`, bf16, channels-last, compiled`; nothing for the plain settings."""
    known = measured.settings
    words = [] if known.get("precision", "fp32") == "fp32" else [str(known["precision"])]
    flags = {"channels_last": "channels-last", "own_kernels": "own kernels", "compile": "compiled"}
    return "".join(f", {word}" for word in words + [text for flag, text in flags.items() if known.get(flag)])


def _cells(runs: Runs, predicted: PredictedMemory | None) -> tuple[str, ...]:
    sizes = (runs.peak_memory_bytes, None if predicted is None else predicted.peak_bytes)
    peak, foretold = ("–" if size is None else bytes_text(size) for size in sizes)
    spread = f"{figures_text(runs.p10_ms)}–{figures_text(runs.p90_ms)} ms"
    speed = figures_text(runs.images_per_s)
    return f"{figures_text(runs.median_ms)} ms", spread, speed, peak, foretold, str(len(runs.times_ms))


def _notes(measured: Measurement) -> list[str]:
    notes = [f"forward: {figures_text(measured.gmacs_per_s)} GMAC/s of convolutions and linear layers"]
    if measured.step is None:
        notes.append(f"no training step: {measured.no_step}")
    else:
        notes.append(f"training step: forward, {measured.loss}, backward, {measured.optimizer}")
    notes.append(f"peak memory: {measured.memory}")
    if measured.predicted:
        most = max(predicted.workspace_bytes for predicted in measured.predicted.values())
        beside = f"; libraries may take up to {bytes_text(most)} of scratch beside them" if most else ""
        notes.append(f"predicted: the peak of the tensors, without running anything{beside}")
    if measured.trace is not None:
        notes.append(f"trace: {clean(measured.trace)}")
    return notes
