"""Checks layers that the network does not run: in blocks without a call, or behind a false `when`.

Every name in them and every shape is unknown, so only literal values are checked.
"""

from __future__ import annotations

from collections.abc import Iterator

from archspec.expressions import UNKNOWN_VALUE
from archspec.language.libraries import standard_library
from archspec.language.parse import parse_body
from archspec.language.syntax import Body, Layer, Library
from archspec.lower.builder import ROOT, Builder, Val
from archspec.lower.calls import bind
from archspec.lower.context import Context
from archspec.lower.operations import make, read_fields
from archspec.lower.values import Bound, Scope
from archspec.ops import OPS


def check_unreached(context: Context) -> None:
    """Report wrong fields and arguments in all layers that were not lowered."""
    own = context.program.library
    for library in own.all():
        if library is not standard_library():
            for body, names in _bodies(library, [*context.program.stages.values()] if library is own else []):
                _body(body, _unknown_scope(library, names), context)


def _bodies(library: Library, stages: list[Body]) -> Iterator[tuple[Body, list[str]]]:
    """Every body of a file, with the names of its params."""
    for body in stages:
        yield body, []
    for block in library.blocks.values():
        yield block.body, [param.name for param in block.params]


def _unknown_scope(library: Library, params: list[str]) -> Scope:
    names = {name: Bound(None, None, value=UNKNOWN_VALUE, state=2) for name in (*library.vars, *params, "i")}
    return Scope(library, names, Val(Builder(None, ROOT), "input", None))


def _body(body: Body, scope: Scope, context: Context) -> None:
    for layer in body.layers:
        if id(layer) not in context.seen:
            _layer(layer, scope, context)
        for inner in (*layer.branches.values(), *((layer.body,) if layer.body else ())):
            _body(inner, scope, context)


def _layer(layer: Layer, scope: Scope, context: Context) -> None:
    context.work(layer.place)
    kind = layer.kind or "?"
    assert scope.entered is not None
    if kind in OPS:
        fields = read_fields(layer, OPS[kind], context.ev, scope, None)
        make(layer, OPS[kind], fields, context.ev, scope)
        return
    block = scope.library.find(kind)
    if block is None or block in context.program.cyclic:
        return
    inner, _ = bind(block, layer, scope.entered, scope, context)
    for param in block.params if inner is not None else ():
        held = inner.names[param.name] if inner is not None else None
        if param.type == "layer" and held and held.scope is scope and held.at and isinstance(held.raw, (dict, list)):
            _body(parse_body(held.raw, held.at, context.errors, owner="layer"), scope, context)
