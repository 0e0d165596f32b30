"""Binds the arguments of a block call to the block's params and checks their types."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any, Final, cast

from archspec.diagnostics import Hint, hints, plural
from archspec.expressions import UNKNOWN_VALUE, holds_unknown
from archspec.language import fixes
from archspec.language.errors import Place
from archspec.language.message_text import close, short, value_text
from archspec.language.names import names_in
from archspec.language.parse import BESIDE, misplaced
from archspec.language.problems import integer_hint, meant_value
from archspec.language.syntax import At, Block, Layer, Param
from archspec.lower.builder import Val
from archspec.lower.context import Context
from archspec.lower.values import Bound, Nested, Scope, ShapeView, Written, inside, written
from archspec.source import BROKEN

_CHECKS: Final[dict[str, Any]] = {"int": int, "float": (int, float), "bool": bool, "str": str, "list": list}
_WORDS: Final = {
    "int": "an integer", "float": "a number", "bool": "true or false", "str": "text", "list": "a list",
    "layer": "a layer",
}
_PARAMS_A_STEP: Final = 8  # so many params count as one layer

Key = tuple[Hashable, ...]


class Unlike(Exception):
    """A value that cannot be compared: it may contain a layer, whose meaning depends on the caller."""


def bind(block: Block, layer: Layer, flow: Val, scope: Scope, context: Context) -> tuple[Scope | None, Key | None]:
    """The scope inside the block, and a key. Calls with equal keys give the same graph on the same input.

    The scope is None after an error in the arguments. The key is None if an argument contains a layer.
    """
    context.work(layer.place, len(block.params) // _PARAMS_A_STEP)
    given = _arguments(block, layer, scope, context)
    if given is None:
        return None, None
    names = inside(context.vars_scope(block.home).names)
    calls = (*scope.calls, (block, layer.head))
    inner = Scope(block.home, names, flow, {}, calls)
    view = ShapeView(flow.tensor)
    key: list[Hashable] | None = []
    healthy = True
    for param in block.params:
        if param.name in given:
            bound = Bound(*given[param.name], scope, view)
        else:
            bound = Bound(param.default, param.at, _with_index(inner, scope, param), view)
        names[param.name] = bound
        healthy &= _fits(block, param, bound, context)
        try:
            if key is not None:
                key.append(_comparable(bound, param, context))
        except Unlike:
            key = None
    return (inner if healthy else None), (None if key is None else tuple(key))


def _with_index(inner: Scope, caller: Scope, param: Param) -> Scope:
    """The scope of a param's default: it also sees the index `i` of a repeat around the call, if it names it."""
    if "i" not in caller.names or "i" not in names_in(param.default):
        return inner
    return replace(inner, names=Nested({"i": caller.names["i"]}, cast("dict[str, Any]", inner.names)))


# -- arguments ---------------------------------------------------------------------------------------------------


def _arguments(block: Block, layer: Layer, scope: Scope, context: Context) -> dict[str, tuple[Any, At]] | None:
    """The raw argument and its place, by param name."""
    args, at, params = layer.args, layer.at, block.params
    if isinstance(args, dict):
        return _by_name(block, layer, scope, context)
    if args is None:
        values: list[tuple[Any, At]] = []
    elif isinstance(args, list):
        values = [(raw, at / k) for k, raw in enumerate(args)]
    else:
        values = [(args, at)]
    if len(values) > len(params):
        n, names = len(params), short(", ".join(p.name for p in params))
        takes = f"takes {plural(n, 'argument')} ({names})" if n else "takes no arguments"
        hint = fixes.whole(f"write `{block.name}`", at, block.name) if not n else f"remove {len(values) - n}"
        if n == 1 and isinstance(args, list):
            name = short(params[0].name)
            hint = fixes.around(f"to pass a list, write `{{{name}: […]}}`", at, f"{{{name}: ", "}")
        if not context.errors.lost.intersection(p.name for p in params):  # else the list of them may be torn apart
            context.reporter.tell("SPEC024", f"`{block.name}` {takes}, got {len(values)}", at, scope, hint=hint)
        return None
    given = {p.name: value for p, value in zip(params, values, strict=False)}
    return given if _complete(block, layer, given, scope, context) else None


def _complete(block: Block, layer: Layer, given: dict[str, Any], scope: Scope, context: Context) -> bool:
    missing = [p.name for p in block.params if p.required and p.name not in given]
    if missing and not context.errors.lost.intersection(missing):
        names = ", ".join(f"`{name}`" for name in missing)
        context.reporter.tell(
            "SPEC024", f"`{block.name}` needs {names}", layer.head if layer.args is None else layer.at, scope,
            notes=[f"it is `{short(block.signature())}`"], hint=f"add `{missing[0]}`",
        )
    return not missing


def _by_name(block: Block, layer: Layer, scope: Scope, context: Context) -> dict[str, tuple[Any, At]] | None:
    known = {p.name for p in block.params}
    given: dict[str, tuple[Any, At]] = {}
    healthy = True
    merge = _merge_meant(block, layer)
    if merge is not None:
        context.reporter.tell(
            "SPEC024", f"`{block.name}` has branches of its own", layer.head, scope, subject=(block, merge),
            hint=Hint(f"write `{merge}` for branches given here", merge), notes=[f"it is `{short(block.signature())}`"],
        )
        return None
    for key, raw in layer.args.items():
        at = layer.at / key
        if key in known:
            given[key] = (raw, at)
        elif key in BESIDE:
            misplaced(key, block.name, at, context.errors)
            healthy = False
        else:
            near = close(key, known - layer.args.keys())
            hint = hints.near(near) if near else \
                f"its params: {short(', '.join(p.name for p in block.params))}" if known else "it takes none"
            context.reporter.tell(
                "SPEC024", f"`{block.name}` has no param `{short(key)}`", at.key, scope, hint=hint,
                notes=[f"it is `{short(block.signature())}`"], subject=(block, key),
            )
            if near is not None:
                given[near] = (raw, at)  # continue with the nearest name
            else:
                healthy = False
    return given if healthy and _complete(block, layer, given, scope, context) else None


