"""A rate-range test as an SVG: no library draws it, no font is needed."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

from archspec.train.doctor.finding import short
from archspec.train.files import write_text
from archspec.train.rate_chart import Scale, scale_of, verdict
from archspec.train.rate_range import RateRange

PICTURE: Final = "rate_range.svg"  # its name in a run's folder
WIDTH: Final = 720
HEIGHT: Final = 400
LEFT: Final = 60  # of the plot's corners
RIGHT: Final = 700
TOP: Final = 70
BOTTOM: Final = 350
LINES: Final = 4  # of the grid between lowest and highest loss
CURVE: Final = "#08519c"
POINT: Final = "#9ecae1"
SUGGESTED: Final = "#238b45"
RECIPE: Final = "#cb181d"


def rate_svg(test: RateRange, rate: float, name: str) -> str:
    """Loss over rate: each step a point, the smoothed loss a line; marks for the suggestion and for `rate`."""
    scale = scale_of(test)
    points = " ".join(
        f"{_x(scale, r):.1f},{_y(scale, loss):.1f}" for r, loss in zip(test.rates, test.smoothed, strict=True)
    )
    marks = [*_mark(scale, rate, f"recipe: {short(rate)}", RECIPE, TOP + 12)]
    if test.suggestion is not None:
        marks += _mark(scale, test.suggestion, f"suggestion: {short(test.suggestion, 2)}", SUGGESTED, TOP + 28)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="14" font-weight="bold">{escape(name)}: rate-range test</text>',
        f'<text x="{LEFT}" y="44" fill="#555">{escape(verdict(test))}</text>',
        *_grid(scale),
        *(
            f'<circle cx="{_x(scale, r):.1f}" cy="{_y(scale, loss):.1f}" r="2" fill="{POINT}"/>'
            for r, loss in zip(test.rates, test.losses, strict=True)
        ),
        f'<polyline points="{points}" fill="none" stroke="{CURVE}" stroke-width="2"/>',
        *marks,
        f'<text x="{(LEFT + RIGHT) // 2}" y="{HEIGHT - 8}" text-anchor="middle">learning rate</text>',
        "</svg>",
        "",
    ])


def draw_rate_range(test: RateRange, path: Path, rate: float, name: str) -> None:
    """Write the picture of the network `name`."""
    write_text(path, rate_svg(test, rate, name))


def _x(scale: Scale, rate: float) -> float:
    return LEFT + scale.x(rate) * (RIGHT - LEFT)


def _y(scale: Scale, loss: float) -> float:
    return BOTTOM - scale.y(loss) * (BOTTOM - TOP)


def _grid(scale: Scale) -> Iterator[str]:
    for power in scale.decades():
        x = _x(scale, 10.0**power)
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{BOTTOM}" stroke="#eee"/>'
        yield f'<text x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle">1e{power}</text>'
    for k in range(LINES + 1):
        loss = scale.bottom + (scale.top - scale.bottom) * k / LINES
        y = _y(scale, loss)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}" stroke="#eee"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{loss:.3g}</text>'


def _mark(scale: Scale, rate: float, text: str, colour: str, y: int) -> Iterator[str]:
    x = _x(scale, rate)
    anchor, shift = ("end", -5) if scale.x(rate) > 0.5 else ("start", 5)
    yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{BOTTOM}" stroke="{colour}" stroke-dasharray="4 3"/>'
    yield f'<text x="{x + shift:.1f}" y="{y}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
