"""Prints the static profile: a tree of layers with their figures, and the layers that dominate them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Final

from archspec.text import bytes_text, clean, count_text, percent_text, sizes_text, times_text
from archspec.types import DTYPE_BYTES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from archspec.analysis.receptive_field import Fields
    from archspec.analysis.report import Report, ReportNode
    from archspec.ir import Port

ROWS: Final = 40  # the most rows that are easy to read
NOTHING: Final = "–"
BAR_CELLS: Final = 12
SHARE_CELLS: Final = 8  # of a bar in the tree
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"

STRUCTURE: Final = ("sequence", "repeat")  # kinds of graph whose label is not shown

Figure = Callable[["ReportNode"], int]
FIGURES: Final[dict[str, Figure]] = {
    "parameters": lambda node: node.cost.params,
    "MACs": lambda node: node.cost.macs,
    "activations": lambda node: node.activation_bytes,
}


def show(
    report: Report, console: Console, *, depth: int | None = None, description: str | None = None,
    step: str | None = None, fields: Fields | None = None, bars: bool = False,
) -> None:
    """Print the profile.

    depth: the number of levels of the tree, 0 for the totals alone; None: chosen automatically. step: a line on the
    memory of a training step.
    fields: the receptive fields of the ops, for a column of them: of a row, that of its last op. bars: draw the share
    of each row instead of its figures.
    """
    from rich.text import Text

    deepest = levels(report.root)
    shown = min(depth, deepest) if depth is not None else default_depth(report.root)
    console.print(*_heading(report, description), sep="\n")
    if not shown:
        console.print()
        console.print(_totals(report, step))
        return
    table = _tree(report, shown, fields, bars=bars)
    fit(table, 0, console)
    console.print(table)
    if notes := "\n".join(_reading_notes(report.root, shown, deepest, fields)):
        console.print(Text(f"{notes}\n", style="dim"))
    console.print(_totals(report, step))
    console.print()
    table = _dominant(report.root)
    fit(table, 3, console)
    console.print(table)


def natural_width(table: Table, console: Console) -> int:
    """The columns that the table takes where there is room enough."""
    from rich.measure import Measurement

    return Measurement.get(console, console.options.update(width=10_000, max_width=10_000), table).maximum


def fit(table: Table, column: int, console: Console) -> None:
    """If the table is wider than the terminal, shorten this column, and never a figure.

    Of a name, its first and last part and the ×N after it stay as long as there is room.
    """
    from rich.measure import Measurement
    from rich.text import Text

    wide = console.options.update(width=10_000)
    natural = max(Measurement.get(console, wide, cell).maximum for cell in table.columns[column].cells)
    excess = natural_width(table, console) - console.width
    if excess > 0:
        room = table.columns[column].max_width = max(8, natural - excess)
        names = table.columns[column]._cells  # rich has no public way to change a cell
        if table.columns[column].overflow == "ellipsis":
            names[:] = [_shortened(cell, room) if isinstance(cell, Text) else cell for cell in names]


def _shortened(cell: Text, room: int) -> Text:
    """`stage…conv2d_1 ×5` of `stage.block.0.conv2d_1 ×5`; what rich itself cuts well is left as it is."""
    from rich.text import Text

    times = re.search(r" ×\d+(?= |$)", cell.plain)
    end = times.end() if times else len(cell)
    name = cell[: times.start()] if times else cell
    last = name.plain.rfind(".")
    if len(cell) <= room or (end < room and last < 0):
        return cell
    tail = cell[times.start() : end] if times else Text()
    left = room - len(tail) - 1
    if last > 0 and len(name) > left:
        kept = name[last + 1 : last + max(1, left)]
        left, tail = left - len(kept), kept + tail
    return Text.assemble(name[:left], "…", tail) if len(name) > left else name + tail


def _reading_notes(root: ReportNode, shown: int, deepest: int, fields: Fields | None) -> Iterator[str]:
    if any(copies > 1 for _, copies in _visible(root, shown)):
        yield "×N: N equal layers in one row; its figures are totals"
    if shown < deepest:
        yield f"{shown} of {deepest} levels; --depth {deepest} shows every op"
    if fields is not None and None in fields.values():
        yield "?: not known, because an op of a plugin has no `reach` method"


def _visible(node: ReportNode, depth: int) -> Iterator[tuple[ReportNode, int]]:
    for child in node.children if depth else ():
        yield child, child.count
        yield from _visible(child, depth - 1)


def levels(node: ReportNode) -> int:
    """The number of levels below this one."""
    return 1 + max(map(levels, node.children)) if node.children else 0


def default_depth(root: ReportNode) -> int:
    """2 levels, the stages and their parts; 1 if that has more than `ROWS` rows."""
    return 2 if sum(1 for _ in _visible(root, 2)) <= ROWS else 1


def _heading(report: Report, description: str | None) -> Iterator[Text]:
    from rich.text import Text

    yield Text.assemble((clean(report.name), "bold"), clean(f": {description}") if description else "")
    inputs = ", ".join(_input_text(port) for port in report.inputs)
    yield Text(f"{inputs}, batch {report.batch_size}, {report.dtype}", style="dim")


def _input_text(port: Port) -> str:
    """`input 3×224×224`, `tokens 64 (integers below 20,000)`."""
    limit = "" if port.type.below is None else f" (integers below {port.type.below:,})"
    return f"{clean(port.name)} {sizes_text(port.type.shape[1:])}{limit}"


def _tree(report: Report, depth: int, fields: Fields | None, *, bars: bool) -> Table:
    from rich import box
    from rich.table import Table

    root = report.root
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="bold", show_footer=True, footer_style="bold")
    table.add_column("layer", "total", no_wrap=True, overflow="ellipsis")
    if not bars:  # whose names need the room
        shape = sizes_text(report.output_shape)
        table.add_column("output", shape, no_wrap=True, style="cyan", footer_style="bold cyan")
    for name, cell in zip(FIGURES, _cells(root, 1), strict=True):
        table.add_column(name, cell.strip() if bars else cell, justify="left" if bars else "right", no_wrap=True)
    seen = None if fields is None else _last_fields(fields)
    if seen is not None:
        table.add_column("sees", justify="right", no_wrap=True)
    for child in root.children:
        _add_rows(table, child, 1, depth - 1, ("", ""), idle=child.training_only, shared=False, seen=seen,
                  whole=root if bars else None)
    return table


def _last_fields(fields: Fields) -> dict[str, str]:
    """The receptive field of the last op in each row, by the row's path: `435`, `11×7`; the largest of several."""
    texts = {}
    for path, inputs in fields.items():
        each = [[field.size for field in axes] for axes in (inputs or {}).values()]
        sizes = max(each, default=[], key=prod)
        text = "?" if inputs is None else sizes_text(sizes[:1] if len(set(sizes)) == 1 else sizes) or NOTHING
        names = path.split(".")
        texts.update({".".join(names[:k]): text for k in range(1, len(names) + 1)})
    return texts


