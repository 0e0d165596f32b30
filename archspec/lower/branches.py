"""The branches of a merge: their shapes, and hints that make them agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archspec.diagnostics import Edit, Hint
from archspec.diagnostics.hints import EndInput
from archspec.language import fixes
from archspec.language.syntax import Body, Layer
from archspec.lower.builder import Val, blank
from archspec.lower.values import Scope
from archspec.ops import OPS, Operation, infer_outputs
from archspec.ops.traits import GivesShape
from archspec.types import ShapeError, TensorType


def tensors_of(values: Sequence[Val]) -> tuple[TensorType, ...]:
    """The types of the values. An unknown one gets the rank of the others."""
    ndim = next(v.tensor.ndim for v in values if v.tensor is not None)
    return tuple(blank(ndim) if v.tensor is None else v.tensor for v in values)


def remedy_of(hint: str | None, layer: Layer, names: list[str], scope: Scope) -> str | None:
    """An op's hint for branches that disagree, for this layer.

    Inside a block, where other calls may be correct, the hint makes the change conditional.
    """
    if not isinstance(hint, EndInput):
        return fixes.of_op(hint, layer.at, layer.head, layer.place)
    name = names[hint.which]
    body = layer.branches[name]
    if scope.calls and not body.layers and len(names) == 2:
        other = layer.branches[next(n for n in names if n != name)]
        if chosen := _conditional(hint, name, body, other):
            return chosen
    return fixes.appended(f"end `{name}` with {hint.listed(hint.layers)}", body.at, hint.layers)


def reshaped(op: Operation, e: ShapeError, layer: Layer, outputs: Mapping[str, Val]) -> Hint | None:
    """The hint to correct the shape of a learned tensor that does not fit the other branches; None without one."""
    names, types = list(outputs), [value.tensor for value in outputs.values()]
    for k in e.inputs:
        last = layer.branches[names[k]].layers[-1:]
        op_class = OPS.get(last[0].kind or "") if last else None
        trait = None if op_class is None else op_class.trait(GivesShape)
        mine = types[k]
        if op_class is None or trait is None or mine is None:
            continue
        for i in e.inputs:
            other = types[i]
            for shape in _candidates(mine.shape, other.shape) if other is not None and i != k else ():
                if _accepts(op, [mine.reshaped(*shape) if j == k else x for j, x in enumerate(types)]):
                    text = str(list(shape[1:]))
                    return fixes.field(f"write `{trait.field}: {text}` in `{names[k]}`", last[0].at, trait.field, text,
                                       op_class.main)
    return None


def _candidates(mine: tuple[int, ...], other: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Shapes with a dimension of the other shape, then with all of them."""
    if len(mine) == len(other):
        yield from ((*mine[:d], other[d], *mine[d + 1 :]) for d in range(1, len(mine)))
    yield other


def _accepts(op: Operation, types: Sequence[TensorType | None]) -> bool:
    known = tuple(x for x in types if x is not None and x.known)
    try:
        return len(known) == len(types) and bool(infer_outputs(op, known))
    except ShapeError:
        return False


def _conditional(hint: EndInput, name: str, body: Body, other: Body) -> str | None:
    """The hint to put a layer into an empty branch if the other branch changes features, channels or size.

    Its op is the hint's own for a shortcut.
    """
    op = hint.shortcut
    widths = [raw for layer in other.layers if (raw := _width(layer)) is not None]
    strides = [raw for layer in other.layers if (raw := _stride(layer)) not in (None, 1)]
    if op is None or not widths or len(strides) > 1:
        return None
    width, field = str(widths[-1]).removeprefix("$"), OPS[op].channels_field() or ""
    when = f"in.{field.removeprefix('out_')} != {width}"
    for raw in strides:
        when = f"{str(raw).removeprefix('$')} != 1 or {when}"
    fields = f"{field}: {widths[-1]}, kernel_size: 1" + "".join(f", stride: {raw}" for raw in strides)
    layer = f"{op}: {widths[-1]}" if field == OPS[op].main else f"{op}: {{{fields}}}"
    text = f"{{{layer}, when: $({when})}}"
    span = body.at.span()
    edits = () if span is None else (Edit(span, text),)
    return Hint(f"write `{name}: {text}`", None, edits)


def _width(layer: Layer) -> Any:
    """The channels, as written, of a convolution, or of a call of a block whose first argument is its channels."""
    if layer.kind is None:
        return None
    if layer.kind in OPS:
        return layer.args.get(OPS[layer.kind].channels_field()) if isinstance(layer.args, dict) else None
    first = layer.args[0] if isinstance(layer.args, list) and layer.args else layer.args
    if isinstance(first, dict):
        first = first.get("channels")
    return first if isinstance(first, (int, str)) else None


def _stride(layer: Layer) -> Any:
    return layer.args.get("stride") if isinstance(layer.args, dict) else None
