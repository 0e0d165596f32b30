"""A network as an SVG: deterministic, in light and dark, without a font or another file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from archspec.analysis.report import Report
from archspec.ir import Graph
from archspec.show.paint import SHADES, STYLES, Painter
from archspec.show.place import Look, place
from archspec.show.scene import Box, scene_of, with_figures
from archspec.show.sizes import PAD, SMALL
from archspec.show.words import MEASURES, figure_text
from archspec.svg import Theme, label, paragraph, picture, text_width

MARGIN: Final = 16.0
LEAST_WIDTH: Final = 420.0  # pixels, so that the heading has room
MOST_BOXES: Final = 72  # drawn ones, beyond which frames stay closed unless a depth is given
SWATCH: Final = 16.0  # pixels, of the legend


def network_svg(
    graph: Graph, report: Report, *, measure: str = "macs", depth: int | None = None, right: bool = False,
    theme: Theme = "auto", description: str = "", layers: Mapping[str, Mapping[str, float]] | None = None,
    setting: Sequence[str] = (),
) -> str:
    """The network as a diagram, from its graph and its costs.

    measure: the cost that colours the boxes, one of `MEASURES`. depth: levels of frames that are open; None: as many as
    are easy to read. right: the flow goes to the right, not down. theme: see `archspec.svg.picture`. layers: further
    costs of layers, by path, see `archspec.show.panels.layer_figures`. setting: lines of the heading that say in which
    setting these costs are.
    """
    network = with_figures(scene_of(graph, report), layers or {})
    depth = default_depth(network) if depth is None else min(depth, network.levels())
    drawn = place(network, Look(depth, measure, right))
    width = max(drawn.width, LEAST_WIDTH) + 2 * MARGIN
    head, top = _heading(report, (description, facts(report), *setting), width - 2 * MARGIN)
    left = (width - drawn.width) / 2
    bottom = round(top + drawn.height + MARGIN, 1)
    painter = Painter(drawn, measure, right=right)
    legend = _legend(painter, bottom)
    return picture(
        width, bottom + 44 if legend else bottom, [
            *head,
            f'<g transform="translate({left:g} {top:g})">', *painter.inside(drawn), "</g>",
            *legend,
        ], f"{report.name}: {facts(report)}", styles=STYLES, theme=theme,
    )


def default_depth(network: Box) -> int:
    """The most levels of frames with at most `MOST_BOXES` boxes, and at least one level."""
    levels = network.levels()
    return next((depth for depth in range(levels, 0, -1) if _boxes(network, depth) <= MOST_BOXES), min(levels, 1))


def _boxes(box: Box, depth: int) -> int:
    """The number of boxes that are drawn in a box if this many levels of frames in it are open."""
    return sum(1 + (_boxes(inner, depth - 1) if depth else 0) for inner in box.boxes)


def facts(report: Report) -> str:
    """What a heading says of a network: `11.18 M parameters, 1.73 G MACs, 27.42 MiB of activations`."""
    figures = {"params": report.params, "macs": report.macs, "memory": report.activation_bytes}
    words = {"params": "parameters", "macs": "MACs", "memory": "of activations"}
    batch = f", batch {report.batch_size}" if report.batch_size > 1 else ""
    return ", ".join(f"{figure_text(figures[name], name) or 0} {word}" for name, word in words.items()) + batch


def _heading(report: Report, lines: Sequence[str], width: float) -> tuple[list[str], float]:
    parts, y = paragraph(MARGIN, MARGIN * 0.75, report.name, width, size=15, bold=True)
    for text in filter(None, lines):
        drawn, y = paragraph(MARGIN, y, text, width, size=10.5, style="faint")
        parts += drawn
    return parts, round(y + MARGIN / 2, 1)


def _legend(painter: Painter, y: float) -> list[str]:
    measure, largest = painter.measure, painter.largest
    if not largest:
        return []
    parts = [label(MARGIN, y + 12, f"{MEASURES[measure]} per box", size=SMALL + 1, style="faint")]
    x = MARGIN + round(text_width(f"{MEASURES[measure]} per box", SMALL + 1)) + PAD
    for k in range(SHADES + 1):
        parts.append(f'<rect x="{x + k * SWATCH:g}" y="{y + 3:g}" width="{SWATCH:g}" height="11" class="s{k} rim"/>')
    for k in (0, SHADES // 2, SHADES):
        text = figure_text(largest * (k / SHADES) ** 2, measure) or "0"
        parts.append(label(x + (k + 0.5) * SWATCH, y + 26, text, size=SMALL, anchor="middle", style="faint"))
    return parts