def _add_rows(
    table: Table, node: ReportNode, copies: int, depth: int, guides: tuple[str, str], *, idle: bool, shared: bool,
    seen: dict[str, str] | None, whole: ReportNode | None,
) -> None:
    """Add a row for the node, then those of its children.

    copies: the number of equal copies of it for which the enclosing rows stand. guides: the lines drawn before its
    name, and before the names of its children. idle: whether only training runs it. shared: whether it is part of
    a row that is marked as shared. seen: the receptive field at each path. whole: the network, if bars show shares of
    it.
    """
    copies *= node.count
    open_here = depth > 0 and bool(node.children)
    style = "bold" if not guides[0] else ""
    name = _name(node, guides[0], shared=shared)
    shape = () if whole is not None else (sizes_text(node.output_shape),)
    figures = _cells(node, copies, idle=idle) if whole is None else _bars(node, copies, whole, idle=idle)
    sees = () if seen is None else (seen.get(_last_copy(node), NOTHING),)
    table.add_row(name, *shape, *figures, *sees, style=style)
    if open_here:
        for child in node.children:
            first, below = ("└ ", "  ") if child is node.children[-1] else ("├ ", "│ ")
            _add_rows(table, child, copies, depth - 1, (guides[1] + first, guides[1] + below), idle=idle,
                      shared=shared or node.shared_with is not None, seen=seen, whole=whole)


def _last_copy(node: ReportNode) -> str:
    """The path of the last of the copies for which a row stands."""
    if node.count == 1:
        return node.path
    return f"{node.path.rpartition('.')[0]}.{int(node.name) + node.count - 1}"


def _name(node: ReportNode, guide: str, *, shared: bool) -> Text:
    from rich.text import Text

    name = node.name if node.count == 1 else f"{node.name}–{int(node.name) + node.count - 1}"
    known = node.name.startswith(node.label) or node.kind in STRUCTURE
    times = times_text(node.count)
    return Text.assemble(
        (guide, "dim"), clean(name), ("" if known else f" {clean(node.label)}", "dim not bold"), (times, "yellow"),
        (" training only" if node.training_only else "", "dim not bold"),
        (f" shared with {clean(node.shared_with)}" if node.shared_with and not shared else "", "dim not bold"),
    )


