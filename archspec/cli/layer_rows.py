"""The rows of a measured profile: the tree of the spec, or its ops sorted by time, with equal copies in one row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archspec.analysis.report import copies
from archspec.profile.roofline import BOUNDS, Roof

if TYPE_CHECKING:
    from archspec.analysis.report import Report, ReportNode
    from archspec.profile import LayerProfile
    from archspec.profile.layer_profile import LayerTime


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table. guide: the lines of the tree before its name. copies: the equal layers for which it stands.

    inference_ms, forward_ms, backward_ms, ms: sums over all its ops. roof, predicted_ms: None if not known for all.
    """

    guide: str
    name: str
    copies: int
    inference_ms: float
    forward_ms: float
    backward_ms: float
    ms: float
    roof: Roof | None
    predicted_ms: float | None


def tree_rows(root: ReportNode, profile: LayerProfile, depth: int) -> Iterator[Row]:
    """The rows of the tree down to `depth` levels, in the order of the spec."""
    known = {layer.path: layer for layer in profile.layers}

    def walk(node: ReportNode, prefixes: Sequence[str], left: int, guides: tuple[str, str]) -> Iterator[Row]:
        paths = copies(node, prefixes)
        yield _row(guides[0], _name(node), node.count, _ops(node, paths, known), profile)
        for child in node.children if left > 1 else ():
            first, below = ("└ ", "  ") if child is node.children[-1] else ("├ ", "│ ")
            yield from walk(child, [f"{path}." for path in paths], left - 1, (guides[1] + first, guides[1] + below))

    for stage in root.children:
        yield from walk(stage, [""], depth, ("", ""))


def sorted_rows(report: Report, profile: LayerProfile, most: int | None = None) -> list[Row]:
    """The rows of ops, the slowest first, with their full paths. most: only so many, and one row for all others."""
    known = {layer.path: layer for layer in profile.layers}
    found = [(paths[0], len(paths), [known[path] for path in paths]) for paths in report.equal_layers()]
    found.sort(key=lambda row: sum(map(profile.ms, row[2])), reverse=True)
    if most is not None and len(found) > most + 1:
        rest = [layer for _, _, layers in found[most:] for layer in layers]
        found = [*found[:most], (f"{len(found) - most} others", 1, rest)]
    return [_row("", name, count, layers, profile) for name, count, layers in found]


def totals(profile: LayerProfile) -> Row:
    """The sum of all layers."""
    return _row("", "", 1, profile.layers, profile)


def _ops(node: ReportNode, paths: Sequence[str], known: Mapping[str, LayerTime]) -> list[LayerTime]:
    if not node.children:
        return [known[path] for path in paths]
    inside = [f"{path}." for path in paths]
    return [layer for child in node.children for layer in _ops(child, copies(child, inside), known)]


def _name(node: ReportNode) -> str:
    return node.name if node.count == 1 else f"{node.name}–{int(node.name) + node.count - 1}"


def _row(guide: str, name: str, copies: int, layers: Sequence[LayerTime], profile: LayerProfile) -> Row:
    predicted = [layer.predicted_ms for layer in layers]
    return Row(
        guide, name, copies, sum(x.inference_ms for x in layers), sum(x.forward_ms for x in layers),
        sum(x.backward_ms for x in layers), sum(map(profile.ms, layers)), _sum_of_roofs([x.roof for x in layers]),
        None if None in predicted else sum(ms for ms in predicted if ms is not None),
    )


def _sum_of_roofs(roofs: Sequence[Roof | None]) -> Roof | None:
    """The roof of layers one after another; None if none of them has work."""
    known = [roof for roof in roofs if roof is not None]
    if not known:
        return None
    seconds = {bound: sum(roof.seconds.get(bound, 0.0) for roof in known) for bound in BOUNDS}
    return Roof(sum(roof.flops for roof in known), sum(roof.bytes for roof in known), seconds)
