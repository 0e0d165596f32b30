"""Draws learning curves as text: the evaluated loss and accuracy of a few runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from archspec.language.loss import FIGURES
from archspec.train.report.canvas import Canvas
from archspec.train.report.curves import Curve, shown_figures

WIDTH: Final = 64  # characters
HEIGHT: Final = 10


def curves_text(curves: Sequence[Curve], *, ascii_only: bool = False) -> str:
    """A chart of the evaluated loss and one of each metric if epochs are finished, and each run's last figures."""
    charts = [_chart(curves, what, ascii_only) for what in shown_figures(curves)]
    names = [f"{curve.name}: {_last(curve)}" for curve in curves]
    return "\n\n".join([*filter(None, charts), "\n".join(names)])


def _last(curve: Curve) -> str:
    if not curve.epochs:
        return "no epoch is finished"
    row = curve.epochs[-1]
    metric = "" if row.metric == "loss" else f", {FIGURES[row.metric].title} {row.figure(row.metric):.4f}"
    return f"{row.split} loss {row.evaluated_loss:.4g}{metric} after epoch {row.epoch}"


def _chart(curves: Sequence[Curve], what: str, ascii_only: bool) -> str:
    lines = [
        [(row.epoch, value) for row in curve.epochs if math.isfinite(value := row.figure(what))]
        for curve in curves
    ]
    values = [value for line in lines for _, value in line]
    if not values:
        return ""
    low, high, epochs = min(values), max(values), max([1, *(epoch for line in lines for epoch, _ in line)])
    canvas = Canvas(WIDTH, HEIGHT)
    for line in lines:
        canvas.line([((epoch - 1) / max(1, epochs - 1), (value - low) / (high - low or 1)) for epoch, value in line])
    wall, corner, floor = ("|", "+", "-") if ascii_only else ("│", "└", "─")
    labels = [f"{high:.3g}", *[""] * (HEIGHT - 2), f"{low:.3g}"]
    width = max(map(len, labels))
    rows = canvas.rows(ascii_only=ascii_only)
    body = [f"{label:>{width}} {wall}{row}".rstrip() for label, row in zip(labels, rows, strict=True)]
    axis = " " * (width + 1) + corner + floor * WIDTH
    ends = " " * (width + 2) + "1" + f"epoch {epochs}".rjust(WIDTH - 1)
    return "\n".join([f"{FIGURES[what].title} over the epochs", *body, axis, ends])
