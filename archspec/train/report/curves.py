"""Draws learning curves as SVG: loss, accuracy and rate over the epochs of one or several runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any, Final

from archspec.language.loss import FIGURES
from archspec.svg import (
    LINE,
    SIZE,
    Style,
    box,
    cut,
    label,
    number_text,
    paragraph,
    picture,
    text_width,
    ticks,
)
from archspec.train.run_dir.step_points import StepPoint
from archspec.train.summary import EpochResult

NAME: Final = "curves.svg"  # its name in the run folder
WIDTH: Final = 640
MARGIN: Final = 12
PANEL: Final = 170
RATE_PANEL: Final = 54
GAP: Final = 16
LOG_FACTOR: Final = 20  # losses that differ by more are drawn on a log scale
MOST_RUNS: Final = 8  # with separate colours; the others are grey
# Okabe & Ito 2008: colours that colour-blind people can distinguish, in a darker and a lighter shade for the page
_COLOURS: Final = (
    ("#0072b2", "#56b4e9"), ("#d55e00", "#ff9d5c"), ("#007a5a", "#2fd0a2"), ("#a8508a", "#e79ac8"),
    ("#8a6d00", "#f0e442"), ("#3b5bdb", "#91a7ff"), ("#5c4033", "#c9a28f"), ("#2f2f2f", "#d0d0d0"),
)
_DASHES: Final = ("", "7 3", "2 3", "9 3 2 3")
STYLES: Final[Style] = {
    **{f"c{k}": (f"stroke:{light};fill:none", f"stroke:{dark};fill:none") for k, (light, dark) in enumerate(_COLOURS)},
    **{f"p{k}": (f"fill:{light}", f"fill:{dark}") for k, (light, dark) in enumerate(_COLOURS)},
    "event": ("stroke:#cf222e;fill:none", "stroke:#ff7b72;fill:none"),
    "alarm": ("fill:#cf222e", "fill:#ff7b72"),
}


@dataclass(frozen=True, slots=True)
class Curve:
    """The data to draw of a run. events: pairs of an epoch and a text, for example a code of the doctor."""

    name: str
    epochs: Sequence[EpochResult]
    steps: Sequence[StepPoint] = ()
    events: Sequence[tuple[float, str]] = ()


def events_of(findings: Sequence[Mapping[str, Any]], steps_per_epoch: float) -> list[tuple[float, str]]:
    """The doctor's findings as events; a retracted one is marked."""
    found = []
    for finding in findings:
        step, code = finding.get("step"), finding.get("code")
        if isinstance(step, int) and step > 0 and isinstance(code, str) and steps_per_epoch > 0:
            found.append((step / steps_per_epoch, code + (" (passed)" if finding.get("until") is not None else "")))
    return found


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a panel. style: the number of its colour. dash: its dash pattern. points: whether to mark points."""

    points: Sequence[tuple[float, float]]
    style: int
    dash: str = ""
    marked: bool = False
    faint: bool = False


@dataclass(frozen=True, slots=True)
class _Panel:
    """A part of the picture with its own vertical axis."""

    left: float
    top: float
    height: float
    epochs: float
    levels: tuple[float, ...]
    log: bool

    def x(self, epoch: float) -> float:
        return round(self.left + epoch / self.epochs * (WIDTH - MARGIN - self.left), 1)

    def y(self, value: float) -> float:
        low, high = self.levels[0], self.levels[-1]
        share = (
            (log10(max(value, 1e-300)) - log10(low)) / (log10(high) - log10(low)) if self.log
            else (value - low) / (high - low)
        )
        return round(self.top + self.height * (1 - min(max(share, -0.5), 1.5)), 1)


def shown_figures(curves: Sequence[Curve]) -> list[str]:
    """Names of what is drawn: the loss, and the metrics of the runs."""
    metrics = dict.fromkeys(row.metric for curve in curves for row in curve.epochs[:1])
    return list(dict.fromkeys(("loss", *metrics))) if metrics else ["loss", "accuracy"]


def curves_svg(curves: Sequence[Curve], title: str) -> str:
    """The picture: train and evaluated figures of one run, or the evaluated figures of several in different colours."""
    one = len(curves) == 1
    ends = [float(row.epoch) for curve in curves for row in curve.epochs]
    epochs = max([1.0, *ends, *(point.epoch for curve in curves for point in curve.steps)])
    head, y = paragraph(MARGIN, MARGIN, title, WIDTH - 2 * MARGIN, size=14, bold=True)
    legend, y = _legend(_entries(curves), y + 2)
    parts = [*head, *legend]
    left = float(MARGIN + 62)
    panels = (
        *((what, _both(curves[0], what) if one else _evaluated(curves, what), PANEL) for what in shown_figures(curves)),
        ("rate", _rates(curves), RATE_PANEL),
    )
    shown = [(name, lines, height) for name, lines, height in panels if any(line.points for line in lines)]
    y += GAP + (SIZE if any(curve.events for curve in curves) and one else 0)
    top = y
    for name, lines, height in shown:
        values = [value for line in lines for _, value in line.points if math.isfinite(value)]
        levels, log = _levels(values, name)
        panel = _Panel(left, y, height, epochs, levels, log)
        parts += [*_grid(panel), *_data(panel, lines, name), box(left, y, WIDTH - MARGIN - left, height, "axis")]
        title = FIGURES[name].title if name in FIGURES else name
        named = f"{title} (log)" if log else title
        parts.append(label(MARGIN + SIZE, y + height / 2, named, anchor="middle", turned=True))
        y += height + GAP
    axis = _Panel(left, 0, 0, epochs, (0, 1), False)
    y -= GAP
    for tick in ticks(0, epochs, 11):
        if tick <= epochs and tick == int(tick):
            parts.append(label(axis.x(tick), y + SIZE + 3, number_text(tick), anchor="middle"))
    parts.append(label(left + (WIDTH - MARGIN - left) / 2, y + 2.3 * SIZE + 3, "epoch", anchor="middle"))
    if one:
        parts += _events(axis, curves[0].events, top, y)
    return picture(WIDTH, y + 3 * SIZE + MARGIN, parts, title, styles=STYLES)


def _both(curve: Curve, what: str) -> list[_Line]:
    """Train and evaluated figures of one run: a line through the steps, and points at the ends of epochs."""
    steps = [(point.epoch, point.figure(what)) for point in curve.steps]
    trained = [(float(row.epoch), row.figure(what, "train")) for row in curve.epochs]
    tested = [(float(row.epoch), row.figure(what)) for row in curve.epochs]
    lines = [_Line(steps, 0, faint=True)] if steps else []
    return [*lines, _Line(trained, 0, dash=_DASHES[1] if not steps else "", marked=True), _Line(tested, 1, marked=True)]


def _evaluated(curves: Sequence[Curve], what: str) -> list[_Line]:
    lines = []
    for k, curve in enumerate(curves):
        points = [(float(row.epoch), row.figure(what)) for row in curve.epochs if what in (row.metric, "loss")]
        lines.append(_Line(points, *_look(k), marked=len(points) == 1))
    return lines


def _look(number: int) -> tuple[int, str]:
    """Colour and dash of the k-th run: eight colours, then the same colours dashed."""
    return number % MOST_RUNS, _DASHES[number // MOST_RUNS % len(_DASHES)]


def _rates(curves: Sequence[Curve]) -> list[_Line]:
    """The learning rate, if a run changes it."""
    found = []
    for k, curve in enumerate(curves):
        steps = [(point.epoch, point.learning_rate) for point in curve.steps]
        ends = [(row.epoch, row.learning_rate) for row in curve.epochs if row.learning_rate is not None]
        found.append(_Line([(float(x), float(y)) for x, y in steps or ends], *_look(k)))
    changes = any(len({y for _, y in line.points}) > 1 for line in found)
    return found if changes else []


def _levels(values: Sequence[float], name: str) -> tuple[tuple[float, ...], bool]:
    """Round levels that enclose the values, and whether the scale is logarithmic, as for losses far apart."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if name == "loss" and low > 0 and high / low > LOG_FACTOR:
        return tuple(10.0**k for k in range(floor(log10(low)), ceil(log10(high)) + 1)), True
    if name in FIGURES and FIGURES[name].higher:
        high = min(high, 1.0)
    elif name == "rate":
        low = 0.0
    return tuple(ticks(low, high, 3 if name == "rate" else 6)), False


