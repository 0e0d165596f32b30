"""A rate-range test as an SVG: the loss over the rate, readable on a page 320 pixels wide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path
from typing import Final

from archspec.svg import LINE, SIZE, Style, box, label, number_text, paragraph, picture, text_width, ticks
from archspec.train.doctor.finding import short
from archspec.train.lr_finder.chart import CEILING, verdict
from archspec.train.lr_finder.range_test import RateRange
from archspec.train.run_dir.full_disk import save_text

PICTURE: Final = "rate_range.svg"  # its name in the run folder
WIDTH: Final = 400
SHOWN: Final = 560  # pixels, its width if there is room
MARGIN: Final = 10
PLOT_HEIGHT: Final = 200
SWATCH: Final = 22  # pixels, the width of a sample in the legend with the space after it
HIGHEST: Final = 2.0  # times the first loss: single higher steps do not extend the axis
STYLES: Final[Style] = {
    "curve": ("stroke:#08519c;fill:none", "stroke:#79c0ff;fill:none"),
    "point": ("fill:#6baed6", "fill:#388bfd"),
    "suggested": ("stroke:#1a7f37;fill:none", "stroke:#3fb950;fill:none"),
    "recipe": ("stroke:#cf222e;fill:none", "stroke:#ff7b72;fill:none"),
    "diverged": ("fill:#cf222e;fill-opacity:.12", "fill:#ff7b72;fill-opacity:.2"),
}
_DASHES: Final = {"suggested": "6 3", "recipe": "2 3"}


@dataclass(frozen=True, slots=True)
class Plot:
    """The position and scales of the plot: rates from `low` to `high` on a log scale, losses at `levels`."""

    left: float
    top: float
    low: float
    high: float
    levels: tuple[float, ...]

    @property
    def width(self) -> float:
        """Its width in pixels."""
        return WIDTH - MARGIN - self.left

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + PLOT_HEIGHT

    def x(self, rate: float) -> float:
        """The position of a rate; outside the plot if the rate is outside its range."""
        share = (log10(rate) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return round(self.left + share * self.width, 1)

    def y(self, loss: float) -> float:
        """The position of a loss; above the plot if the loss is above its range."""
        share = (loss - self.levels[0]) / (self.levels[-1] - self.levels[0])
        return round(self.bottom - min(share, 2.0) * PLOT_HEIGHT, 1)  # at most 2: no huge coordinates

    def shows(self, loss: float) -> bool:
        """Whether the loss is inside the plot."""
        return loss <= self.levels[-1]


def rate_svg(test: RateRange, rate: float, name: str) -> str:
    """Loss over rate: each step a point, the smoothed loss a line; marks for the suggestion and for `rate`."""
    title = f"{name}: rate-range test"
    room = WIDTH - 2 * MARGIN
    head, y = paragraph(MARGIN, MARGIN, title, room, size=14, bold=True)
    subtitle, y = paragraph(MARGIN, y, verdict(test), room, style="faint")
    levels = _levels(test)
    low, high = test.rates[0], test.rates[-1]
    if high <= low:
        low, high = low / 10, high * 10
    left = MARGIN + SIZE * LINE + max(text_width(number_text(level)) for level in levels) + 6
    entries = _entries(test, rate, Plot(left, 0, low, high, levels))
    legend, y = _legend(entries, y + 4)
    plot = Plot(left, y + 8, low, high, levels)
    height = plot.bottom + 2 * SIZE * LINE + MARGIN
    return picture(WIDTH, height, [
        *head, *subtitle, *legend, *_grid(plot), *_data(plot, test), *_marks(plot, test, rate),
        box(plot.left, plot.top, plot.width, PLOT_HEIGHT, "axis"),
        label(plot.left + plot.width / 2, plot.bottom + 2 * SIZE * LINE, "learning rate (log scale)", anchor="middle"),
        label(MARGIN + SIZE, plot.top + PLOT_HEIGHT / 2, "loss", anchor="middle", turned=True),
    ], f"{title}. {verdict(test)}", styles=STYLES, shown=SHOWN)


def draw_rate_range(test: RateRange, path: Path, rate: float, name: str) -> None:
    """Write the picture of the network `name`."""
    save_text("the picture", path, rate_svg(test, rate, name))


def _levels(test: RateRange) -> tuple[float, ...]:
    """Round losses for the axis, which enclose all losses except those far above the first one.

    No loss is below them. Before the lowest point, single steps may be above CEILING times the first loss.
    """
    lowest = min(range(len(test.smoothed)), key=test.smoothed.__getitem__)
    first = test.smoothed[0]
    noise = min(max(test.losses[: lowest + 1]), HIGHEST * first)
    top = min(max(*test.losses, *test.smoothed, first), max(CEILING * first, noise))
    return tuple(ticks(min(*test.losses, *test.smoothed, first), top))


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the legend: its CSS class, and its text."""

    style: str
    text: str


