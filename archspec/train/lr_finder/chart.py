"""A rate-range test as text: the curve in Braille dots, or in ASCII if the terminal does not support them."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final

from archspec.diagnostics import plural
from archspec.train.doctor.finding import short
from archspec.train.lr_finder.range_test import BELOW_LOWEST, RateRange
from archspec.train.report.canvas import Canvas

WIDTH: Final = 60  # characters
HEIGHT: Final = 12
CEILING: Final = 1.3  # times the first loss: higher losses are cut off


@dataclass(frozen=True, slots=True)
class Scale:
    """The ranges of the axes: exponents of ten for the rates, and losses."""

    left: float
    right: float
    bottom: float
    top: float

    def x(self, rate: float) -> float:
        """0 at the left edge, 1 at the right; clipped."""
        return _share(log10(rate), self.left, self.right)

    def y(self, loss: float) -> float:
        """0 at the bottom, 1 at the top; clipped."""
        return _share(loss, self.bottom, self.top)

    def decades(self) -> list[int]:
        """The powers of ten within."""
        return list(range(ceil(self.left - 1e-9), floor(self.right + 1e-9) + 1))


def scale_of(test: RateRange) -> Scale:
    """The scale that shows all rates, and the smoothed losses up to CEILING times the first."""
    curve = test.smoothed
    top = min(max(curve), CEILING * curve[0])
    bottom = min(curve)
    return Scale(log10(test.rates[0]), log10(test.rates[-1]), bottom, top if top > bottom else bottom + 1)


def _share(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.0


def rate_chart(test: RateRange, rate: float, *, ascii_only: bool = False) -> str:
    """The smoothed loss over the rate, with marks for the suggestion and for `rate`, the recipe's."""
    scale = scale_of(test)
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.line([(scale.x(rate), scale.y(loss)) for rate, loss in zip(test.rates, test.smoothed, strict=True)])
    rows = canvas.rows(ascii_only=ascii_only)
    wall, corner, floor_, up = ("|", "+", "-", "^") if ascii_only else ("│", "└", "─", "▲")
    labels = [f"{scale.top:.3g}", *[""] * (HEIGHT - 2), f"{scale.bottom:.3g}"]
    width = max(map(len, labels))
    lines = ["smoothed loss over learning rate"]
    lines += [f"{label:>{width}} {wall}{row}".rstrip() for label, row in zip(labels, rows, strict=True)]
    lines.append(" " * (width + 1) + corner + floor_ * WIDTH)
    marks = [_ticks(scale)]
    if test.suggestion is not None:
        marks.append(_mark(scale, test.suggestion, f"{up} suggestion: {short(test.suggestion, 2)}"))
    marks.append(_mark(scale, rate, f"{up} this recipe: {short(rate)}"))
    return "\n".join(lines + [" " * (width + 2) + mark for mark in marks])


def verdict(test: RateRange) -> str:
    """The suggestion and its rule as a sentence."""
    if test.suggestion is None:
        steps = plural(len(test.rates), "step")
        text = f"no suggestion: in {steps} the loss fell no lower than that of a constant prediction"
        return text + ("" if test.too_high is None else f"; at rate {short(test.too_high, 2)} it has risen")
    assert test.lowest is not None
    return (
        f"suggested rate: {short(test.suggestion, 2)}, which is 1/{BELOW_LOWEST:g} of {short(test.lowest, 2)}, "
        "where the smoothed loss is lowest"
    )


def comparison(test: RateRange, rate: float) -> str | None:
    """A comparison of the recipe's rate with the suggestion as a sentence; None if there is no suggestion."""
    if test.suggestion is None:
        return None
    factor = rate / test.suggestion
    if 0.5 <= factor <= 2:
        return f"this recipe's rate {short(rate)} is about the suggestion"
    times = f"{_plain(factor)} times" if factor > 1 else f"1/{_plain(1 / factor)} of"
    return f"this recipe's rate {short(rate)} is {times} the suggestion"


def _plain(factor: float) -> str:
    """Two digits, without a power of ten: `2.3`, `190`."""
    return f"{factor:.2g}" if factor < 10 else f"{float(f'{factor:.2g}'):,.0f}"


def _column(scale: Scale, rate: float) -> int:
    return round(scale.x(rate) * (WIDTH - 1))


def _ticks(scale: Scale) -> str:
    """The powers of ten, each starting at its position."""
    line = ""
    for power in scale.decades():
        at = _column(scale, 10.0**power)
        if at >= len(line) + bool(line):
            line = line.ljust(at) + f"1e{power}"
    return line


def _mark(scale: Scale, rate: float, text: str) -> str:
    """A mark under its rate, with its text on the side that has room."""
    at = _column(scale, rate)
    if at + len(text) > WIDTH:
        arrow, _, words = text.partition(" ")
        return f"{words} {arrow}".rjust(at + 1)
    return " " * at + text
