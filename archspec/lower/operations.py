"""Makes an op of a layer's raw fields. After an error, as much of the output's shape as possible stays known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from archspec.expressions import holds_unknown
from archspec.language import fixes
from archspec.language.errors import Place
from archspec.language.message_text import short, value_text
from archspec.language.problems import explain, integer_hint, is_about_integer, is_sentence, meant_value
from archspec.language.syntax import At, Layer
from archspec.language.unknown import INFERRED, meant_field
from archspec.lower.builder import blank
from archspec.lower.evaluate import Evaluator
from archspec.lower.values import Scope, ShapeView, written
from archspec.ops import Op, Operation, infer_outputs
from archspec.ops.traits import Affects, Projects
from archspec.source import BROKEN
from archspec.types import UNKNOWN, ShapeError, TensorType

_LOST: Final = ""  # in `broken`: an unknown field that resembles no other


@dataclass(slots=True)
class Fields:
    """The fields of a layer's op: their values and places, and which of them are broken."""

    values: dict[str, Any]
    places: dict[str, At]
    broken: set[str]


def read_fields(layer: Layer, cls: type[Operation], ev: Evaluator, scope: Scope, flow: TensorType | None) -> Fields:
    """Evaluate a layer's fields. Unknown names are reported."""
    out, view = Fields({}, {}, set()), ShapeView(flow)
    if layer.args is None:
        return out
    if layer.args is BROKEN:
        out.broken.update(cls.model_fields, [_LOST])
        return out
    if isinstance(layer.args, dict):
        for key, raw in layer.args.items():
            name = key if key in cls.model_fields else _meant_field(layer, cls, key, ev, scope)
            if name:
                _put(out, name, raw, layer.at / key, ev, scope, view)
            elif name is not None:
                out.broken.add(_LOST)
    elif cls.main is not None:
        _put(out, cls.main, layer.args, layer.at, ev, scope, view)
    else:
        _complain_main(layer, cls, ev, scope, flow)
        out.broken.update(cls.model_fields, [_LOST] if cls.model_fields else [])
    return out


def is_fixed(args: Any) -> bool:
    """Whether a layer's fields always have the same values: they contain no expression."""
    if isinstance(args, dict):
        return all(map(is_fixed, args.values()))
    if isinstance(args, list):
        return all(map(is_fixed, args))
    return not (isinstance(args, str) and args.startswith("$"))


def _put(out: Fields, name: str, raw: Any, at: At, ev: Evaluator, scope: Scope, flow: ShapeView) -> None:
    value = ev.value(raw, at, scope, flow)
    out.places[name] = at
    if holds_unknown(value):
        out.broken.add(name)
    else:
        out.values[name] = value


def _meant_field(layer: Layer, cls: type[Operation], key: str, ev: Evaluator, scope: Scope) -> str | None:
    """Report a field that the op does not have, and return the nearest one.

    None if the field may be ignored; `_LOST` if it resembles no other.
    """
    meant, hint = meant_field(cls, key, layer.args, layer.at / key)
    ev.reporter.tell("SPEC010", f"`{cls.op}` has no field `{short(key)}`", (layer.at / key).key, scope, hint=hint)
    return None if key in INFERRED else meant or ""


def _complain_main(
    layer: Layer, cls: type[Operation], ev: Evaluator, scope: Scope, x: TensorType | None
) -> None:
    from archspec.lower.positional import positional_hint  # only mistakes need it

    names = [cls.likely] if cls.likely else list(cls.model_fields)
    rule = "needs its fields by name" if names else "takes no arguments"
    values = layer.args if isinstance(layer.args, list) and not cls.likely else [layer.args]
    given = {name: value_text(value) for name, value in zip(names, values, strict=False)}
    for name, field in cls.model_fields.items():
        if field.is_required() and name not in given:
            given[name] = _example(cls, name)
    fields = ", ".join(f"{name}: {given[name]}" for name in cls.model_fields if name in given)
    hint: str = fixes.whole(f"write `{cls.op}: {{{fields}}}`", layer.at, f"{cls.op}: {{{fields}}}")
    if "…" in fields or len(values) > len(names):
        hint = str(hint)
    if not _needs_fields(cls) and not _suits(cls, names, values):
        hint = fixes.whole(f"write `{cls.op}` alone", layer.at, cls.op)
    if isinstance(layer.args, list):
        values = ev.value(layer.args, layer.at, scope, ShapeView(x))
        hint = positional_hint(layer, cls, x, values) or hint
    ev.reporter.tell("SPEC021", f"`{cls.op}` {rule}, got {value_text(layer.args)}", layer.at, scope, hint=hint)