def _grid(panel: _Panel) -> Iterator[str]:
    shown = panel.levels
    while len(shown) > 9:
        shown = shown[::2]
    for level in shown:
        yield f'<path d="M{panel.left:g} {panel.y(level):g}H{WIDTH - MARGIN}" class="grid"/>'
        yield label(panel.left - 5, panel.y(level) + 4, number_text(level), anchor="end")
    for tick in ticks(0, panel.epochs, 11):
        if 0 < tick < panel.epochs and tick == int(tick):
            yield f'<path d="M{panel.x(tick):g} {panel.top:g}v{panel.height:g}" class="grid"/>'


def _data(panel: _Panel, lines: Sequence[_Line], name: str) -> Iterator[str]:
    window = box(panel.left, panel.top, WIDTH - MARGIN - panel.left, panel.height, "page")
    yield f'<clipPath id="{name}">{window}</clipPath>'
    yield f'<g clip-path="url(#{name})">'
    for line in lines:
        for part in _finite_parts(line.points):
            places = " ".join(f"{panel.x(x):g},{panel.y(y):g}" for x, y in part)
            dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
            faint = ' stroke-opacity=".45"' if line.faint else ""
            look = f'class="c{line.style}" stroke-width="1.6" stroke-linejoin="round"{dash}{faint}'
            yield f'<polyline points="{places}" {look}/>'
    yield "</g>"
    for line in lines:
        for x, y in line.points if line.marked else ():
            if math.isfinite(y):
                yield f'<circle cx="{panel.x(x):g}" cy="{panel.y(y):g}" r="2.6" class="p{line.style}"/>'


