"""Completions at a place: sections, ops, fields, words, blocks, names, stages, data sets, recipes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from archspec.api import Loaded
from archspec.expressions.functions import FUNCTIONS
from archspec.language.detect import SWEEP_KEY, VERSION_KEY, Kind, has_suffix
from archspec.language.names import EXPECTATIONS
from archspec.language.parse import BESIDE, SEQUENTIAL, SHARE, TYPES, is_merge
from archspec.lsp.docs import block_docs, field_docs, op_docs, summary
from archspec.lsp.probe import Probe, probe
from archspec.lsp.roles import role
from archspec.lsp.schema_walk import Place, place_at
from archspec.lsp.snapshot import Snapshot
from archspec.lsp.text import Spot
from archspec.ops import OPS

_SHAPE: Final = ("channels", "height", "width", "features", "length", "shape")
_CHANGED: Final = ("set", "grid", "zip", "runs", "random", "space")  # sections of a sweep with keys such as `train.lr`
_FILES: Final = 200  # the most files that are offered for `extends` and `use`
_PARTS: Final = frozenset({"freeze", "lr_scale", "recompute"})  # fields of a recipe that name stages


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion. kind: its name in the protocol. insert: the text that replaces columns start to end of the line."""

    label: str
    kind: str
    detail: str = ""
    docs: str = ""
    insert: str = ""
    start: int = 0
    end: int = 0


def complete(snapshot: Snapshot, spot: Spot) -> list[Completion]:
    """All completions at a place, without duplicates, the likeliest kinds first."""
    place = probe(snapshot.lines, spot)
    if place is None:
        return []
    if not (place.path or place.beside) and snapshot.kind is Kind.OTHER:
        offers: Iterable[Completion] = _first(place)
    elif place.expression is not None:
        offers = _expressions(snapshot, place)
    elif snapshot.kind is Kind.SWEEP:
        offers = _of_sweep(snapshot, place)
    else:
        offers = _of_spec(snapshot, place)
    colon = snapshot.lines[spot.line][place.end :].lstrip().startswith(":")
    found: dict[str, Completion] = {}
    for offer in offers:
        if offer.label not in place.beside and offer.label.startswith(place.word[:1]):
            insert = offer.label if colon or not offer.insert else offer.insert
            found.setdefault(offer.label, replace(offer, insert=insert, start=place.start, end=place.end))
    return list(found.values())


def _first(place: Probe) -> Iterator[Completion]:
    if place.is_key is not False:
        yield Completion(VERSION_KEY, "keyword", "a spec", insert=f"{VERSION_KEY}: 1")
        yield Completion(SWEEP_KEY, "keyword", "a sweep", insert=f"{SWEEP_KEY}: 1")


# -- expressions -----------------------------------------------------------------------------------------------------


def _expressions(snapshot: Snapshot, place: Probe) -> Iterator[Completion]:
    expression = place.expression or ""
    name, dot, _ = expression.rpartition(".")
    if dot:
        word, inputs = name.rpartition("$")[2].split("(")[-1].split(" ")[-1], _inputs(snapshot, place)
        if word == "input" and len(inputs) > 1:
            yield from (Completion(one, "variable", "an input's shape") for one in inputs)
            return
        if word in ("in", "input") or word.removeprefix("input.") in inputs:
            yield from (Completion(field, "field", "of a shape") for field in _SHAPE)
            return
    if snapshot.kind is Kind.SWEEP:
        yield from (Completion(word, "variable") for word in ("train", "vars", "params", "macs"))
        return
    data = place.document.data if isinstance(place.document.data, dict) else {}
    path = place.path
    if len(path) > 1 and path[0] == "blocks":
        block = data["blocks"][path[1]]
        params = block.get("params") if isinstance(block, dict) else None
        for param, default in (params if isinstance(params, dict) else {}).items():
            yield Completion(param, "variable", f"param: {default}")
    yield from (Completion(var, "variable", f"var: {value}") for var, value in _vars(snapshot, data).items())
    if path and path[0] in ("stages", "blocks"):
        yield Completion("in", "variable", "the shape that flows into this layer")
        yield Completion("input", "variable", "the input shape of the block, or of the network")
        yield Completion("i", "variable", "the index of this copy of a `repeat`, from 0")
    if expression.startswith("$("):
        yield from (Completion(name, "function", one.signature) for name, one in FUNCTIONS.items())


def _vars(snapshot: Snapshot, data: dict[str, Any]) -> dict[str, Any]:
    own = data.get("vars")
    known = {} if snapshot.program is None else {n: raw for n, (raw, _) in snapshot.program.library.vars.items()}
    return {**known, **(own if isinstance(own, dict) else {})}


# -- specs -------------------------------------------------------------------------------------------------------------