def _needs_fields(cls: type[Operation]) -> bool:
    return any(field.is_required() for field in cls.model_fields.values())


def _suits(cls: type[Operation], names: list[str], values: list[Any]) -> bool:
    """Whether the op accepts these values in the fields of these names, and they may be meant for them.

    PyTorch's first argument of a norm is the number of channels: an integer is not meant for `eps`.
    """
    defaults = [cls.model_fields[name].default for name in names]
    if any(type(value) is int and isinstance(given, float) for value, given in zip(values, defaults, strict=False)):
        return False
    try:
        cls.model_validate(dict(zip(names, values, strict=False)))
    except ValidationError:
        return False
    return 0 < len(values) <= len(names)


def make(
    layer: Layer, cls: type[Operation], fields: Fields, ev: Evaluator, scope: Scope, x: TensorType | None = None
) -> Operation | None:
    """The op, or None after an error. x: its input, as far as it is known."""
    try:
        op = cls.model_validate(fields.values)
    except ValidationError as e:
        problems = e.errors(include_url=False, include_input=True)
        missing = [str(p["loc"][0]) for p in problems if p["type"] == "missing" and len(p["loc"]) == 1]
        _tell_missing(layer, cls, [name for name in missing if name not in fields.broken], fields, ev, scope)
        fields.broken.update(missing)
        for problem in problems:
            name = str(problem["loc"][0]) if problem["loc"] else _LOST
            if name not in fields.broken and not (name == _LOST and fields.broken):  # may be the broken one
                _tell(layer, cls, name, dict(problem), fields, ev, scope, x)
            fields.broken.add(name)
        return None
    return None if fields.broken else op


def _tell_missing(
    layer: Layer, cls: type[Operation], names: list[str], fields: Fields, ev: Evaluator, scope: Scope
) -> None:
    if not names or _LOST in fields.broken or ev.reporter.errors.lost.intersection(names):
        return
    examples = {name: _example(cls, name) for name in names}
    rest = ", ".join(f"{name}: {example}" for name, example in examples.items())
    if layer.args is not None:
        hint = f"add `{rest}`"
    else:
        hint = f"write `{cls.op}: {examples[names[0]]}`" if names == [cls.main] else f"write `{cls.op}: {{{rest}}}`"
    ev.reporter.tell("SPEC011", f"`{cls.op}` needs {' and '.join(f'`{name}`' for name in names)}",
                     layer.head if layer.args is None else layer.at, scope, hint=hint)


def _example(cls: type[Operation], name: str) -> str:
    """A value of a field that is usual: of a `dim` the last one; … where none is."""
    examples = cls.model_fields[name].examples
    return str(examples[0]) if examples else "-1" if name == "dim" else "…"