def _cells(node: ReportNode, copies: int, *, idle: bool = False) -> tuple[str, str, str]:
    """Parameters, MACs and activations of all copies for which the row stands, so that the columns add up.

    idle: whether only training runs it; then it has no MACs and activations in evaluation.
    """
    size = 0 if idle else node.activation_bytes * copies
    counts = (node.cost.params * copies, 0 if idle else node.cost.macs * copies)
    params, macs = (count_text(count, pad=True) if count else f"{NOTHING}  " for count in counts)
    return params, macs, bytes_text(size) if size else NOTHING


def _bars(node: ReportNode, copies: int, whole: ReportNode, *, idle: bool) -> list[Text]:
    """The same as shares of the network: `█████▎    65.9 %`."""
    from rich.text import Text

    cells = []
    for name, figure in FIGURES.items():
        part = 0 if idle and name != "parameters" else figure(node) * copies
        share = percent_text(part, figure(whole)) if part else NOTHING
        bar = f"{_bar(part, figure(whole), SHARE_CELLS):<{SHARE_CELLS}}"
        cells.append(Text.assemble((bar, "yellow"), f"{share:>8}"))
    return cells


def _totals(report: Report, step: str | None) -> Text:
    from rich.text import Text

    cost = report.root.cost
    weights = bytes_text(cost.params * DTYPE_BYTES[report.dtype])
    lines = [
        f"{cost.params:,} parameters ({weights}) and {cost.buffers:,} elements of buffers",
        f"{cost.macs:,} MACs = {_flops(2 * cost.macs)}, and {_flops(cost.elementwise_flops)} of element-wise work",
        f"{bytes_text(report.root.activation_bytes)} of activations: every op's output, none freed or reused",
    ]
    if report.backward_macs:
        times = 1 + report.backward_macs / report.training_macs
        lines.insert(2, f"{report.backward_macs:,} MACs backward: a training step takes {times:.2f} × the MACs of "
                        "its forward pass")
    if any(node.training_only for node in report.root.children):
        lines.append(f"in training {report.training_macs:,} MACs and {bytes_text(report.training_activation_bytes)} of "
                     "activations: of layers that only training runs, the figures above count the parameters alone")
    if step is not None:
        lines.append(step)
    return Text("\n".join(lines))


def _dominant(root: ReportNode) -> Table:
    """For each figure, the stage and the op with the largest share."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name, side in (("most", "left"), ("stage", "left"), ("share", "right"), ("op", "left"), ("share", "right")):
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=name != "op", overflow="fold")
    table.add_column()
    for name, figure in FIGURES.items():
        whole = figure(root)
        if not whole:
            continue
        counted = root if name == "parameters" else _evaluated(root)
        stage = max(counted.children, key=lambda node: figure(node) * node.count)
        op, alike = largest_op(counted, figure)
        table.add_row(
            name, clean(stage.name), percent_text(figure(stage) * stage.count, whole),
            Text.assemble(clean(op.path), (f" and {alike - 1} more" if alike > 1 else "", "dim")),
            percent_text(figure(op), whole), Text(_bar(figure(op), whole), style="yellow"),
        )
    return table


def _evaluated(root: ReportNode) -> ReportNode:
    """The rows that evaluation runs."""
    return replace(root, children=tuple(node for node in root.children if not node.training_only))


def largest_op(root: ReportNode, figure: Figure) -> tuple[ReportNode, int]:
    """The first op with the largest figure, and the number of ops with the same figure."""
    ops = list(_ops(root, 1))
    op = max((node for node, _ in ops), key=figure)
    return op, sum(copies for node, copies in ops if figure(node) == figure(op))


def _ops(node: ReportNode, copies: int) -> Iterator[tuple[ReportNode, int]]:
    """Every op below, with the number of copies for which its row and the enclosing rows stand."""
    copies *= node.count
    if not node.children:
        yield node, copies
    for child in node.children:
        yield from _ops(child, copies)


def _flops(number: int) -> str:
    text = count_text(number)
    return f"{text}FLOPs" if " " in text else f"{text} FLOPs"


def _bar(part: int, whole: int, cells: int = BAR_CELLS) -> str:
    eighths = round(part / whole * cells * 8) if whole else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
