"""Prints predicted times: of both passes with their intervals, what bounds them, and the slowest layers."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final

from archspec.text import clean, figures_text

if TYPE_CHECKING:
    from rich.console import Console

    from archspec.analysis.timing import Predicted
    from archspec.devices.predict import Prediction
    from archspec.execution import Setting

SHOWN: Final = 3  # layers
INDENT: Final = 15  # columns of the names of rows


def show(times: Predicted, setting: Setting, console: Console, *, run: str | None = None) -> None:
    """Print the times of a forward pass and of a training step. run: a text on the recipe's whole run."""
    from rich.text import Text

    layout = ", channels last" if setting.channels_last else ""
    place = f"{clean(times.main.machine)}, batch of {setting.batch_size}, {setting.precision}{layout}"
    console.print(Text(f"\npredicted on {place}", style="bold"))
    rows = {"forward": time_text(times.forward), "slowest": _slowest(times.main)}
    if times.step is not None:
        rows = {"forward": rows["forward"], "training step": time_text(times.step), "slowest": rows["slowest"]}
    if run is not None:
        rows["recipe"] = run
    for name, text in rows.items():
        lines = wrap(text, max(20, console.width - INDENT), break_long_words=False, break_on_hyphens=False)
        console.print(Text(f"{name:{INDENT}}" + f"\n{'':{INDENT}}".join(lines)), soft_wrap=True)


def time_text(prediction: Prediction) -> str:
    """`12.3 ms (10.6 to 14.2), 61 % bound by bandwidth, 30 % by compute, 9 % by launches`."""
    shares = sorted(prediction.shares.items(), key=lambda item: -item[1])
    parts = [f"{100 * share:.0f} % {'bound ' if k == 0 else ''}by {name}" for k, (name, share) in enumerate(shares)
             if round(100 * share)]
    low, high = figures_text(prediction.low), figures_text(prediction.high)
    times = f"{figures_text(prediction.milliseconds)} ms ({low} to {high})"
    return ", ".join([times, *parts])


def _slowest(prediction: Prediction) -> str:
    """The layers that take most of the time."""
    total = prediction.milliseconds or 1.0
    rows = ((time.milliseconds, path, time.bound) for path, time in prediction.layers.items() if path)
    layers = sorted(rows, reverse=True)
    return ", ".join(f"{clean(path)} {100 * ms / total:.0f} % ({bound})" for ms, path, bound in layers[:SHOWN])