def _tell(
    layer: Layer, cls: type[Operation], name: str, problem: dict[str, Any], fields: Fields, ev: Evaluator, scope: Scope,
    x: TensorType | None,
) -> None:
    from archspec.lower.padding import of_param
    from archspec.lower.positional import positional_hint
    from archspec.lower.worded import worded_hint
    from archspec.lower.working import agreeing, whole, working  # only mistakes need them

    given = {key: value for key, value in fields.values.items() if key not in fields.broken}
    works = working(cls, given, name, x)
    message, hint = explain(problem, cls, works)
    if is_sentence(problem):
        hint = agreeing(hint, cls, given, name, x, problem.get("input"))
    clash = hint = of_param(hint, layer)
    hint = fixes.of_op(hint, layer.at, layer.head, layer.place, cls.main)
    if name == _LOST or name not in fields.places:
        ev.reporter.tell("SPEC012", f"`{cls.op}` {message}", layer.head, scope, hint=hint)
        return
    at = fields.places[name]
    raw = layer.args[at.path[-1]] if isinstance(layer.args, dict) else layer.args
    source = written(raw, at, scope)
    for step in problem["loc"][1:]:  # one number of a list
        if isinstance(source.raw, list) and isinstance(step, int) and step < len(source.raw) and source.at:
            source = written(source.raw[step], source.at / step, source.scope, source.through)
    related = [(at, f"used as `{name}` of `{cls.op}`")] if source.through else []
    if source.through or not is_fixed(source.raw):  # the value may be right elsewhere, or for other copies
        hint = clash if is_sentence(problem) else explain(problem)[1]
    value = problem.get("input")
    if isinstance(value, float) and is_about_integer(problem):
        if isinstance(source.raw, str):  # the number may be another for other values of its names
            hint = integer_hint(source.raw, value)
        elif hint is None:
            hint = whole(value, works)
    hint = ev.without_dollar(source.raw, source.scope) or hint
    means_yes = raw is True or meant_value("bool", raw) == "write `true`"
    if raw is layer.args and means_yes and not _needs_fields(cls):
        hint = fixes.whole(f"write `{cls.op}` alone", layer.at, cls.op)  # `flatten: yes`
    if raw is layer.args and isinstance(raw, list):
        hint = positional_hint(layer, cls, x, fields.values.get(name)) or hint
    if raw is layer.args and isinstance(raw, str):
        hint = worded_hint(layer, cls, works) or hint
    subject = f"`{cls.op}`:" if is_sentence(problem) else f"`{name}` of `{cls.op}`"
    ev.misuse("SPEC012", f"{subject} {message}", source, at, scope, related=related, hint=hint)


def guess(cls: type[Operation], fields: Fields, x: TensorType | None) -> TensorType | None:
    """The output as far as it is known despite broken fields: with unknown channels, or unknown height and width."""
    if not issubclass(cls, Op):
        return None
    broken = set(fields.broken) | {n for n, f in cls.model_fields.items() if f.is_required() and n not in fields.values}
    open_ = {cls.affects(name) for name in broken if name != _LOST}
    if _LOST in broken and cls.ndim is not None and cls.ndim > 2:
        open_.add(Affects.SPACE)
    elif _LOST in broken:
        return None
    if None in open_ or (x is None and cls.ndim is None):
        return None
    if x is None or (cls.ndim is not None and x.ndim != cls.ndim):
        x = blank(cls.ndim or 0)
    values = {name: value for name, value in fields.values.items() if name not in broken}
    values.update({n: 1 for n, f in cls.model_fields.items() if n in broken and f.is_required()})
    if Affects.SPACE in open_:
        x = x.reshaped(*x.shape[:2], *[UNKNOWN] * (x.ndim - 2))
    try:
        y = infer_outputs(cls(**values), (x,))[0]
    except (ShapeError, ValidationError):
        return None
    if Affects.CHANNELS in open_:
        projects = cls.trait(Projects)
        channels = (1 if projects is None else projects.dim) % y.ndim
        y = y.reshaped(*y.shape[:channels], UNKNOWN, *y.shape[channels + 1 :])
    if Affects.SPACE in open_:
        y = y.reshaped(*y.shape[:2], *[UNKNOWN] * (y.ndim - 2))
    return y


def field_place(error: ShapeError, fields: Fields, shown: At) -> list[Place]:
    """The place of the field that caused a shape error, unless it is `shown`, where the error is shown."""
    name = error.field
    if name is None or fields.places.get(name, shown) == shown:
        return []
    return [(fields.places[name], f"`{name}` is {value_text(fields.values[name])}")]


def window_place(layer: Layer, error: ShapeError, scope: Scope) -> tuple[At, list[Place]]:
    """Where to show a shape error, and where its value is used if that is another place.

    The error is shown at the window's size, where `$name` was given its value, or else at the op's name.
    """
    if error.code != "SHAPE101":
        return layer.head, []
    if isinstance(layer.args, dict) and "kernel_size" in layer.args:
        raw, at = layer.args["kernel_size"], layer.at / "kernel_size"
    elif layer.args is not None and not isinstance(layer.args, dict):
        raw, at = layer.args, layer.at
    else:
        return layer.head, []
    source = written(raw, at, scope)
    return source.at or at, [(at, "used as the window's size")] if source.through else []
