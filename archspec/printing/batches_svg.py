"""Draws speed and memory against the batch size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2
from typing import Final, Protocol

from archspec.svg import Style, cut, label, number_text, picture, svg_text, ticks
from archspec.text import bytes_text, figures_text

WIDTH, HEIGHT = 720, 300
PANEL, TOP, FLOOR, LEFT = 330, 54, 250, 62  # of one panel, in pixels
STYLES: Final[Style] = {
    "line": ("stroke:#0969da;fill:none;stroke-width:2", "stroke:#58a6ff;fill:none;stroke-width:2"),
    "dot": ("fill:#0969da", "fill:#58a6ff"),
    "gone": ("stroke:#cf222e;fill:none;stroke-dasharray:3 3", "stroke:#f85149;fill:none;stroke-dasharray:3 3"),
}
_MIB: Final = 1 << 20


class BatchRow(Protocol):
    """A batch size with its figures, measured or predicted; None: not known. problem: why it does not run, if so."""

    @property
    def batch_size(self) -> int:
        """The number of samples."""

    @property
    def problem(self) -> str | None:
        """One sentence."""

    @property
    def images_per_s(self) -> float | None:
        """Samples per second."""

    @property
    def trains(self) -> bool:
        """Whether the speed is that of a training step."""

    @property
    def peak_bytes(self) -> int | None:
        """The peak memory."""


def batches_svg(rows: Sequence[BatchRow], title: str, samples: str) -> str:
    """Two panels with the batch size on a logarithmic axis: samples per second, and peak memory in MiB.

    samples: what the network takes, such as images. A batch size that does not run is a dashed line at its place.
    Where no row has a problem and none a speed, there is no panel for speed.
    """
    timed = any(row.images_per_s is not None or row.problem is not None for row in rows)
    width = WIDTH if timed else WIDTH // 2
    parts = [label(14, 24, cut(title, width - 28, 15), size=15, bold=True)]
    if timed:
        parts += _panel(rows, 0, f"{samples} per second", lambda row: row.images_per_s, figures_text)
    parts += _panel(
        rows, WIDTH / 2 if timed else 0, "peak memory, MiB",
        lambda row: None if row.peak_bytes is None else row.peak_bytes / _MIB,
        lambda mib: bytes_text(round(mib * _MIB)),
    )
    return picture(width, HEIGHT, parts, title, styles=STYLES)


def _panel(
    rows: Sequence[BatchRow], x0: float, name: str, figure: Callable[[BatchRow], float | None],
    text: Callable[[float], str],
) -> list[str]:
    known = [(row.batch_size, value) for row in rows if (value := figure(row)) is not None]
    steps = ticks(0, max((value for _, value in known), default=1.0))
    low, high = (log2(pick(row.batch_size for row in rows)) for pick in (min, max))

    def place(batch: int, value: float) -> tuple[float, float]:
        across = (log2(batch) - low) / (high - low) if high > low else 0.5
        return x0 + LEFT + 10 + across * (PANEL - LEFT - 34), FLOOR - value / steps[-1] * (FLOOR - TOP)

    parts = [label(x0 + 14, 44, name, style="faint")]
    for tick in steps:
        y = place(rows[0].batch_size, tick)[1]
        parts.append(f'<path d="M{x0 + LEFT:g} {y:.1f}H{x0 + PANEL:g}" class="grid"/>')
        parts.append(label(x0 + LEFT - 6, round(y + 4, 1), number_text(tick), anchor="end", style="faint"))
    for row in rows:
        x = round(place(row.batch_size, 0)[0], 1)
        parts.append(label(x, FLOOR + 18, str(row.batch_size), anchor="middle", style="faint"))
        if figure(row) is None:
            parts.append(f'<path d="M{x:g} {TOP}V{FLOOR}" class="gone"><title>'
                         f"{svg_text(f'{row.batch_size}: {row.problem}')}</title></path>")
    places = [place(batch, value) for batch, value in sorted(known)]
    if places:
        parts.append(f'<path d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in places)}" class="line"/>')
    for (batch, value), (x, y) in zip(sorted(known), places, strict=True):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="dot"><title>'
                     f"{svg_text(f'batch of {batch}: {text(value)}')}</title></circle>")
    parts.append(label(x0 + (LEFT + PANEL) / 2, FLOOR + 38, "batch size", anchor="middle", style="faint"))
    return parts
