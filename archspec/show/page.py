"""A network as an HTML page of one file: a diagram that opens and closes, a table of layers, charts of costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from archspec import __version__
from archspec.analysis.report import Report
from archspec.ir import Graph
from archspec.page import page_html
from archspec.show import columns, place, sizes
from archspec.show.draw import default_depth, facts
from archspec.show.layers import layers_of
from archspec.show.paint import DARK_SHADE, SHADES, STACKED, STYLES
from archspec.show.panels import Panels
from archspec.show.scene import Box, scene_of, with_figures
from archspec.show.words import MEASURES, shape_of
from archspec.svg import COLOURS, Theme

SCRIPTS: Final = (  # in this order, as one script
    "figures.js", "state.js", "place.js", "diagram.js", "table.js", "timeline.js", "roofline.js", "predicted.js",
    "main.js",
)
_PARTS: Final = Path(__file__).with_name("parts")


def network_html(
    graph: Graph, report: Report, *, measure: str = "macs", depth: int | None = None, description: str = "",
    panels: Panels | None = None, theme: Theme = "auto",
) -> str:
    """The page of a network. panels: what beside its costs is known of it. The others are as for `network_svg`."""
    panels = panels or Panels()
    network = with_figures(scene_of(graph, report), panels.layers)
    data = page_data(network, panels)
    levels = network.levels()
    data |= {
        "title": report.name, "description": description, "facts": [*_facts(report), *panels.facts],
        "measure": measure, "depth": default_depth(network) if depth is None else min(depth, levels), "levels": levels,
        "archspec": __version__,
    }
    return page_html(_PARTS, SCRIPTS, data, style=styles(), theme=theme)


def _facts(report: Report) -> list[str]:
    inputs = ", ".join(f"{port.name} {shape_of(port.type)}" for port in report.inputs)
    return [inputs, facts(report)]


def page_data(network: Box, panels: Panels) -> dict[str, Any]:
    """What the scripts draw: the boxes in the order of `Box.walk`, and the panels, which name boxes by number."""
    boxes = list(network.walk())
    names = [name for name in MEASURES if any(name in box.figures for box in boxes)]
    number = {id(box): k for k, box in enumerate(boxes)}
    layer = {path: k for k, box in enumerate(boxes) if box.kind == "op" for path in box.paths}
    return {
        "measures": [[name, MEASURES[name]] for name in names],
        "boxes": [_box_data(box, names, number) for box in boxes],
        "lengths": constants(),
        **panels.to_data(layer),
        "predicted": [
            [k, _short(box.figures["time"]), _short(box.figures["measured"])] for k, box in enumerate(boxes)
            if box.kind == "op" and box.figures.get("time") and box.figures.get("measured")
        ],
    }


def _box_data(box: Box, names: Sequence[str], number: Mapping[int, int]) -> dict[str, Any]:
    """A box for the scripts; what is empty is left out. sizes: of its title and of the closed box, for each measure."""
    data: dict[str, Any] = {
        "kind": box.kind, "path": box.path, "name": box.name, "label": box.label, "detail": box.detail,
        "written": "" if box.written == box.label else box.written, "shape": box.shape, "note": box.note,
        "count": box.count if box.count > 1 else 0, "copies": box.copies if box.copies > 1 else 0,
        "figures": [_short(box.figures.get(name, 0.0)) for name in names] if box.figures else [],
        "title": [[word.text, word.look] for word in sizes.title_of(box)],
        "widths": [sizes.closed_size(box, name)[0] for name in names],
    }
    if box.is_frame:
        order = layers_of(box)
        data |= {
            "heads": [round(sizes.title_width(box, name), 2) for name in names], "summary": sizes.summary_of(box),
            "parts": [number[id(inner)] for inner in box.boxes], "layers": order.layers, "columns": order.columns,
            "edges": [
                [edge.source, edge.target, path, text, round(sizes.edge_width(text), 2)]
                for edge, path in zip(box.edges, order.paths, strict=True)
                for text in [sizes.edge_text(edge, direct=not path)]
            ],
        }
    return {key: value for key, value in data.items() if value not in ("", 0, [], ())}


def _short(value: float) -> float:
    return int(value) if float(value).is_integer() else float(f"{value:.6g}")


def constants() -> dict[str, float | tuple[float, ...]]:
    """The lengths of the layout, so that the scripts use those of `place` and `sizes`."""
    return {
        "gap": place.GAP, "shortGap": place.SHORT_GAP, "wideGap": place.WIDE_GAP, "between": columns.BETWEEN,
        "inset": place.INSET, "beside": place.BESIDE, "spread": place.SPREAD, "pad": sizes.PAD, "row": sizes.ROW,
        "twoRows": sizes.TWO_ROWS, "narrow": place.NARROW, "size": sizes.SIZE, "small": sizes.SMALL,
        "space": sizes.SPACE, "shades": SHADES, "darkShade": DARK_SHADE, "stacked": STACKED,
    }


def styles() -> str:
    """The colours of the diagram as the SVG has them, for light, dark and print."""
    light, dark = ("".join(
        f":is(.net, .legend) .{name}{{{rules[k]}}}\n" for name, rules in (COLOURS | STYLES).items()
    ) for k in (0, 1))
    return f"{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n@media print {{\n{light}}}\n"
