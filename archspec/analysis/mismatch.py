"""Possible causes of a difference from `expect`, for the notes of a diagnostic."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from archspec.analysis.report import Report, ReportNode
from archspec.ir import Graph, sites
from archspec.ops.traits import Convolves
from archspec.text import shape_text

_SHOWN: Final = 3  # layers with the largest figure that are listed


def of_count(figure: str, surplus: int, report: Report, graph: Graph) -> Iterator[str]:
    """Possible causes if a figure (params, macs, buffers) is `surplus` larger than expected."""
    layers = report.layers()
    alike = next((x for x in layers if getattr(x, figure) == abs(surplus)), None)
    if alike is not None:
        yield f"`{alike.path}` alone has {abs(surplus):,}"
    if figure == "params" and surplus > 0 and surplus == _convolution_biases(graph):
        yield f"the biases of all convolutions together are {surplus:,}: `bias: false` leaves them out"
    copied = next(_copies(report, surplus), None) if figure == "params" else None
    if copied is not None:
        first, again = copied
        yield f"`{again}` has the same layers as `{first}`: `{{share: {first}}}` would run them with the same weights"
    total = int(getattr(report, figure))
    largest = sorted((x for x in layers if getattr(x, figure)), key=lambda x: -int(getattr(x, figure)))[:_SHOWN]
    if len(largest) > 1:
        yield "most are in " + ", ".join(
            f"`{x.path}` {getattr(x, figure):,} ({100 * getattr(x, figure) / total:.0f} %)" for x in largest
        )


def _copies(report: Report, params: int) -> Iterator[tuple[str, str]]:
    """Stages with so many parameters whose layers have the names, ops and parameters of an earlier stage."""
    seen: dict[tuple[object, ...], str] = {}
    for stage in report.root.children:
        layers = tuple(_layers(stage, ""))
        first = seen.setdefault(layers, stage.name)
        if first != stage.name and stage.cost.params == params > 0:
            yield first, stage.name


def _layers(row: ReportNode, path: str) -> Iterator[tuple[str, str, int, int]]:
    for child in row.children:
        yield from _layers(child, f"{path}.{child.name}")
    if not row.children:
        yield path, row.label, row.cost.params, row.count


def _convolution_biases(graph: Graph) -> int:
    convolutions = (
        site.node.op.parameters(*site.inputs) for site in sites(graph)
        if site.node.op is not None and site.node.op.trait(Convolves) is not None and site.owns_weights
    )
    return sum(specs["bias"].numel for specs in convolutions if "bias" in specs)


def of_shape(stage: str, wanted: tuple[int, ...], report: Report) -> Iterator[str]:
    """The last layer before the end of a stage with the wanted sizes, and the next one, which changes them.

    Sizes that are right at the end of the stage are ignored. Yields nothing if no layer has the wanted sizes.
    """
    rows = list(_main_line(report.root, stage))
    found = next(row for row in report.root.children if row.name == stage).output_shape
    same_rank = len(found) == len(wanted)
    asked = [k for k, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b] if same_rank else []

    def suits(row: ReportNode) -> bool:
        shape = row.output_shape
        return len(shape) == len(wanted) and all(shape[k] == wanted[k] for k in asked)

    turns = [(a, b) for a, b in pairwise(rows) if suits(a) and not suits(b)]
    for before, after in turns[-1:]:
        kept, changed = shape_text(before.output_shape), shape_text(after.output_shape)
        yield f"`{before.path}` gives {kept}, `{after.path}` makes it {changed}"


def _main_line(root: ReportNode, stage: str) -> Iterator[ReportNode]:
    """The rows from the start of the network to the end of the stage, with sequences and repeats opened."""
    for row in root.children:
        yield from _opened(row)
        if row.name == stage:
            return


def _opened(row: ReportNode) -> Iterator[ReportNode]:
    if row.kind in ("sequence", "repeat"):
        for child in row.children:
            yield from _opened(child)
    else:
        yield row
