"""Prints predicted times: of both passes with their intervals, what bounds them, and the slowest layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from archspec.text import clean, figures_text, times_text

if TYPE_CHECKING:
    from rich.console import Console

    from archspec.analysis.timing import Predicted
    from archspec.devices.predict import Prediction
    from archspec.execution import Setting

SHOWN: Final = 3  # layers
INDENT: Final = 15  # columns of the names of rows


def show(
    times: Predicted, setting: Setting, console: Console, equal: Iterable[Sequence[str]], *, run: str | None = None
) -> None:
    """Print the times of a forward pass and of a training step.

    equal: the paths of the layers, those of equal copies together. run: a text on the recipe's whole run.
    """
    from rich.text import Text

    layout = ", channels last" if setting.channels_last else ""
    place = f"{clean(times.main.machine)}, batch of {setting.batch_size}, {setting.precision}{layout}"
    console.print(Text(f"\npredicted on {place}", style="bold"))
    rows = {"forward": time_text(times.forward), "slowest": _slowest(times.main, equal)}
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


def _slowest(prediction: Prediction, equal: Iterable[Sequence[str]]) -> str:
    """The layers that take most of the time, equal copies as one: `b5.0.conv2d_1 ×2 23 % (compute)`."""
    total, known = prediction.milliseconds or 1.0, prediction.layers
    groups = [found for paths in equal if (found := [path for path in paths if path in known])]
    rows = [(sum(known[path].milliseconds for path in paths), paths) for paths in groups]
    rows.sort(key=lambda row: -row[0])
    return ", ".join(
        f"{clean(paths[0])}{times_text(len(paths))} {100 * ms / total:.0f} % ({known[paths[0]].bound})"
        for ms, paths in rows[:SHOWN]
    )
