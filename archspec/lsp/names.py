"""Finds where one text defines and uses names: of vars, params, blocks, stages and layers."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from archspec.expressions import Expression, ExpressionError, template
from archspec.language.detect import SWEEP_KEY
from archspec.language.names import EXPECTATIONS, RESERVED
from archspec.language.parse import BESIDE, SEQUENTIAL, SHARE, is_merge
from archspec.language.syntax import At
from archspec.ops import OPS
from archspec.source import Document

VAR, PARAM, BLOCK, STAGE, LAYER = "var", "param", "block", "stage", "layer"
_NAME: Final = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_CONDITION: Final = re.compile(r"(?<![\w.])vars\.([A-Za-z_]\w*)")
_OF_INPUT: Final = re.compile(r"(?<![\w.])input\.([A-Za-z_]\w*)")  # `$input.left.height`
_CHANGED: Final = {"vars": VAR, "blocks": BLOCK, "stages": STAGE}
_VALUES: Final = ("input", "outputs", "train", "recipes", "expect")  # sections whose expressions use vars


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A name at a place. owner: a param's block, or the path of the list around a layer; otherwise empty."""

    kind: str
    name: str
    at: At
    owner: str = ""
    defines: bool = False


@dataclass(frozen=True, slots=True)
class _Scope:
    """The names that a body sees. params: those of the block `owner`. layers: name of a layer → the list around it."""

    owner: str = ""
    params: frozenset[str] = frozenset()
    layers: dict[str, str] = field(default_factory=dict)


def occurrences(document: Document, blocks: Iterable[str] = ()) -> list[Occurrence]:
    """All names in a text, in order. blocks: the blocks of other files that it may call."""
    data = document.data if isinstance(document.data, dict) else {}
    own = data.get("blocks")
    known = {*blocks, *(own if isinstance(own, dict) else ())} - OPS.keys()
    inputs = data.get("input")
    return list(_Walk(known, inputs if isinstance(inputs, dict) else ()).document(data, At(document)))