def _finite_parts(points: Sequence[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    part: list[tuple[float, float]] = []
    for point in points:
        if math.isfinite(point[1]):
            part.append(point)
        elif part:
            yield part
            part = []
    if part:
        yield part


def _events(axis: _Panel, events: Sequence[tuple[float, str]], top: float, bottom: float) -> Iterator[str]:
    taken = -math.inf
    for epoch, text in sorted(events):
        x = axis.x(min(epoch, axis.epochs))
        yield f'<path d="M{x:g} {top:g}V{bottom:g}" class="event" stroke-width="1.2" stroke-dasharray="4 3"/>'
        half = text_width(text, 11) / 2
        middle = min(max(x, axis.left + half), WIDTH - MARGIN - half)
        if middle - half > taken:
            yield label(round(middle, 1), top - 4, text, size=11, anchor="middle", style="alarm")
            taken = middle + half + 6


@dataclass(frozen=True, slots=True)
class _Entry:
    style: int
    dash: str
    text: str
    marked: bool = False
    faint: bool = False


def _entries(curves: Sequence[Curve]) -> list[_Entry]:
    if len(curves) != 1:
        return [_Entry(*_look(k), cut(curve.name, 220)) for k, curve in enumerate(curves)]
    (curve,) = curves
    split = curve.epochs[0].split if curve.epochs else "test"
    steps = [_Entry(0, "", "train, within epochs", faint=True)] if curve.steps else []
    trained = _Entry(0, "" if steps else _DASHES[1], "train, mean of the epoch", marked=True)
    return [*steps, trained, _Entry(1, "", split, marked=True)]


def _legend(entries: Sequence[_Entry], y: float) -> tuple[list[str], float]:
    parts, x, line = [], float(MARGIN), SIZE * LINE
    for entry in entries:
        width = 30 + text_width(entry.text) + 14
        if x > MARGIN and x + width > WIDTH - MARGIN:
            x, y = float(MARGIN), y + line
        middle = y + line / 2
        dash = f' stroke-dasharray="{entry.dash}"' if entry.dash else ""
        faint = ' stroke-opacity=".45"' if entry.faint else ""
        parts.append(f'<path d="M{x:g} {middle:g}h24" class="c{entry.style}" stroke-width="1.8"{dash}{faint}/>')
        if entry.marked:
            parts.append(f'<circle cx="{x + 12:g}" cy="{middle:g}" r="2.6" class="p{entry.style}"/>')
        parts.append(label(x + 30, round(y + SIZE, 1), entry.text))
        x += width
    return parts, y + line
