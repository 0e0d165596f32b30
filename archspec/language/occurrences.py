"""Finds where a text, or a syntax tree, defines and uses names: of vars, params, blocks, stages and layers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from archspec.expressions import Expression, ExpressionError, template
from archspec.language.detect import SWEEP_KEY
from archspec.language.names import EXPECTATIONS, RESERVED
from archspec.language.parse import BESIDE, SEQUENTIAL, SHARE, is_merge
from archspec.language.syntax import At, Library, Program
from archspec.ops import OPS
from archspec.source import Document

VAR, PARAM, BLOCK, STAGE, LAYER = "var", "param", "block", "stage", "layer"
_NAME: Final = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_CONDITION: Final = re.compile(r"(?<![\w.])vars\.([A-Za-z_]\w*)")
_OF_INPUT: Final = re.compile(r"(?<![\w.])input\.([A-Za-z_]\w*)")  # `$input.left.height`
_DIMENSIONS: Final = frozenset({"shape", "channels", "height", "width", "depth", "length", "features"})
_PART: Final = re.compile(r"(?:^|–)([A-Za-z_]\w*)")  # the stage in `b2.conv`, and both in the range `b2.0–b2.4`
_PARTS: Final = ("freeze", "lr_scale", "recompute")  # fields of a recipe that name parts of the network
_CHANGED: Final = {"vars": VAR, "blocks": BLOCK, "stages": STAGE}
_VALUES: Final = ("input", "outputs", "train", "recipes", "expect")  # sections whose expressions use vars


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A name at a place.

    owner: a param's block, or the path of the list around a layer; otherwise empty, as for a `from` in a block that
    names no layer.
    """

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
    """All names in a text, in order. blocks: the blocks of other files that it may call.

    Of the names of blocks and layers only those that something defines.
    """
    data = document.data if isinstance(document.data, dict) else {}
    own = data.get("blocks")
    known = {*blocks, *(own if isinstance(own, dict) else ())} - OPS.keys()
    inputs = data.get("input")
    found = _Walk(known, inputs if isinstance(inputs, dict) else ()).document(data, At(document))
    return [one for one in found if (one.kind != BLOCK or one.name in known) and (one.kind != LAYER or one.owner)]


def names_of_library(library: Library, program: Program) -> list[Occurrence]:
    """All names in what a file says: also those that nothing defines, and below keys that are misspelt.

    Of the program's own library these are the names in the whole spec.
    """
    own = library is program.library
    return list(_Walk(library.block_names() - OPS.keys(), program.inputs if own else ()).library(library, program, own))