def _entries(test: RateRange, rate: float, plot: Plot) -> list[Entry]:
    entries = [Entry("curve", "smoothed loss"), Entry("point", "each step")]
    if not all(map(plot.shows, test.losses)):
        entries.append(Entry("over", f"a step above {number_text(plot.levels[-1])}"))
    if _diverged(plot, test) is not None:
        entries.append(Entry("diverged", f"diverged: above {number_text(plot.levels[-1])}"))
    if test.suggestion is not None:
        entries.append(Entry("suggested", f"suggestion: {short(test.suggestion, 2)}{_outside(plot, test.suggestion)}"))
    entries.append(Entry("recipe", f"this recipe: {short(rate)}{_outside(plot, rate)}"))
    return entries


def _outside(plot: Plot, rate: float) -> str:
    return " (further left)" if rate < plot.low else " (further right)" if rate > plot.high else ""


def _legend(entries: list[Entry], y: float) -> tuple[list[str], float]:
    """The entries in as many lines as they need, from y downwards; and the y below them."""
    parts, x, line = [], float(MARGIN), SIZE * LINE
    for entry in entries:
        width = SWATCH + text_width(entry.text) + 10
        if x > MARGIN and x + width > WIDTH - MARGIN + 10:
            x, y = float(MARGIN), y + line
        parts += [_swatch(entry.style, x, y + line / 2), label(round(x + SWATCH, 1), round(y + SIZE, 1), entry.text)]
        x += width
    return parts, y + line


def _swatch(style: str, x: float, y: float) -> str:
    end = x + SWATCH - 5
    if style == "point":
        return f'<circle cx="{(x + end) / 2:.1f}" cy="{y:.1f}" r="2.5" class="point"/>'
    if style == "over":
        return _over((x + end) / 2, y - 3)
    if style == "diverged":
        return f'<rect x="{x:.1f}" y="{y - 5:.1f}" width="{end - x:.1f}" height="10" class="diverged"/>'
    dash = f' stroke-dasharray="{_DASHES[style]}"' if style in _DASHES else ""
    return f'<path d="M{x:.1f} {y:.1f}H{end:.1f}" class="{style}" stroke-width="2"{dash}/>'


def _over(x: float, y: float) -> str:
    """A small arrow at y that points to a step above the plot."""
    return f'<path d="M{x - 3:.1f} {y + 6:.1f}h6l-3 -6z" class="point"/>'


def _grid(plot: Plot) -> Iterator[str]:
    for level in plot.levels:
        yield f'<path d="M{plot.left:g} {plot.y(level):g}h{plot.width:g}" class="grid"/>'
        yield label(plot.left - 5, plot.y(level) + 4, number_text(level), anchor="end")
    for power in range(floor(log10(plot.low)) - 1, ceil(log10(plot.high)) + 1):
        for digit in range(1, 10):
            rate = digit * 10.0**power
            if not plot.low * (1 - 1e-9) <= rate <= plot.high * (1 + 1e-9):
                continue
            x = plot.x(rate)
            if digit > 1:
                yield f'<path d="M{x:g} {plot.bottom:g}v-4" class="axis"/>'
                continue
            yield f'<path d="M{x:g} {plot.top:g}V{plot.bottom:g}" class="grid"/>'
            half = text_width(number_text(rate)) / 2
            middle = min(x, WIDTH - 2 - half)
            yield label(round(middle, 1), plot.bottom + SIZE + 3, number_text(rate), anchor="middle")


def _diverged(plot: Plot, test: RateRange) -> float | None:
    """The rate from which on the smoothed loss stays above the plot; None if it does not."""
    inside = [k for k, loss in enumerate(test.smoothed) if plot.shows(loss)]
    return test.rates[inside[-1]] if inside[-1] + 1 < len(test.rates) else None


def _data(plot: Plot, test: RateRange) -> Iterator[str]:
    yield f'<clipPath id="plot">{box(plot.left, plot.top, plot.width, PLOT_HEIGHT, "page")}</clipPath>'
    diverged = _diverged(plot, test)
    if diverged is not None:
        x = plot.x(diverged)
        yield box(x, plot.top, plot.left + plot.width - x, PLOT_HEIGHT, "diverged")
    for rate, loss in zip(test.rates, test.losses, strict=True):
        if plot.shows(loss):
            yield f'<circle cx="{plot.x(rate):g}" cy="{plot.y(loss):g}" r="1.8" class="point"/>'
        else:
            yield _over(plot.x(rate), plot.top + 2)
    points = " ".join(f"{plot.x(r):g},{plot.y(loss):g}" for r, loss in zip(test.rates, test.smoothed, strict=True))
    yield f'<polyline points="{points}" class="curve" stroke-width="2" clip-path="url(#plot)"/>'


def _marks(plot: Plot, test: RateRange, rate: float) -> Iterator[str]:
    for style, value in (("suggested", test.suggestion), ("recipe", rate)):
        if value is not None and not _outside(plot, value):
            yield f'<path d="M{plot.x(value):g} {plot.top:g}V{plot.bottom:g}" class="{style}" stroke-width="2" ' \
                  f'stroke-dasharray="{_DASHES[style]}"/>'
