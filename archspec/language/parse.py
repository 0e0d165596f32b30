"""Plain data → syntax tree, with an error for every way to write a layer wrongly.

What was plainly meant is taken as if it had been written, after it is reported, so that the rest is still checked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from archspec.diagnostics import hints, listing, plural
from archspec.language import fixes
from archspec.language.merge_roles import branches_example, factor_meant, in_roles
from archspec.language.message_text import close, did_you_mean, short, value_text
from archspec.language.names import EXPECTATIONS, check_name, check_unique
from archspec.language.problems import meant_value
from archspec.language.syntax import At, Body, Errors, Layer
from archspec.ops import OPS, Merge
from archspec.source import BROKEN

BESIDE: Final = ("name", "repeat", "when", "from", "share")  # what may stand beside a layer's own key
SEQUENTIAL: Final = "sequential"
SHARE: Final = "share"  # alone a layer's own key
TYPES: Final = ("int", "float", "bool", "str", "list", "layer", "any")  # of a block's params

__all__ = [
    "BESIDE", "EXPECTATIONS", "SEQUENTIAL", "SHARE", "TYPES", "check_name", "did_you_mean", "hole", "is_merge",
    "misplaced", "parse_as", "parse_body", "parse_layer", "short",
]


def is_merge(kind: str) -> bool:
    """Whether a layer of this kind joins named branches."""
    op = OPS.get(kind)
    return op is not None and issubclass(op, Merge)


def parse_body(raw: Any, at: At, errors: Errors, *, owner: str = "body") -> Body:
    """A stage, branch or block body; `owner` says whose. Each broken layer leaves a hole (`args` is BROKEN)."""
    if isinstance(raw, list):
        layers = _layers(raw, at, errors)
        check_unique(layers, errors)
        return Body(layers, False, at)
    if raw is None:
        errors.add("SPEC021", f"the {owner} is empty", at, hint=fixes.identity(at))
        return Body((hole(at),), True, at)
    layer = parse_layer(raw, at, errors)
    if layer.name is not None:
        errors.add(
            "SPEC021", f"`name` on a bare layer: the {owner}'s key names it", layer.beside("name").key,
            hint=fixes.removed("remove `name`", layer.beside("name")),
        )
    return Body((layer,), True, at)


def _layers(raw: list[Any], at: At, errors: Errors) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for k, item in enumerate(raw):
        stray = isinstance(item, dict) and item and all(key in BESIDE and key != "from" for key in item)
        if stray and not _runs_again(item) and layers and layers[-1].kind not in (None, "?"):
            layers[-1] = _beside_in_list(item, at / k, layers[-1], errors)
        else:
            layers.append(parse_layer(item, at / k, errors))
    return tuple(layers)


def _beside_in_list(raw: dict[str, Any], at: At, layer: Layer, errors: Errors) -> Layer:
    """`[conv2d: {…}, repeat: 2]`: told, and taken as `[{conv2d: {…}, repeat: 2}]`."""
    kind = short(layer.kind)
    first = next(iter(raw))
    errors.add(
        "SPEC021", f"`{first}` needs the layer's braces", at / first, key=True,
        hint=f"write `{{{kind}: …, {first}: …}}`, or put `{first}:` on a line below `{kind}:`, as deep as it",
    )
    values, moved = _beside(raw, {key: at / key for key in raw}, layer.kind, errors)
    return replace(layer, **{k: v for k, v in values.items() if v is not None}, moved={**layer.moved, **moved})


def hole(at: At) -> Layer:
    """Stands where a layer could not be understood: what flows out of it is unknown."""
    return Layer("?", BROKEN, at, at)


def parse_layer(raw: Any, at: At, errors: Errors) -> Layer:
    """One layer: a name, `name: argument`, `name: {fields}`, with name, repeat, when, from, share beside it."""
    return _parse_layer(raw, at, errors) or hole(at)


def parse_as(kind: str, layer: Layer, errors: Errors) -> Layer:
    """A layer of an unknown kind as if `kind` had been written."""
    values = {"name": layer.name, "repeat": layer.repeat, "when": layer.when, "source": layer.source,
              "share": layer.share}
    return _of_kind(kind, layer.args, layer.at, layer.place, values, layer.moved, errors) or hole(layer.place)


def _parse_layer(raw: Any, at: At, errors: Errors) -> Layer | None:
    if raw is BROKEN:
        return None
    if isinstance(raw, str):
        return _bare_name(raw, at, errors)
    if isinstance(raw, list):
        errors.add("SPEC021", "a list inside a list of layers", at, hint=fixes.wrapped(at, "sequential: "))
        return None
    if not isinstance(raw, dict):
        what = "an empty item" if raw is None else f"`{value_text(raw)}`"
        errors.add("SPEC021", f"{what} is not a layer", at, hint="write an op or block, such as `relu` or `linear: 10`")
        return None
    places = {key: at / key for key in BESIDE if key in raw}
    kinds = [key for key in raw if key not in BESIDE]
    if len(kinds) > 1:
        raw, kinds = _misspelt_beside(raw, kinds, at, places, errors)
    if len(kinds) == 1:
        return _layer(raw, kinds[0], at, places, errors)
    if not kinds and _runs_again(raw):
        del places[SHARE]
        return _layer(raw, SHARE, at, places, errors)
    if not kinds and list(raw) == ["from"]:
        return _layer(raw, None, at, places, errors)
    _complain_kinds(raw, kinds, at, errors)
    return None


def _runs_again(raw: dict[str, Any]) -> bool:
    """Whether the `share` of a mapping without another kind names a layer, instead of standing beside a `repeat`."""
    return SHARE in raw and not isinstance(raw[SHARE], bool)


def _bare_name(raw: str, at: At, errors: Errors) -> Layer | None:
    if is_merge(raw):
        errors.add(
            "SPEC043", f"`{raw}` needs named branches", at,
            hint=f"write `{raw}: {{{branches_example(raw, 'main: […], skip: {from: input}')}}}`",
        )
        return None
    if raw == SEQUENTIAL:
        errors.add("SPEC021", "`sequential` needs a list of layers", at, hint="write `sequential: […]`")
        return None
    if raw.startswith("$"):
        return _of_kind(raw, None, at, at, {}, {}, errors)
    if not raw or raw != raw.strip() or " " in raw:
        hint = "write one op or block per item, such as `relu` or `linear: 10`"
        errors.add("SPEC021", f"`{short(raw)}` is not a layer", at, hint=hint)
        return None
    return Layer(raw, None, at, at)


def _misspelt_beside(
    raw: dict[str, Any], kinds: list[str], at: At, places: dict[str, At], errors: Errors
) -> tuple[dict[str, Any], list[str]]:
    """`{conv2d: {…}, repaet: 2}`: told, and taken as if `repeat` had been written."""
    for key in kinds[1:]:
        meant = None if key in OPS else close(key, BESIDE)
        if meant is not None and meant not in raw:
            errors.add("SPEC010", f"unknown key `{short(key)}` beside a layer", at / key, key=True,
                       hint=hints.near(meant))
            raw = {meant if k == key else k: v for k, v in raw.items()}
            places[meant] = at / key
    return raw, [key for key in raw if key not in BESIDE]


def _complain_kinds(raw: dict[str, Any], kinds: list[str], at: At, errors: Errors) -> None:
    if kinds:
        from archspec.language.unknown import second_key  # which imports this module

        names = listing(f"`{short(k)}`" for k in kinds)
        errors.add(
            "SPEC021", f"a layer is one op or block, got {len(kinds)}: {names}", at / kinds[1], key=True,
            hint=second_key(raw, *kinds[:2]),
        )
        return
    first = next((key for key in raw if key != "from"), None)
    if first is None:
        errors.add("SPEC021", "an empty mapping is not a layer", at, hint="write an op or block, or `identity`")
    elif "from" in raw:
        errors.add("SPEC021", f"`{first}` needs a layer, not a `from` alone", at / first, key=True,
                   hint=f"write `{{identity: , from: {short(raw['from'])}, {first}: …}}`")
    else:
        errors.add("SPEC021", f"`{first}` needs the layer's braces", at / first, key=True,
                   hint=f"write `{{conv2d: {{…}}, {first}: …}}`")


def _layer(raw: dict[str, Any], kind: str | None, at: At, places: dict[str, At], errors: Errors) -> Layer | None:
    if kind not in (None, SHARE) and _is_name(raw.get(SHARE)) and not _means_flag(raw):
        return _share_instead(raw, kind or "", at, places, errors)
    values, moved = _beside(raw, places, kind, errors)
    args, place = (None, at) if kind is None else (raw[kind], at / kind)
    if kind is not None and kind in OPS and isinstance(args, dict):
        args = _take_out(kind, args, place, values, moved, errors)
    if values["source"] is BROKEN:
        return None
    if kind is None:
        return Layer(None, None, at, at, **values)
    return _of_kind(kind, args, place, at, values, moved, errors)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != "" and not value.startswith("$")


def _means_flag(raw: dict[str, Any]) -> bool:
    """Whether the `share` beside a `repeat` is a word for true or false: `yes`."""
    return "repeat" in raw and meant_value("bool", raw[SHARE]) is not None


def _share_instead(
    raw: dict[str, Any], kind: str, at: At, places: dict[str, At], errors: Errors
) -> Layer | None:
    """`{linear: 10, share: tower}`: reported, and read as `{share: tower}`."""
    name = short(raw[SHARE])
    errors.add(
        "SPEC045", f"`{SHARE}: {name}` cannot stand beside `{short(kind)}`", places[SHARE], key=True,
        hint=fixes.removed(f"remove `{short(kind)}`: `{SHARE}: {name}` runs the layers of `{name}`", at / kind),
    )
    beside = {key: place for key, place in places.items() if key != SHARE}
    return _layer({key: value for key, value in raw.items() if key != kind}, SHARE, at, beside, errors)


def _beside(
    raw: dict[str, Any], places: dict[str, At], kind: str | None, errors: Errors
) -> tuple[dict[str, Any], dict[str, At]]:
    """The values of name, repeat, when, share and from (as `source`), checked, and the places that differ from theirs.
    """
    values: dict[str, Any] = {"name": None, "repeat": None, "when": None, "source": None, "share": None}
    for key, at in places.items():
        value = raw[key]
        if value is BROKEN:
            values["source" if key == "from" else key] = None if key == "name" else BROKEN
        elif key in ("repeat", "when"):
            if value is None:
                errors.add("SPEC042", f"`{key}` has no value", at, key=True,
                           hint=f"write a {'number' if key == 'repeat' else 'condition'}, or remove it")
            values[key] = value
        elif key == SHARE:
            values[key] = _flag(value, at, errors)
        elif not isinstance(value, str) or not value or value.startswith("$"):
            errors.add("SPEC021", f"`{key}` must be a plain name, got {value_text(value)}", at,
                       hint=_several(kind, value) if key == "from" else "write the name itself")
            values["source"] = BROKEN if key == "from" else values["source"]
        elif key == "from":
            values["source"] = value
        elif check_name(value, at, errors, key=False, what="layer"):
            values["name"] = value
    return values, {key: at for key, at in places.items() if at.path[-1] != key}


def _several(kind: str | None, value: Any) -> str:
    """The hint for a `from` that is not a name: for a list of names, a merge in which each branch takes one."""
    names = value if isinstance(value, list) else []
    if len(names) < 2 or not all(isinstance(name, str) and name.isidentifier() for name in names):
        return "write the name itself"
    branches = ", ".join(f"{name}: {{from: {name}}}" for name in dict.fromkeys(names))
    example = f"concat: {{{branches}}}"
    if kind is not None and is_merge(kind):
        example = f"{kind}: {{{branches_example(kind, branches)}}}"
    return f"it takes one name; a merge takes several: `{example}`"


def _flag(value: Any, at: At, errors: Errors) -> Any:
    """The value of a `share` beside a layer; None after an error."""
    if isinstance(value, bool) or (isinstance(value, str) and value.startswith("$")):
        return value
    hint = meant_value("bool", value) or (
        f"write `{SHARE}: true` beside a `repeat`, or `{SHARE}: NAME` alone to run a stage or named layer again"
    )
    errors.add("SPEC045", f"`{SHARE}` beside a layer must be true or false, got {value_text(value)}", at, hint=hint)
    return None


def _take_out(
    kind: str, args: dict[str, Any], place: At, values: dict[str, Any], moved: dict[str, At], errors: Errors
) -> dict[str, Any]:
    """The op's arguments without `repeat`, `when`, … among them, which are reported and taken as beside the op."""
    strays = [key for key in BESIDE if key in args and key not in OPS[kind].model_fields]
    for key in strays:
        if key == "from" and isinstance(args[key], list):
            continue  # a list is wrong there, too
        misplaced(key, kind, place / key, errors)
    told = [key for key in strays if key != SHARE or isinstance(args[key], bool)]
    found, _ = _beside({key: args[key] for key in told}, {key: place / key for key in told}, kind, errors)
    for key in told:
        name = "source" if key == "from" else key
        if values[name] is None:
            values[name], moved[key] = found[name], place / key
    return {key: value for key, value in args.items() if key not in strays} if strays else args


