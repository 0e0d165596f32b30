"""Prints the difference between two specs: figures, what changes them most, structure, shapes, recipe."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from archspec.diagnostics import plural
from archspec.printing.columns import WORDS, Column, add_columns, fitting, padding
from archspec.printing.figures import number_text, ratio_text, shown
from archspec.printing.plain import UNLIMITED, WIDTH
from archspec.text import clean, count_text, sizes_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from archspec.difference.model import Difference, LayerChange
    from archspec.difference.structure import Edit

EDITS: Final = 30  # the most changes that a text lists unless all are wanted
SHAPES: Final = 10
_FIXED: Final = "\N{NO-BREAK SPACE}"
_MARKS: Final = {"added": "+", "removed": "-"}
_STYLES: Final = {"+": "green", "-": "red", "~": "yellow"}
Line = tuple[str, str, str]  # mark, where, what


def show(difference: Difference, console: Console, *, everything: bool = False) -> None:
    """Print the difference. everything: all changes, and not only the first."""
    from rich.text import Text

    width = min(console.width, WIDTH) if console.width < UNLIMITED else UNLIMITED
    console.print(Text(f"{clean(difference.before)} → {clean(difference.after)}", style="bold"))
    console.print(Text(_settings(difference), style="dim"))
    if difference.figures:
        console.print(_figure_table(difference, console))
    reasons = list(_reasons(difference))
    for line in reasons:
        console.print(Text(_wrapped(line, width, 2)))
    below_table = bool(difference.figures) and not reasons  # which ends with an empty line
    for k, (title, lines) in enumerate(_sections(difference, everything=everything)):
        console.print(Text(title if below_table and k == 0 else f"\n{title}", style="bold"))
        for mark, where, what in lines:
            text = Text(_wrapped(f"{mark} {where}: {what}" if what else f"{mark} {where}", width, 4))
            text.stylize(_STYLES.get(mark, "dim"), 0, len(mark))
            text.stylize("cyan", 2, 2 + len(where))
            console.print(text)
    if difference.is_empty:
        console.print(Text("no difference"))


def _settings(difference: Difference) -> str:
    """`batch 64, float32`, with what is not the default."""
    found = difference.settings
    parts = [f"batch {found['batch_size']}", found["dtype"]]
    parts += [found["precision"]] if found["precision"] != "fp32" else []
    parts += ["channels last"] if found["channels_last"] else []
    parts += [clean(f"on {found['target']}")] if found["target"] != "cpu" else []
    return ", ".join(parts)


def _figure_rows(difference: Difference) -> list[tuple[str, ...]]:
    return [
        (f.title, number_text(f.name, f.before), number_text(f.name, f.after),
         number_text(f.name, f.change, sign=True) if f.change else "", ratio_text(f))
        for f in shown(difference.figures)
    ]


def _figure_table(difference: Difference, console: Console) -> Table:
    """With the names of the specs above their columns if they differ and are short enough."""
    from rich import box
    from rich.table import Table

    names = clean(difference.before), clean(difference.after)
    columns = _columns(difference, names)
    if names[0] == names[1] or sum(column.natural + 3 for column in columns) > WIDTH:
        columns = _columns(difference, ("before", "after"))
    widths = fitting(columns, range(len(columns)), console.width)
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="bold", padding=padding(columns, console.width))
    add_columns(table, columns, widths)
    table.columns[-1].style = "bold" if len(widths) == len(columns) else ""
    for row in zip(*(columns[k].cells for k in widths), strict=True):
        table.add_row(*row)
    return table


def _columns(difference: Difference, names: tuple[str, str]) -> list[Column]:
    heads, cells = ("figure", *names, "change", "ratio"), zip(*_figure_rows(difference), strict=True)
    return [
        Column(head, texts, None if k else WORDS, right=k > 0)
        for k, (head, texts) in enumerate(zip(heads, cells, strict=True))
    ]


def _reasons(difference: Difference) -> Iterator[str]:
    """The stages that change parameters and MACs most: `MACs: conv2 +204.19 M, …`."""
    for figure, title in (("params", "parameters"), ("macs", "MACs")):
        if stages := difference.contributions(figure):
            parts = (f"{clean(stage)} {_signed(change)}" for stage, change in stages)
            yield f"{title}: {', '.join(parts)}"


def _signed(number: int) -> str:
    """`+204.19 M`, which is not broken at the end of a line."""
    return f"{'−' if number < 0 else '+'}{count_text(abs(number))}".replace(" ", _FIXED)


def _wrapped(line: str, width: int, indent: int) -> str:
    return textwrap.fill(
        line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    ).replace(_FIXED, " ")


def _sections(difference: Difference, *, everything: bool) -> Iterator[tuple[str, list[Line]]]:
    """A title and its lines."""
    layers = {layer.path: layer for layer in difference.layers}
    edits = [_edit(edit, layers) for edit in difference.edits]
    if edits:
        yield f"structure: {plural(len(edits), 'change')}", _some(edits, None if everything else EDITS)
    shapes = list(_shapes(difference, layers))
    if shapes:
        yield "output shapes of other stages", _some(shapes, None if everything else SHAPES)
    if difference.recipe:
        yield "recipe", [
            ("~", clean(name), clean(f"{_value(a)} → {_value(b)}")) for name, (a, b) in difference.recipe.items()
        ]


def _some(lines: list[Line], most: int | None) -> list[Line]:
    if most is None or len(lines) <= most + 1:
        return lines
    return [*lines[:most], (" ", f"and {len(lines) - most} more", "--all shows every one")]


def _edit(edit: Edit, layers: dict[str, LayerChange]) -> Line:
    changed = [layers[path] for path in (edit.after or edit.before) if path in layers]
    facts = [clean(edit.text)]
    if edit.kind not in ("input", "output", "renumbered") and edit.count > 1:
        facts[0] += f" (at {edit.count} places)"
    if edit.kind == "changed" and (shape := _common_shape(changed)) and not edit.text.endswith(shape):
        facts.append(shape)
    if edit.kind in ("added", "removed", "changed"):
        for figure, title in (("params", "parameters"), ("macs", "MACs")):
            if total := sum(layer.change(figure) for layer in changed):
                facts.append(f"{_signed(total)}{_FIXED}{title}")
    kind = f"{edit.kind} " if edit.kind in ("input", "output", "renumbered", "renamed") else ""
    where = clean(edit.path if edit.path == edit.kind else f"{kind}{edit.path}")
    return _MARKS.get(edit.kind, "~"), where, "; ".join(facts)


def _common_shape(layers: list[LayerChange]) -> str:
    """`96×54×54 → 64×112×112`, if all layers have the same change."""
    shapes = {_shape_text(layer) for layer in layers}
    return shapes.pop() if len(shapes) == 1 and all(layer.reshaped for layer in layers) else ""


def _shape_text(layer: LayerChange) -> str:
    sides = (layer.before, layer.after)
    return " → ".join(sizes_text(side.output_shape) for side in sides if side is not None)


def _shapes(difference: Difference, layers: dict[str, LayerChange]) -> Iterator[Line]:
    """The stages whose output has another shape, unless a line above says it."""
    said = {
        (path.partition(".")[0], _shape_text(layers[path]))
        for edit in difference.edits if edit.kind == "changed" and _common_shape([layers[p] for p in edit.after])
        for path in edit.after
    }
    last: dict[str, LayerChange] = {}
    for layer in difference.layers:
        if layer.after is not None:
            last[layer.path.partition(".")[0]] = layer
    for stage, layer in last.items():
        if layer.reshaped and (stage, _shape_text(layer)) not in said:
            yield "~", clean(stage), _shape_text(layer)


def _value(value: Any) -> str:
    """A value of a recipe, as in YAML: `[b1, b2]`; a whole recipe in words."""
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return "a recipe"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