def _of_spec(snapshot: Snapshot, place: Probe) -> Iterator[Completion]:
    path, section = place.path, place.path[0] if place.path else None
    if section == "expect" and len(path) == 1:
        yield from (Completion(stage, "module", "stage") for stage in _stages(snapshot, place))
        yield from (Completion(name, "keyword") for name in EXPECTATIONS)
        return
    if (section == "outputs" and (len(path) == 1 or isinstance(path[-1], int))) or _names_parts(path):
        insert = ": " if place.is_key else ""
        yield from (Completion(name, "module", "stage", insert=f"{name}{insert}") for name in _stages(snapshot, place))
        return
    if section in ("extends", "use") and place.is_key is not True:
        yield from _files(snapshot)
        return
    if path and path[-1] == SHARE and section in ("stages", "blocks"):
        yield from _shared(snapshot, place)
        return
    if path and section in ("stages", "blocks") and _names_value(path):
        yield from _sources(snapshot, place)
        return
    if path and path[-1] == "data" and section in ("train", "recipes"):
        yield from _datasets()
        return
    if section == "blocks" and "params" in path[2:3] and len(path) == 4:
        yield from (Completion(name, "keyword", "type of a param") for name in TYPES)
    if section in ("stages", "blocks") and len(path) > 1:
        yield from _layers(snapshot, place)
    elif section not in ("stages", "blocks", "vars"):
        yield from _of_schema(place_at(snapshot.kind, path), place)


def _names_parts(path: Sequence[str | int]) -> bool:
    """Whether a recipe names stages there."""
    names = path[-2:-1] if path and isinstance(path[-1], int) else path[-1:]
    return bool(path) and path[0] in ("train", "recipes") and bool(_PARTS.intersection(names))


def _of_schema(known: Place, place: Probe) -> Iterator[Completion]:
    if place.is_key is not False:
        for key, (description, _) in known.keys.items():
            yield Completion(key, "property", docs=description, insert=f"{key}: ")
    if place.is_key is not True:
        yield from (Completion(value, "enum", docs=docs) for value, docs in known.values.items())
        if known.flags:
            yield from (Completion(word, "keyword") for word in ("true", "false"))


def _layers(snapshot: Snapshot, place: Probe) -> Iterator[Completion]:
    where, kind = role(place.path)
    if where == "arguments" and place.is_key is not False:
        yield from _fields(snapshot, kind)
    elif where == "layer" and place.beside and place.is_key is not False:
        yield from (Completion(key, "keyword", "beside a layer", insert=f"{key}: ") for key in BESIDE)
    if where in ("arguments", "argument"):
        if place.is_key is not True:
            yield from _argument(snapshot, place, kind)
    elif where == "layer" and not any(key not in BESIDE for key in place.beside):
        if len(place.path) == 2 and place.path[0] == "blocks" and place.is_key is not False:
            yield from (Completion(key, "keyword", insert=f"{key}: ") for key in ("params", "body"))
        yield from _kinds(snapshot, place)


def _kinds(snapshot: Snapshot, place: Probe) -> Iterator[Completion]:
    """Ops and blocks, with a colon if they need arguments."""
    blocks = _blocks(snapshot)
    for name, block in blocks.items():
        needs = any(param.required for param in block.params)
        yield Completion(name, "class", block.signature(), block_docs(block), f"{name}: " if needs else name)
    data = place.document.data if isinstance(place.document.data, dict) else {}
    own = data.get("blocks")
    written = own if isinstance(own, dict) else {}
    yield from (Completion(name, "class", "block") for name in written if name not in blocks)
    for name, model in OPS.items():
        needs = is_merge(name) or any(field.is_required() for field in model.model_fields.values())
        insert = f"{name}: " if needs or place.is_key else name
        yield Completion(name, "function", summary(name), op_docs(name), insert)
    yield Completion(SEQUENTIAL, "keyword", "layers as one", insert=f"{SEQUENTIAL}: ")
    yield Completion(SHARE, "keyword", "a stage or named layer again, with its weights", insert=f"{SHARE}: ")


def _fields(snapshot: Snapshot, kind: str) -> Iterator[Completion]:
    """The fields of an op, or the params of a block."""
    if kind in OPS:
        for name in OPS[kind].model_fields:
            yield Completion(name, "field", docs=field_docs(kind, name), insert=f"{name}: ")
    elif kind in (blocks := _blocks(snapshot)):
        for param in blocks[kind].params:
            detail = str(param.type) if param.required else f"default {param.default}"
            yield Completion(param.name, "field", detail, insert=f"{param.name}: ")


def _argument(snapshot: Snapshot, place: Probe, kind: str) -> Iterator[Completion]:
    """Values for an argument of an op or block."""
    path = place.path
    if kind in OPS:
        known = place_at(Kind.NETWORK, ("stages", "x", 0, kind, *path[path.index(kind) + 1 :]))
        yield from (offer for offer in _of_schema(known, place) if offer.kind != "property")
        return
    block = _blocks(snapshot).get(kind)
    params = block.params if block is not None else ()
    last = path[-1]
    named = params[last] if isinstance(last, int) and last < len(params) else \
        next((p for p in params if last in (p.name, kind)), None)
    if named is not None and named.type == "bool":
        yield from (Completion(word, "keyword") for word in ("true", "false"))
    elif named is not None and named.type in ("layer", "any", None):
        yield from _kinds(snapshot, place)