def misplaced(key: str, kind: str, at: At, errors: Errors) -> None:
    """Note that `key` (repeat, when, from, name) stands among the fields of `kind`."""
    errors.add(
        "SPEC021", f"`{key}` is not a field of `{short(kind)}`: it belongs beside it", at, key=True,
        hint=f"move it beside `{short(kind)}`: `{{{short(kind)}: …, {key}: …}}`",
    )


def _of_kind(
    kind: str, args: Any, place: At, at: At, values: dict[str, Any], moved: dict[str, At], errors: Errors
) -> Layer | None:
    if values.get(SHARE) is True and values["repeat"] is None and SHARE not in moved:
        beside = at / SHARE
        errors.add("SPEC045", f"`{SHARE}: true` needs a `repeat` beside it", beside, key=True,
                   hint=fixes.removed(f"remove it: a single run of `{short(kind)}` shares nothing", beside))
    if kind == SEQUENTIAL:
        if args is BROKEN:
            return None
        if not isinstance(args, list):
            errors.add("SPEC021", "`sequential` needs a list of layers", place, hint="write `sequential: […]`")
            return None
        return Layer(kind, None, place, at, body=parse_body(args, place, errors), **values, moved=moved)
    if is_merge(kind):
        return None if args is BROKEN else _merge(kind, args, place, at, values, moved, errors)
    if kind.startswith("$") and not kind[1:2].isidentifier():
        where = place.key if place.path != at.path else place
        errors.add("SPEC021", f"`{short(kind)}` cannot stand for a layer, only `$name` can", where,
                   hint="name the value in `vars` or as a param, and write `$name`")
        return None
    return Layer(kind, args, place, at, **values, moved=moved)


def _merge(
    kind: str, args: Any, place: At, at: At, values: dict[str, Any], moved: dict[str, At], errors: Errors
) -> Layer | None:
    if not isinstance(args, dict):
        nameless = isinstance(args, list)
        errors.add(
            "SPEC043", f"the branches of `{kind}` have no names" if nameless else f"`{kind}` needs named branches",
            place, hint=factor_meant(kind, args) or f"name them: `{kind}: {{{branches_example(kind)}}}`",
        )
        return None
    fields = OPS[kind].model_fields
    branches: dict[str, Body] = {}
    for name, raw in args.items():
        if name not in fields:
            check_name(name, place / name, errors, what="branch")
            branches[name] = parse_body(raw, place / name, errors, owner="branch")
    ordered = in_roles(kind, branches, place, errors)
    if ordered is None:
        return None
    if len(branches) < 2 and ordered is branches:
        errors.add(
            "SPEC043", f"`{kind}` has {plural(len(branches), 'branch')}, it needs two or more", place,
            key=True, hint="add a branch; `skip: []` is the unchanged input",
        )
        if not branches:
            return None
    own = {key: value for key, value in args.items() if key in fields}
    return Layer(kind, own, place, at, branches=ordered, **values, moved=moved)
