"""Calling a block: arguments are bound to params, checked against their types, where the caller wrote them."""

from __future__ import annotations

from typing import Any

from archspec.expressions import UNKNOWN_VALUE
from archspec.lower.builder import Val
from archspec.lower.values import Bound, Evaluator, Scope, origin
from archspec.spec.parse import BESIDE, did_you_mean, misplaced, short
from archspec.spec.syntax import At, Block, Layer, Library, Param

CHECKS: dict[str, Any] = {"int": int, "float": (int, float), "bool": bool, "str": str, "list": list}


def vars_scope(library: Library, known: dict[int, Scope]) -> Scope:
    """The scope of a file's vars; each var is evaluated once, when it is first used."""
    scope = known.get(id(library))
    if scope is None:
        names: dict[str, Bound] = {}
        scope = known[id(library)] = Scope(library, names, None)
        names.update({name: Bound(raw, at, scope) for name, (raw, at) in library.vars.items()})
    return scope


def bind(
    block: Block, layer: Layer, flow: Val, scope: Scope, ev: Evaluator, known: dict[int, Scope]
) -> tuple[Scope | None, tuple[Any, ...] | None]:
    """The scope inside the block, and a key that is equal for calls that give the same graph on the same input.

    The scope is None after an error in the arguments; the key is None where an argument may hold a layer,
    whose meaning depends on the caller.
    """
    given = _arguments(block, layer, ev)
    if given is None:
        return None, None
    names: dict[str, Bound] = dict(vars_scope(block.home, known).names)
    inner = Scope(block.home, names, flow, {}, (*scope.calls, (block, layer.place)))
    key: list[Any] | None = []
    healthy = True
    for param in block.params:
        if param.name in given:
            raw, at = given[param.name]
            bound = Bound(raw, at, scope, flow.tensor)
        elif param.required:
            continue
        else:
            bound = Bound(param.default, param.at, inner, flow.tensor)
        names[param.name] = bound
        plain = _is_plain(bound.raw) and param.type != "layer"
        value = ev.bound(bound) if plain else None
        if param.type is not None and plain:
            healthy &= _check_type(block, param, value, bound, ev)
        if plain and not isinstance(value, (dict, list)) and value is not UNKNOWN_VALUE:
            value = (type(value), value, id(bound.scope.library) if isinstance(value, str) and bound.scope else 0)
        elif plain and isinstance(value, list) and all(isinstance(v, (int, float)) for v in value):
            value = tuple((type(v), v) for v in value)
        else:
            key = None
        if key is not None:
            key.append(value)
    return (inner if healthy else None), (None if key is None else tuple(key))


def _is_plain(raw: Any) -> bool:
    """Whether a raw argument surely is a value, not a layer or a body with an `in` of its own."""
    if isinstance(raw, list):
        return all(not isinstance(v, (dict, list)) and (not isinstance(v, str) or v.startswith("$")) for v in raw)
    return not isinstance(raw, dict)


def _arguments(block: Block, layer: Layer, ev: Evaluator) -> dict[str, tuple[Any, At]] | None:
    """Param name → raw argument and its place."""
    args, at, params = layer.args, layer.at, block.params
    given: dict[str, tuple[Any, At]] = {}
    healthy = True
    if isinstance(args, dict):
        healthy = _by_name(block, layer, given, ev)
    elif isinstance(args, list):
        if len(args) > len(params):
            _wrong_count(block, len(args), at, ev)
            return None
        given = {p.name: (raw, at / k) for k, (p, raw) in enumerate(zip(params, args, strict=False))}
    elif args is not None:
        if not params:
            _wrong_count(block, 1, at, ev)
            return None
        given = {params[0].name: (args, at)}
    missing = [p.name for p in params if p.required and p.name not in given]
    if missing and healthy:
        names = ", ".join(f"`{n}`" for n in missing)
        ev.errors.add(
            "SPEC024", f"`{block.name}` needs {names}", at, key=at.path != layer.place.path and args is None,
            notes=[f"it is `{block.signature()}`"], hint=f"add `{missing[0]}`",
        )
    return given if healthy and not missing else None


def _by_name(block: Block, layer: Layer, given: dict[str, tuple[Any, At]], ev: Evaluator) -> bool:
    known = {p.name for p in block.params}
    healthy = True
    for key, raw in layer.args.items():
        if key in known:
            given[key] = (raw, layer.at / key)
        elif key in BESIDE:
            misplaced(layer, key, ev.errors)
            healthy = False
        else:
            hint = did_you_mean(key, known)
            ev.errors.add(
                "SPEC024", f"`{block.name}` has no param `{short(key)}`", layer.at / key, key=True,
                notes=[f"it is `{block.signature()}`"], hint=hint,
            )
            meant = hint.split("`")[1] if hint else None
            if meant is not None and meant not in layer.args:
                given[meant] = (raw, layer.at / key)  # go on as if it had been written
            else:
                healthy = False
    return healthy


def _wrong_count(block: Block, got: int, at: At, ev: Evaluator) -> None:
    n = len(block.params)
    names = ", ".join(p.name for p in block.params)
    takes = f"takes {n} argument{'s' * (n != 1)} ({names})" if n else "takes no arguments"
    ev.errors.add("SPEC024", f"`{block.name}` {takes}, got {got}", at)


def _check_type(block: Block, param: Param, value: Any, bound: Bound, ev: Evaluator) -> bool:
    if value is UNKNOWN_VALUE or param.type == "any":
        return True
    kinds = param.type if isinstance(param.type, tuple) else None
    if kinds is not None:
        fits = isinstance(value, list) and len(value) == len(kinds) and all(map(_is, value, kinds))
        wanted = f"[{', '.join(kinds)}]"
    else:
        wanted = str(param.type)
        fits = _is(value, wanted)
    if fits:
        return True
    at = origin(bound.raw, bound.at, bound.scope)
    hint = "use `//`, which gives an integer" if wanted == "int" and isinstance(value, float) else None
    notes = [f"it is `{block.signature()}`"]
    if at is not None and bound.at is not None and at.path != bound.at.path:
        notes.append(f"passed as `{param.name}` at {bound.at}")
    ev.errors.add("SPEC024", f"`{param.name}` of `{block.name}` must be {_a(wanted)}, got {short(_said(value))}", at,
                  notes=notes, hint=hint)
    return False


def _is(value: Any, kind: str) -> bool:
    if value is UNKNOWN_VALUE or kind in ("any", "layer"):
        return True
    if isinstance(value, bool):
        return kind == "bool"
    return isinstance(value, CHECKS[kind])


def _a(kind: str) -> str:
    words = {"int": "an integer", "float": "a number", "bool": "true or false", "str": "text", "list": "a list"}
    return words.get(kind, kind)


def _said(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