def _blocks(snapshot: Snapshot) -> dict[str, Any]:
    """The blocks that are visible here."""
    from archspec.language.libraries import standard_library

    known = dict(standard_library().blocks)
    if snapshot.program is not None:
        library = snapshot.program.library
        known |= {name: block for name in sorted(library.block_names()) if (block := library.find(name)) is not None}
    return known


def _stages(snapshot: Snapshot, place: Probe) -> list[str]:
    own = place.document.data.get("stages")
    known = snapshot.program.stages if snapshot.program is not None else {}
    return list(dict.fromkeys([*known, *(own if isinstance(own, dict) else ())]))


def _inputs(snapshot: Snapshot, place: Probe) -> list[str]:
    """The names of the network's inputs."""
    own = place.document.data.get("input") if isinstance(place.document.data, dict) else None
    if own is None and snapshot.program is not None:
        return [*snapshot.program.inputs]
    return [*own] if isinstance(own, dict) else []


def _names_value(path: tuple[str | int, ...]) -> bool:
    """Whether the value at this place is the name of a stage or layer: of `from`, or of such a field of an op."""
    op = OPS.get(str(path[-2])) if len(path) > 1 else None
    return path[-1] == "from" or (op is not None and path[-1] in op.references)


def _shared(snapshot: Snapshot, place: Probe) -> Iterator[Completion]:
    """Values for `share`: what can run again, or beside a layer whether its copies have one set of weights."""
    if any(key not in BESIDE for key in _value_at(place.document.data, place.path[:-1])):
        yield from (Completion(word, "keyword", "one set of weights for all copies") for word in ("true", "false"))
    else:
        yield from (offer for offer in _sources(snapshot, place) if offer.kind in ("module", "reference"))


def _sources(snapshot: Snapshot, place: Probe) -> Iterator[Completion]:
    """The names that `from` can use: the inputs, earlier stages, and named layers of the lists around it."""
    path, data = place.path, place.document.data
    inputs = _inputs(snapshot, place) if path[0] == "stages" else []
    if len(inputs) < 2:
        yield Completion("input", "keyword", "the input of the block, or of the network")
    yield from (Completion(name, "variable", "input") for name in inputs)
    if path[0] == "stages":
        stages = _stages(snapshot, place)
        here = stages.index(path[1]) if path[1] in stages else len(stages)
        yield from (Completion(name, "module", "stage") for name in stages[:here])
    for length, step in enumerate(path):
        if isinstance(step, int):
            around = _value_at(data, path[:length])
            named = (item.get("name") for item in around[:step] if isinstance(item, dict))
            yield from (Completion(name, "reference", "layer") for name in named if isinstance(name, str))


def _value_at(data: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        data = data[step]
    return data


def _files(snapshot: Snapshot) -> Iterator[Completion]:
    """The YAML files beside this one."""
    try:
        names = sorted(p.name for p in snapshot.path.parent.iterdir() if has_suffix(p.name) and p != snapshot.path)
    except OSError:
        return
    yield from (Completion(name, "file") for name in names[:_FILES])


def _datasets() -> Iterator[Completion]:
    from archspec.data.registry import DATASETS

    yield from (Completion(name, "value", docs=info.description) for name, info in DATASETS.items())
    yield Completion("folder:", "value", "a folder with a folder of images for each class")


# -- sweeps ------------------------------------------------------------------------------------------------------------


def _of_sweep(snapshot: Snapshot, place: Probe) -> Iterator[Completion]:
    path = place.path
    if "spec" in (*path[:1], *path[-1:]):
        from archspec.language.shipped import shipped_specs

        yield from (Completion(name, "module", "shipped spec") for name in shipped_specs())
        yield from _files(snapshot)
        return
    if path and any(step in _CHANGED for step in path) and place.is_key is not False:
        yield from _changeable(snapshot)
    if path and path[-1] == "recipe" and place.is_key is not True:
        loaded = _spec_of(snapshot)
        yield from (Completion(n, "value", "recipe") for n in (loaded.recipes if loaded else ()) if n != "train")
        return
    if path and str(path[-1]).endswith("train.data"):
        yield from _datasets()
    yield from _of_schema(place_at(Kind.SWEEP, path), place)


def _changeable(snapshot: Snapshot) -> Iterator[Completion]:
    """The keys that a sweep of these specs can change."""
    from archspec.language.recipe import Recipe

    for name, field in Recipe.model_fields.items():
        yield Completion(f"train.{name}", "property", docs=field.description or "", insert=f"train.{name}: ")
    loaded = _spec_of(snapshot)
    for section in ("vars", "stages", "blocks"):
        for name in (loaded.data.get(section, {}) if loaded else ()):
            yield Completion(f"{section}.{name}", "property", insert=f"{section}.{name}: ")
    yield Completion("recipe", "property", insert="recipe: ")
    yield Completion("input", "property", insert="input: ")


def _spec_of(snapshot: Snapshot) -> Loaded | None:
    """The first spec of a sweep, or None if there is none or it is broken."""
    return next((spec.loaded for spec in snapshot.specs), None)