class _Walk:
    """Walks one text. blocks, inputs: their names."""

    def __init__(self, blocks: set[str], inputs: Collection[str]) -> None:
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
                yield from self._section(key, raw, at)

    def library(self, library: Library, program: Program, own: bool) -> Iterator[Occurrence]:
        """The names in a file as it was understood. own: whether it is the spec itself."""
        for name, (raw, at) in library.vars.items():
            yield from self._named("vars", name, raw, at)
        for block in library.blocks.values():
            yield Occurrence(BLOCK, block.name, block.at.key, defines=True)
            params = {param.name: (param.default, param.at) for param in block.params}
            yield from self._params(block.name, params, block.body.at.value(), block.body.at)
        if not own:
            return
        for name, body in program.stages.items():
            yield from self._named("stages", name, body.at.value(), body.at)
        yield from self._section("input", *program.input)
        yield from self._section("outputs", *program.outputs)
        for section in ("train", "recipes", "expect"):
            for key, at in program.places[section].items():
                yield from self._entry(section, key, program.data[section][key], at)

    def _section(self, section: str, raw: Any, at: At) -> Iterator[Occurrence]:
        """The names in a section that defines no vars, blocks or stages."""
        if section == "outputs" and isinstance(raw, list):
            yield from (Occurrence(STAGE, name, place) for name, place in _listed(raw, at))
        elif isinstance(raw, dict):
            for key, value in raw.items():
                yield from self._entry(section, key, value, at / key)
            return
        yield from self._values(raw, at, _Scope())

    def _entry(self, section: str, key: str, raw: Any, at: At) -> Iterator[Occurrence]:
        """The names in a key of such a section and its value: of stages, inputs, parts of the network, and vars."""
        if section in ("input", "outputs") or (section == "expect" and key not in EXPECTATIONS):
            yield Occurrence(STAGE, key, at.key, defines=section == "input")
        elif section == "train":
            yield from self._recipe(key, raw, at)
        elif section == "recipes" and isinstance(raw, dict):
            for name, value in raw.items():
                yield from self._recipe(name, value, at / name)
        yield from self._values(raw, at, _Scope())

    def _recipe(self, key: str, raw: Any, at: At) -> Iterator[Occurrence]:
        """The stages that a field of a recipe names."""
        if key in _PARTS:
            for name, place in _listed(raw, at):
                for match in _PART.finditer(name):
                    yield Occurrence(STAGE, match[1], place.inside(match.start(1), len(match[1])))
        elif key == "loss" and isinstance(raw, dict):  # of each output; or else a loss and its fields
            yield from (Occurrence(STAGE, name, (at / name).key) for name, loss in raw.items() if _is_loss(loss))

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
            yield from self._body(raw, at, _Scope())
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
        places = {one: (default, at / "params" / one) for one, default in params.items()} \
            if isinstance(params, dict) else {}
        yield from self._params(name, places, raw.get("body"), at / "body")

    def _params(
        self, name: str, params: dict[str, tuple[Any, At]], body: Any, at: At
    ) -> Iterator[Occurrence]:
        """The names in a block with params: name → default and its place."""
        scope = _Scope(name, frozenset(params))
        for param, (default, place) in params.items():
            yield Occurrence(PARAM, param, place.key, name, defines=True)
            yield from self._body(default, place, scope)
        yield from self._body(body, at, scope)

    def _body(self, raw: Any, at: At, scope: _Scope) -> Iterator[Occurrence]:
        """The names in a body, or in a value that may hold layers: an argument of a block, or a var."""
        if not isinstance(raw, list):
            yield from self._layer(raw, at, scope)
            return
        where = at.words()
        named = [layer["name"] for layer in raw if isinstance(layer, dict) and isinstance(layer.get("name"), str)]
        if named:
            scope = _Scope(scope.owner, scope.params, {**scope.layers, **dict.fromkeys(named, where)})
        for k, layer in enumerate(raw):
            yield from self._layer(layer, at / k, scope, where)

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
        elif name != "input":  # a block does not see stages
            yield Occurrence(LAYER if scope.owner else STAGE, name, at)

    def _kind(self, kind: str, at: At, scope: _Scope) -> Iterator[Occurrence]:
        if kind.startswith("$"):
            yield from self._expression(kind, at, scope)
        elif kind not in OPS and kind not in (SEQUENTIAL, SHARE):
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
                yield from self._body(value, at / name, scope)
        else:
            yield from self._body(raw, at, scope)

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
            known = match[1] in self.inputs or (self.inputs and match[1] not in _DIMENSIONS)
            if known and not scope.owner:
                yield Occurrence(STAGE, match[1], at.inside(match.start(1), len(match[1])))
        for name, offset in names_of(text):
            if name in RESERVED:
                continue
            param = name in scope.params
            kind, owner = (PARAM, scope.owner) if param else (VAR, "")
            yield Occurrence(kind, name, at.inside(offset, len(name)), owner)


def _listed(raw: Any, at: At) -> Iterator[tuple[str, At]]:
    """The names in a list or the keys of a mapping, or the only one, and their places."""
    items = [(name, (at / name).key) for name in raw] if isinstance(raw, dict) else \
        [(name, at / k) for k, name in enumerate(raw)] if isinstance(raw, list) else [(raw, at)]
    yield from ((name, place) for name, place in items if isinstance(name, str))


def _is_loss(raw: Any) -> bool:
    """Whether a value is a loss, by its name or with its fields, and not one of a loss's fields."""
    return isinstance(raw, str) or (isinstance(raw, dict) and len(raw) == 1 and all(
        isinstance(fields, dict) for fields in raw.values()
    ))


def names_of(text: str) -> list[tuple[str, int]]:
    """(name, offset) of each name in an expression; of each word if the expression is broken."""
    try:
        expression = template(text)
    except ExpressionError:
        return [(match[0], match.start()) for match in _NAME.finditer(text)]
    if not isinstance(expression, Expression):
        return []
    return [(name.name, name.place.offset) for name in expression.used]
