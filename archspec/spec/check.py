"""Checks that need no shapes: also of blocks that nothing calls, and of layers that a `when` leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archspec.diagnostics import Diagnostic, nearest
from archspec.expressions import UNKNOWN_VALUE, Expression, ExpressionError, evaluate, template
from archspec.ops import OPS, Merge
from archspec.spec.names import WORD, names_in
from archspec.spec.parse import BESIDE, SEQUENTIAL, did_you_mean, short
from archspec.spec.syntax import At, Block, Body, Errors, Layer, Program


def check_names(program: Program, errors: Errors) -> None:
    """Note vars and params that nothing uses, and names that nothing defines, wherever they stand."""
    _unused_vars(program, errors)
    names = frozenset(program.library.vars)
    for body in program.stages.values():
        _body(body, names, program, errors)
    for block in program.library.blocks.values():
        _unused_params(block, errors)
        _body(block.body, names | {p.name for p in block.params}, program, errors)
    if not any(d.code == "SPEC026" for d in errors.found):
        _recursion(program, errors)


def _unused_vars(program: Program, errors: Errors) -> None:
    sections = {k: v for k, v in program.data.items() if k not in ("vars", "name", "description")}
    values = {name: raw for name, (raw, _) in program.library.vars.items()}
    outside = names_in(sections) | _beside_mistakes(errors)
    for name, (_, at) in program.library.vars.items():
        inside = names_in([raw for other, raw in values.items() if other != name])
        if name not in outside and name not in inside:
            close = nearest(name, (values.keys() | outside) - {name})
            errors.add("SPEC025", f"nothing uses the var `{short(name)}`", at, key=True,
                       hint=f"a name that is close exists: `{close}`" if close else "remove it")


def _beside_mistakes(errors: Errors) -> frozenset[str]:
    """All words of the lines with a mistake: a broken text may have been meant to use them."""
    return frozenset(word for d in errors.found if d.span for word in WORD.findall(d.span.text))


def _unused_params(block: Block, errors: Errors) -> None:
    body = names_in(block.body.at.value()) | _beside_mistakes(errors)
    for param in block.params:
        defaults = names_in([p.default for p in block.params if p is not param])
        if param.name not in body and param.name not in defaults:
            errors.add("SPEC025", f"nothing uses the param `{param.name}` of `{block.name}`", param.at, key=True,
                       hint="remove it, or use it in the body")


def _body(body: Body, names: frozenset[str], program: Program, errors: Errors) -> None:
    for layer in body.layers:
        _layer(layer, names, program, errors)


def _layer(layer: Layer, names: frozenset[str], program: Program, errors: Errors) -> None:
    known = names | {"in", "input"}
    _names(layer.when, layer.place / "when", known, errors)
    _names(layer.repeat, layer.place / "repeat", known, errors)
    if layer.repeat is not None:
        names, known = names | {"i"}, known | {"i"}
    for branch in (*layer.branches.values(), *((layer.body,) if layer.body else ())):
        _body(branch, names, program, errors)
    if layer.kind is None or layer.kind == "?":
        return
    if layer.kind.startswith("$"):
        _names(layer.kind, layer.at, known, errors)
    elif layer.kind in OPS:
        _fields(layer, errors)
    elif layer.kind != SEQUENTIAL and not _found(layer.kind, program):
        unknown_kind(layer, program.library.block_names(), errors)
    if layer.args is not None and layer.body is None and not layer.branches:
        _names(layer.args, layer.at, known, errors)


def _found(kind: str, program: Program) -> bool:
    return program.library.find(kind) is not None or program.library.lost_block(kind)


def unknown_kind(layer: Layer, blocks: set[str], errors: Errors) -> str | None:
    """Note that no op or block has this name; returns the nearest that exists."""
    kind = layer.kind or ""
    close = nearest(kind, blocks | set(OPS) | {SEQUENTIAL})
    hint = f"a name that is close exists: `{close}`" if close else "`archspec list` shows all ops and blocks"
    errors.extend([Diagnostic("SPEC020", f"no op or block `{short(kind)}`", layer.head(), (), hint)])
    return close


def _fields(layer: Layer, errors: Errors) -> None:
    cls = OPS[layer.kind or ""]
    if not isinstance(layer.args, dict) or issubclass(cls, Merge):
        return
    for key in layer.args:
        if key not in cls.model_fields and key not in BESIDE:
            errors.add("SPEC010", f"`{cls.op}` has no field `{short(key)}`", layer.at / key, key=True,
                       hint=did_you_mean(key, cls.model_fields))


def _names(raw: Any, at: At, known: frozenset[str], errors: Errors) -> None:
    """Evaluate every expression with all known names unknown: what is left are syntax and unknown names."""
    for text, place in _scalars(raw, at):
        try:
            expression = template(text)
            if isinstance(expression, Expression):
                evaluate(expression, lambda name: _unknown(name, known), tuple(sorted(known)))
        except ExpressionError as e:
            if e.code in ("SPEC030", "SPEC031", "SPEC033"):
                span = place.document.part(place.path, e.offset, max(1, e.length))
                errors.extend([Diagnostic(e.code, e.message, span, (), e.hint)])


def _unknown(name: str, known: frozenset[str]) -> Any:
    if name not in known:
        raise KeyError(name)
    return UNKNOWN_VALUE


def _scalars(raw: Any, at: At) -> Iterator[tuple[str, At]]:
    if isinstance(raw, dict):
        for key, value in raw.items():
            yield from _scalars(value, at / key)
    elif isinstance(raw, list):
        for k, value in enumerate(raw):
            yield from _scalars(value, at / k)
    elif isinstance(raw, str) and "$" in raw:
        yield raw, at


def _recursion(program: Program, errors: Errors) -> None:
    """Blocks that call themselves although nothing calls them."""
    blocks = program.library.blocks
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in done:
            return
        for layer in _layers(blocks[name].body):
            called = layer.kind or ""
            if called in (*way, name):
                cycle = [*way, name, called]
                errors.extend([Diagnostic(
                    "SPEC026", f"block `{called}` calls itself: {' → '.join(cycle[cycle.index(called):])}",
                    layer.head(), (), "a block cannot contain itself; use `repeat`",
                )])
            elif called in blocks and len(way) < len(blocks):
                visit(called, (*way, name))
        done.add(name)

    for name in blocks:
        visit(name, ())


def _layers(body: Body) -> Iterator[Layer]:
    for layer in body.layers:
        yield layer
        for inner in (*layer.branches.values(), *((layer.body,) if layer.body else ())):
            yield from _layers(inner)