class _Walk:
    """Walks one text. blocks, inputs: their names."""

    def __init__(self, blocks: set[str], inputs: Container[str]) -> None:
        self.blocks = blocks
        self.inputs = inputs

    def document(self, data: dict[str, Any], top: At) -> Iterator[Occurrence]:
        """The names in every section."""
        if SWEEP_KEY in data:
            yield from self._sweep(data, top)
            return
        for key, raw in data.items():
            at = top / key
            if key in ("vars", "blocks", "stages") and isinstance(raw, dict):
                for name, value in raw.items():
                    yield from self._named(key, name, value, at / name)
            elif key == "use" and isinstance(raw, (list, dict)):
                continue  # an inline library has its own names
            elif key in _VALUES:
                yield from self._stages(key, raw, at)
                yield from self._values(raw, at, _Scope())

    def _stages(self, section: str, raw: Any, at: At) -> Iterator[Occurrence]:
        """The stages and inputs that are named outside of `stages`."""
        if section == "outputs" and isinstance(raw, list):
            yield from (Occurrence(STAGE, name, at / k) for k, name in enumerate(raw) if isinstance(name, str))
        elif section in ("expect", "outputs", "input") and isinstance(raw, dict):
            names = [name for name in raw if section != "expect" or name not in EXPECTATIONS]
            yield from (Occurrence(STAGE, name, (at / name).key, defines=section == "input") for name in names)

    def _sweep(self, raw: Any, at: At) -> Iterator[Occurrence]:
        """The vars that a sweep changes (`vars.width`) or uses in its conditions."""
        if isinstance(raw, dict):
            for key, value in raw.items():
                section, dot, name = key.partition(".")
                if dot and section in _CHANGED:
                    yield Occurrence(_CHANGED[section], name, (at / key).key.inside(len(section) + 1, len(name)))
                yield from self._sweep(value, at / key)
        elif isinstance(raw, list):
            for k, item in enumerate(raw):
                yield from self._sweep(item, at / k)
        elif isinstance(raw, str) and raw.startswith("$"):
            for match in _CONDITION.finditer(raw):
                yield Occurrence(VAR, match[1], at.inside(match.start(1), len(match[1])))

    def _named(self, section: str, name: str, raw: Any, at: At) -> Iterator[Occurrence]:
        if section == "vars":
            yield Occurrence(VAR, name, at.key, defines=True)
            yield from self._anything(raw, at, _Scope())
        elif section == "stages":
            yield Occurrence(STAGE, name, at.key, defines=True)
            yield from self._body(raw, at, _Scope())
        else:
            yield Occurrence(BLOCK, name, at.key, defines=True)
            yield from self._block(name, raw, at)

    def _block(self, name: str, raw: Any, at: At) -> Iterator[Occurrence]:
        if not (isinstance(raw, dict) and ("params" in raw or "body" in raw)):
            yield from self._body(raw, at, _Scope(name))
            return
        params = raw.get("params")
        params = params if isinstance(params, dict) else {}
        scope = _Scope(name, frozenset(params))
        for param, default in params.items():
            place = at / "params" / param
            yield Occurrence(PARAM, param, place.key, name, defines=True)
            yield from self._anything(default, place, scope)
        yield from self._body(raw.get("body"), at / "body", scope)

    def _body(self, raw: Any, at: At, scope: _Scope) -> Iterator[Occurrence]:
        if not isinstance(raw, list):
            yield from self._layer(raw, at, scope)
            return
        where = at.words()
        named = [layer["name"] for layer in raw if isinstance(layer, dict) and isinstance(layer.get("name"), str)]
        inner = _Scope(scope.owner, scope.params, {**scope.layers, **dict.fromkeys(named, where)})
        for k, layer in enumerate(raw):
            yield from self._layer(layer, at / k, inner, where)

    def _layer(self, raw: Any, at: At, scope: _Scope, where: str = "") -> Iterator[Occurrence]:
        if isinstance(raw, str):
            yield from self._kind(raw, at, scope)
        if not isinstance(raw, dict):
            return
        for key, value in raw.items():
            place = at / key
            if key == "name" and isinstance(value, str):
                yield Occurrence(LAYER, value, place, where, defines=True)
            elif key in ("from", SHARE) and isinstance(value, str) and value[:1] != "$" and key not in self.blocks:
                yield from self._source(value, place, scope)
            elif key in BESIDE and key not in self.blocks:
                yield from self._values(value, place, scope)
            else:
                yield from self._kind(key, place.key, scope)
                yield from self._arguments(key, value, place, scope)

    def _source(self, name: str, at: At, scope: _Scope) -> Iterator[Occurrence]:
        if name in scope.layers:
            yield Occurrence(LAYER, name, at, scope.layers[name])
        elif name != "input" and not scope.owner:
            yield Occurrence(STAGE, name, at)

    def _kind(self, kind: str, at: At, scope: _Scope) -> Iterator[Occurrence]:
        if kind.startswith("$"):
            yield from self._expression(kind, at, scope)
        elif kind in self.blocks:
            yield Occurrence(BLOCK, kind, at)

    def _arguments(self, kind: str, raw: Any, at: At, scope: _Scope) -> Iterator[Occurrence]:
        if kind == SEQUENTIAL:
            yield from self._body(raw, at, scope)
        elif is_merge(kind) and isinstance(raw, dict):
            for name, value in raw.items():
                if name in OPS[kind].model_fields:
                    yield from self._values(value, at / name, scope)
                else:
                    yield from self._body(value, at / name, scope)
        elif kind in OPS:
            yield from self._values(raw, at, scope)
            for field in OPS[kind].references if isinstance(raw, dict) else ():
                if isinstance(raw.get(field), str):
                    yield from self._source(raw[field], at / field, scope)
        elif isinstance(raw, dict) and kind in self.blocks:
            for name, value in raw.items():
                yield Occurrence(PARAM, name, (at / name).key, kind)
                yield from self._anything(value, at / name, scope)
        else:
            yield from self._anything(raw, at, scope)

    def _anything(self, raw: Any, at: At, scope: _Scope) -> Iterator[Occurrence]:
        """The names in a value that may contain layers: an argument of a block, or a var."""
        if isinstance(raw, list):
            for k, item in enumerate(raw):
                yield from self._anything(item, at / k, scope)
        elif isinstance(raw, dict):
            yield from self._layer(raw, at, scope)
        else:
            yield from self._layer(raw, at, scope)

    def _values(self, raw: Any, at: At, scope: _Scope) -> Iterator[Occurrence]:
        """The names in a value that contains no layers."""
        if isinstance(raw, dict):
            for key, value in raw.items():
                yield from self._values(value, at / key, scope)
        elif isinstance(raw, list):
            for k, item in enumerate(raw):
                yield from self._values(item, at / k, scope)
        elif isinstance(raw, str) and raw.startswith("$"):
            yield from self._expression(raw, at, scope)

    def _expression(self, text: str, at: At, scope: _Scope) -> Iterator[Occurrence]:
        for match in _OF_INPUT.finditer(text):
            if match[1] in self.inputs and not scope.owner:
                yield Occurrence(STAGE, match[1], at.inside(match.start(1), len(match[1])))
        for name, offset in names_of(text):
            if name in RESERVED:
                continue
            param = name in scope.params
            kind, owner = (PARAM, scope.owner) if param else (VAR, "")
            yield Occurrence(kind, name, at.inside(offset, len(name)), owner)


def names_of(text: str) -> list[tuple[str, int]]:
    """(name, offset) of each name in an expression; of each word if the expression is broken."""
    try:
        expression = template(text)
    except ExpressionError:
        return [(match[0], match.start()) for match in _NAME.finditer(text)]
    if not isinstance(expression, Expression):
        return []
    return [(name.name, name.place.offset) for name in expression.used]
