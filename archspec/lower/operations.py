"""From a layer's raw fields to an op and its output, with as much of the shape as an error leaves known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from archspec.diagnostics import SourceSpan, listing
from archspec.expressions import holds_unknown
from archspec.lower.builder import blank
from archspec.lower.values import Evaluator, Scope, origin
from archspec.ops import OPS, Op, Operation
from archspec.source import BROKEN
from archspec.spec.parse import BESIDE, did_you_mean, misplaced, short
from archspec.spec.problems import told
from archspec.spec.syntax import At, Layer
from archspec.tensors import UNKNOWN, ShapeError, Tensor

WIDTHS = ("out_channels", "out_features")  # fields that set the channel dimension and nothing else


@dataclass(slots=True)
class Fields:
    """A layer's fields for an op: their values, their places, and which of them are broken."""

    values: dict[str, Any]
    places: dict[str, At]
    broken: set[str]


def read_fields(layer: Layer, cls: type[Operation], ev: Evaluator, scope: Scope, flow: Tensor | None) -> Fields:
    """Evaluate what is written into field values; unknown names and misplaced keys are noted."""
    args, out = layer.args, Fields({}, {}, set())
    if args is None:
        return out
    if not isinstance(args, dict):
        if cls.main is None:
            example = next(iter(cls.model_fields), None)
            hint = f"write `{cls.op}: {{{example}: {short(args)}}}`" if example else f"write `{cls.op}` alone"
            rule = "needs its fields by name" if example else "takes no arguments"
            ev.errors.add("SPEC021", f"`{cls.op}` {rule}", layer.at, hint=hint)
            out.broken.update(cls.model_fields)
            return out
        args, place = {cls.main: args}, layer.at
        _put(out, cls.main, args[cls.main], place, ev, scope, flow)
        return out
    for key, raw in args.items():
        name = key if key in cls.model_fields else _unknown_field(layer, cls, key, ev, args)
        if name is not None:
            _put(out, name, raw, layer.at / key, ev, scope, flow)
        else:
            out.broken.add("")  # something of it is not understood
    return out


def _put(out: Fields, name: str, raw: Any, at: At, ev: Evaluator, scope: Scope, flow: Tensor | None) -> None:
    value = ev.value(raw, at, scope, flow)
    out.places[name] = at
    if holds_unknown(value):
        out.broken.add(name)
    else:
        out.values[name] = value


def _unknown_field(layer: Layer, cls: type[Operation], key: str, ev: Evaluator, args: dict[str, Any]) -> str | None:
    """Tell of it; go on as if the nearest field had been written."""
    if key in BESIDE:
        misplaced(layer, key, ev.errors)
        return None
    hint = did_you_mean(key, cls.model_fields)
    ev.errors.add(
        "SPEC010", f"`{cls.op}` has no field `{short(key)}`", layer.at / key, key=True,
        hint=hint or f"its fields: {listing(cls.model_fields)}",
    )
    meant = hint.split("`")[1] if hint else None
    return meant if meant is not None and meant not in args else None


def make(layer: Layer, cls: type[Operation], fields: Fields, ev: Evaluator, scope: Scope) -> Operation | None:
    """The op, or None after an error."""
    try:
        op = cls(**fields.values)
    except ValidationError as e:
        for problem in e.errors(include_url=False, include_input=True):
            name = str(problem["loc"][0]) if problem["loc"] else ""
            if name in fields.broken or (problem["type"] == "missing" and "" in fields.broken):
                continue
            fields.broken.add(name)
            _tell(layer, cls, name, dict(problem), fields, ev, scope)
        return None
    return None if fields.broken else op


def _tell(
    layer: Layer, cls: type[Operation], name: str, problem: dict[str, Any], fields: Fields, ev: Evaluator, scope: Scope
) -> None:
    if problem["type"] == "missing":
        rest = ": …" if layer.args is None else ""
        ev.errors.add(
            "SPEC011", f"`{cls.op}` needs `{name}`", layer.at, key=layer.at.path != layer.place.path,
            hint=f"write `{cls.op}: {{{name}: …}}`" if rest else f"add `{name}: …`",
        )
        return
    at = fields.places.get(name, layer.at)
    raw = layer.args.get(name) if isinstance(layer.args, dict) else layer.args
    source = origin(raw, at, scope) or at
    moved = source.path != at.path or source.document is not at.document
    notes = [f"used as `{name}` of `{cls.op}` at {at}"] if moved else []
    message, hint = told(problem)
    ev.errors.add("SPEC012", f"`{name}` of `{cls.op}` {message}", source, notes=notes, hint=hint)


def guess(cls: type[Operation], fields: Fields, x: Tensor | None) -> Tensor | None:
    """The output as far as broken fields leave it known: with its widths open, or its height and width."""
    if not issubclass(cls, Op) or "" in fields.broken:
        return None
    if x is None:
        if cls.ndim is None:
            return None
        x = blank(cls.ndim)
    values, widths = dict(fields.values), []
    for name in fields.broken | {n for n, f in cls.model_fields.items() if f.is_required() and n not in values}:
        values.pop(name, None)
        if cls.model_fields[name].is_required():
            values[name] = 1  # any valid value: what depends on it is opened below
        if name in WIDTHS:
            widths.append(name)
        elif cls.ndim == 4:
            x = Tensor((*x.shape[:2], UNKNOWN, UNKNOWN))
        else:
            return None
    try:
        return cls(**values).model_copy(update=dict.fromkeys(widths, UNKNOWN)).outputs((x,))
    except (ShapeError, ValidationError):
        return None


def window_place(layer: Layer, error: ShapeError) -> SourceSpan | None:
    """Where a shape error is best shown: at the window's size, else at the op's name."""
    if error.code == "SHAPE101":
        if isinstance(layer.args, dict) and "kernel_size" in layer.args:
            return (layer.at / "kernel_size").span()
        if layer.args is not None and not isinstance(layer.args, dict):
            return layer.at.span()
    return layer.head()


__all__ = ["BROKEN", "OPS", "Fields", "guess", "make", "read_fields", "window_place"]