def _merge_meant(block: Block, layer: Layer) -> str | None:
    """The op that merges branches inside the block, if a call gives just such branches: `residual: {main: …}`."""
    bodies = all(isinstance(raw, list) for raw in layer.args.values())
    if not bodies or {p.name for p in block.params} & layer.args.keys():
        return None
    merges = (inner for inner in block.body.layers if inner.branches.keys() & layer.args.keys())
    return next((merge.kind for merge in merges), None)


# -- types -------------------------------------------------------------------------------------------------------


def _fits(block: Block, param: Param, bound: Bound, context: Context) -> bool:
    """Whether an argument has its param's type, or is broken and already reported."""
    if param.type is None or param.type == "any" or bound.raw is BROKEN:
        return True
    if isinstance(param.type, tuple):
        return _fits_items(block, param, param.type, bound, context)
    if param.type == "layer":
        return _fits_layer(param, bound, bound.scope or context.vars_scope(block.home), context)
    value = context.ev.bound(bound)
    return _is(value, param.type) or _complain(block, param, _WORDS[param.type], value, bound, context)


def _fits_items(block: Block, param: Param, kinds: tuple[str, ...], bound: Bound, context: Context) -> bool:
    whole = written(bound.raw, bound.at, bound.scope)
    if isinstance(whole.raw, list) and any(kind in ("layer", "any") for kind in kinds):
        if len(whole.raw) == len(kinds):
            return True  # each layer is checked where it is used
        value: Any = whole.raw
    else:
        value = context.ev.bound(bound)
        if value is UNKNOWN_VALUE:
            return True
        if isinstance(value, list) and len(value) == len(kinds) and all(map(_is, value, kinds)):
            return True
    return _complain(block, param, f"[{', '.join(kinds)}]", value, bound, context)


def _fits_layer(param: Param, bound: Bound, scope: Scope, context: Context) -> bool:
    held = written(bound.raw, bound.at, bound.scope)
    if isinstance(held.raw, str) and held.raw.startswith("$") and held.scope is not None:
        held = held._replace(raw=context.ev.value(held.raw, held.at, held.scope, bound.flow))
    if held.raw is UNKNOWN_VALUE or held.raw is BROKEN or isinstance(held.raw, (str, dict, list)):
        return True
    not_a_layer(f"${param.name}", held, [(bound.at, "passed here")] if held.through else [], bound.at, scope, context)
    return False


def not_a_layer(name: str, held: Written, related: list[Place], at: At | None, scope: Scope, context: Context) -> None:
    """Report that the value, or its name at `at`, is used as a layer but is not one."""
    context.ev.misuse("SPEC021", f"`{short(name)}` is {value_text(held.raw)}, not a layer", held, at, scope,
                      related=related, hint="write an op or block, such as `relu`, or `[]` for none")


def _complain(block: Block, param: Param, wanted: str, value: Any, bound: Bound, context: Context) -> bool:
    source = written(bound.raw, bound.at, bound.scope)
    related = [(bound.at, f"passed as `{param.name}`")] if source.through else []
    hint = integer_hint(source.raw, value) if param.type == "int" else None
    if param.type in ("float", "bool"):
        hint = meant_value(str(param.type), value)
    hint = context.ev.without_dollar(source.raw, source.scope) or hint
    context.ev.misuse(
        "SPEC024", f"`{param.name}` of `{block.name}` must be {wanted}, got {value_text(value)}", source, bound.at,
        bound.scope or context.vars_scope(block.home), hint=hint, through=[bound],
        notes=[f"it is `{short(block.signature())}`"], related=related,
    )
    return False


def _is(value: Any, kind: str) -> bool:
    if value is UNKNOWN_VALUE or kind in ("any", "layer"):
        return True
    if isinstance(value, bool):
        return kind == "bool"
    return isinstance(value, _CHECKS[kind])


# -- equal calls -------------------------------------------------------------------------------------------------


def _comparable(bound: Bound, param: Param, context: Context) -> Hashable:
    """The argument's value as a key. Raises Unlike if it depends on where the argument was written."""
    held = written(bound.raw, bound.at, bound.scope)
    if isinstance(held.raw, str) and not held.raw.startswith("$"):
        return _frozen(held.raw, held.scope)  # text, or the name of an op or block
    if param.type == "layer" or isinstance(held.raw, dict) or (isinstance(held.raw, list) and not _plain(held.raw)):
        raise Unlike
    value = context.ev.bound(bound)
    if holds_unknown(value):
        raise Unlike
    return _frozen(value, held.scope)


def _plain(raw: Any) -> bool:
    """Whether a raw list is certainly a value and not a body, which has its own `in`."""
    if isinstance(raw, list):
        return all(map(_plain, raw))
    return not isinstance(raw, dict) and (not isinstance(raw, str) or raw.startswith("$"))


def _frozen(value: Any, scope: Scope | None) -> Hashable:
    if isinstance(value, list):
        return tuple(_frozen(v, scope) for v in value)
    if isinstance(value, str):
        return value, id(scope.library) if scope else 0  # the name of a layer is resolved in that file
    if isinstance(value, (int, float)) or value is None:
        return type(value), value
    raise Unlike
