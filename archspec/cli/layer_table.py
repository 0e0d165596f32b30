"""Prints the measured time of every layer, beside what the machine can do and what was predicted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from archspec.cli.layer_rows import Row, sorted_rows, totals, tree_rows
from archspec.diagnostics import plural
from archspec.printing.plain import NARROW, TIGHT
from archspec.text import clean, figures_text, times_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from archspec.analysis import Report
    from archspec.devices.predict import Prediction
    from archspec.profile import LayerProfile
    from archspec.profile.layer_profile import Trial
    from archspec.profile.peaks import Peaks

RATES: Final = ("GFLOP/s", "GB/s")
MOST_ROWS: Final = 20  # of a table sorted by time
NOTHING: Final = "–"


def show(
    profile: LayerProfile, report: Report, console: Console, *, depth: int | None = None, by_time: bool = False
) -> None:
    """Print the table, the slowest layer with a remedy, and how it was measured. depth: 0 leaves the table out."""
    from archspec.printing.plain import show_lines
    from archspec.printing.profile_table import default_depth, fit, levels

    levels_shown = min(default_depth(report.root) if depth is None else depth, levels(report.root))
    rows = sorted_rows(report, profile, MOST_ROWS) if by_time else tree_rows(report.root, profile, levels_shown)
    show_lines(console, f"\ntime of each layer in a {profile.name}, {profile.settings}", "bold")
    if levels_shown:
        table = _table(profile, list(rows), wide=console.width >= NARROW)
        fit(table, 0, console)
        console.print(table)
    show_lines(console, "\n".join(_notes(profile, next(iter(sorted_rows(report, profile)), None))))


def _table(profile: LayerProfile, rows: list[Row], *, wide: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, pad_edge=False, header_style="bold", show_footer=True, footer_style="bold",
                  padding=(0, 1) if wide else TIGHT)
    predicted = any(row.predicted_ms is not None for row in rows)
    chosen = [name for name in _columns(profile, predicted=predicted) if wide or name not in RATES]
    sums = _cells(profile, totals(profile))
    table.add_column("layer", "all layers", no_wrap=True, overflow="ellipsis")
    for name in chosen:
        table.add_column(name, sums[name], justify="left" if name == "bound by" else "right", no_wrap=True)
    for row in rows:
        title = Text.assemble(
            (row.guide, "dim"), clean(row.name), (times_text(row.copies), "yellow"),
        )
        cells = _cells(profile, row)
        table.add_row(title, *[cells[name] for name in chosen], style="" if row.guide else "bold")
    return table


def _columns(profile: LayerProfile, *, predicted: bool) -> list[str]:
    times = ["forward", "backward"] if profile.trains else ["forward"]
    return [*times, *(["predicted"] if predicted else []), "share", *RATES, "of peak", "bound by"]


def _cells(profile: LayerProfile, row: Row) -> dict[str, str]:
    """The cells of a row, by column. GB/s counts bytes read and written; `of peak` is the share of what is possible."""
    ms = row.ms
    roof = row.roof if ms > 0 else None
    return {
        "forward": _ms(row.forward_ms if profile.trains else row.inference_ms), "backward": _ms(row.backward_ms),
        "predicted": NOTHING if row.predicted_ms is None else _ms(row.predicted_ms),
        "share": _percent(profile.share(ms)),
        "GFLOP/s": figures_text(roof.flops / ms / 1e6) if roof and roof.flops else NOTHING,
        "GB/s": figures_text(roof.bytes / ms / 1e6) if roof else NOTHING,
        "of peak": _whole_percent(roof.share_reached(ms)) if roof else NOTHING,
        "bound by": roof.bound if roof else NOTHING,
    }


def _notes(profile: LayerProfile, slowest: Row | None) -> Iterator[str]:
    whole = profile.whole
    rest = ", ".join(f"{name} {_ms(ms)} ({_percent(profile.share(ms))})" for name, ms in profile.rest())
    yield from profile.notes
    yield f"besides: {rest}"
    cost = whole.cost_of_measuring
    costs = f"{100 * cost:.1f} %" if cost > 0 else "less than the noise"
    yield (f"in all {_ms(whole.total_ms)}; without hooks the same {profile.name} takes {_ms(whole.plain_ms)}: "
           f"measuring costs {costs}, the hooks themselves {_percent(profile.share(whole.of('measuring')))} "
           f"(faster half of {plural(whole.runs, 'run')} each, in turns)")
    if profile.peaks is not None:
        yield _peaks(profile.peaks)
    if profile.trials:
        yield f"other settings, measured in turns with these: {'; '.join(map(_trial, profile.trials))}"
    if slowest is not None:
        yield slowest_line(profile, slowest)


def _peaks(peaks: Peaks) -> str:
    best = max(peaks.products, key=peaks.products.__getitem__)
    cached = max(speed for _, speed in peaks.bandwidth)
    return (f"peaks of this machine: {figures_text(peaks.flops / 1e9)} GFLOP/s ({best}), "
            f"{figures_text(peaks.memory_bytes_per_s / 1e9)} GB/s from memory and up to {figures_text(cached / 1e9)} "
            f"GB/s from caches, {figures_text(1e6 * peaks.op_s)} µs for an op")


def slowest_line(profile: LayerProfile, row: Row) -> str:
    """`slowest: b2.0.conv2d_2 ×3, 23 % of the training step, at 61 % of what this machine can do, bound by …; …`.

    row: the one with the largest share, of one layer or of all equal copies of it.
    """
    ms, roof = row.ms, row.roof
    text = f"slowest: {clean(row.name)}{times_text(row.copies)}, {100 * profile.share(ms):.0f} % of the {profile.name}"
    if roof is not None:
        text += f", at {_whole_percent(roof.share_reached(ms))} of what this machine can do, bound by {roof.bound}"
    best = profile.best_trial()
    if best is not None:
        return f"{text}; {best.name} would save {100 * best.saving:.0f} % (measured)"
    tried = [trial.name for trial in profile.trials if trial.problem is None]
    *others, last = tried or [""]
    alternatives = f"neither {', '.join(others)} nor {last} is" if others else f"{last} is not"
    return f"{text}; {alternatives} faster (measured)" if tried else text


def prediction_line(profile: LayerProfile, predicted: Prediction) -> str:
    """`predicted: 12.3 ms (10.6 to 14.2), …; measured 13.1 ms, 6.5 % more`."""
    from archspec.printing.prediction import time_text

    measured = profile.whole.plain_ms
    off = measured / predicted.milliseconds - 1 if predicted.milliseconds else 0.0
    return (f"predicted for the {profile.name} on {clean(predicted.machine)}: {time_text(predicted)}; "
            f"measured {_ms(measured)}, {abs(100 * off):.1f} % {'more' if off >= 0 else 'less'}")


def _trial(trial: Trial) -> str:
    if trial.problem is not None:
        return f"{trial.name}: {trial.problem}"
    if trial.saving < 0:
        return f"{trial.name} costs {-100 * trial.saving:.0f} %"
    return f"{trial.name} saves {100 * trial.saving:.0f} %{'' if trial.helps else ' (noise)'}"


def csv_text(profile: LayerProfile) -> str:
    """Every layer, and what belongs to none in parentheses; `ms` adds up to the whole pass."""
    import csv
    import io

    rows = [profile.row(layer) for layer in profile.layers]
    rows += [{"path": f"({name})", "ms": ms, "share": profile.share(ms)} for name, ms in profile.rest()]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(profile.row(profile.layers[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _ms(ms: float) -> str:
    return f"{figures_text(ms)} ms"


def _whole_percent(share: float) -> str:
    """`61 %`, `<1 %`: a layer that runs reaches more than nothing."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
