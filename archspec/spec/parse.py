"""Plain data → syntax tree, with an error for every way to write a layer wrongly."""

from __future__ import annotations

import keyword
from typing import Any

from archspec.diagnostics import listing, nearest
from archspec.ops import OPS, Merge
from archspec.source import BROKEN
from archspec.spec.syntax import At, Block, Body, Errors, Layer, Library, Param

BESIDE = ("name", "repeat", "when", "from")  # what may stand beside a layer's own key
TYPES = ("int", "float", "bool", "str", "list", "layer", "any")
EXPECTATIONS = ("output", "params", "macs", "buffers")  # keys of `expect` that no stage may take
SEQUENTIAL = "sequential"

# dir(torch.nn.Module) and what an instance of Sequential, ModuleList or fx.GraphModule has besides
# (the language does not import torch; a test compares this list with the real classes).
MODULE_ATTRIBUTES = frozenset("""
    T_destination add_module add_submodule append apply bfloat buffers call_super_init children class_name code
    compile cpu cuda delete_all_unused_submodules delete_submodule double dump_patches eval extend extra_repr
    float forward get_buffer get_extra_state get_parameter get_submodule graph half insert ipu load_state_dict
    meta modules mtia named_buffers named_children named_modules named_parameters parameters pop print_readable
    recompile register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule shape_env share_memory state_dict
    to to_empty to_folder train training type xpu zero_grad
""".split())


def is_merge(kind: str) -> bool:
    """Whether a layer of this kind joins named branches."""
    op = OPS.get(kind)
    return op is not None and issubclass(op, Merge)


def check_name(name: str, at: At, errors: Errors, *, key: bool = True, what: str = "name") -> bool:
    """Whether `name` can be a module's name; else the error is noted."""
    if not name.isidentifier() or not name.isascii():
        rule = "is not an identifier (letters, digits and _, not starting with a digit)"
    elif keyword.iskeyword(name):
        rule = "is a Python keyword"
    elif name in MODULE_ATTRIBUTES or name.startswith("_"):
        rule = "is an attribute of every nn.Module" if name in MODULE_ATTRIBUTES else "starts with _"
    elif what == "stage" and name in ("input", *EXPECTATIONS):
        rule = "has a meaning of its own in `expect` or `from`"
    elif what == "layer" and name == "input":
        rule = "means what entered the block"
    else:
        return True
    errors.add("SPEC022", f"{what} `{_short(name)}` {rule}", at, key=key, hint="choose another name")
    return False


def parse_body(raw: Any, at: At, errors: Errors, *, owner: str = "body") -> Body:
    """A stage, branch or block body; `owner` says whose. Each broken layer leaves a hole (`args` is BROKEN)."""
    if isinstance(raw, list):
        layers = tuple(parse_layer(item, at / k, errors) for k, item in enumerate(raw))
        _check_unique(layers, errors)
        return Body(layers, False, at)
    if raw is None:
        errors.add("SPEC021", f"the {owner} is empty", at, hint="write `[]` for the identity")
        return Body((_hole(at),), True, at)
    layer = parse_layer(raw, at, errors)
    if layer.name is not None:
        errors.add(
            "SPEC021", f"`name` on a bare layer: the {owner}'s key names it", at / "name", key=True,
            hint="remove `name`",
        )
    return Body((layer,), True, at)


def _hole(at: At) -> Layer:
    """Stands where a layer could not be understood: what flows out of it is unknown."""
    return Layer("?", BROKEN, at, at)


def parse_layer(raw: Any, at: At, errors: Errors) -> Layer:
    """One layer: a name, `name: argument`, `name: {fields}`, with name, repeat, when, from beside it."""
    return _parse_layer(raw, at, errors) or _hole(at)


def _parse_layer(raw: Any, at: At, errors: Errors) -> Layer | None:
    if raw is BROKEN:
        return None
    if isinstance(raw, str):
        return _bare_name(raw, at, errors)
    if isinstance(raw, list):
        errors.add("SPEC021", "a list inside a list of layers", at, hint="write `sequential: […]`")
        return None
    if not isinstance(raw, dict):
        what = "an empty item" if raw is None else f"`{_short(raw)}`"
        errors.add("SPEC021", f"{what} is not a layer", at, hint="write an op or block, such as `relu` or `linear: 10`")
        return None
    kinds = [key for key in raw if key not in BESIDE]
    if len(kinds) != 1 and not (not kinds and list(raw) == ["from"]):
        _complain_kinds(raw, kinds, at, errors)
        return None
    return _layer(raw, kinds[0] if kinds else None, at, errors)


def _bare_name(raw: str, at: At, errors: Errors) -> Layer | None:
    if is_merge(raw):
        errors.add(
            "SPEC043", f"`{raw}` needs named branches", at, hint=f"write `{raw}: {{main: […], skip: {{from: input}}}}`"
        )
        return None
    if raw == SEQUENTIAL:
        errors.add("SPEC021", "`sequential` needs a list of layers", at, hint="write `sequential: […]`")
        return None
    if " " in raw or not raw:
        errors.add("SPEC021", f"`{_short(raw)}` is not a layer", at, hint="write one op or block an item")
        return None
    return Layer(raw, None, at, at)


def _complain_kinds(raw: dict[str, Any], kinds: list[str], at: At, errors: Errors) -> None:
    if kinds:
        names = listing(f"`{_short(k)}`" for k in kinds)
        errors.add(
            "SPEC021", f"a layer is one op or block, here are {len(kinds)}: {names}", at / kinds[1], key=True,
            hint=f"begin a list item of its own: `- {_short(kinds[1])}`",
        )
    else:
        first = next((key for key in raw if key != "from"), None)
        if first is None:
            errors.add("SPEC021", "an empty mapping is not a layer", at, hint="write an op or block, or `identity`")
            return
        errors.add(
            "SPEC021", f"`{first}` stands alone: it needs the layer's braces", at / first, key=True,
            hint=f"write `{{conv2d: {{…}}, {first}: …}}`, or put `{first}:` on a line below the layer's key, "
            "as deep as it",
        )


def _layer(raw: dict[str, Any], kind: str | None, at: At, errors: Errors) -> Layer | None:
    name, source = raw.get("name"), raw.get("from")
    for key, value in (("name", name), ("from", source)):
        if key in raw and not (isinstance(value, str) and value and not value.startswith("$")):
            errors.add("SPEC021", f"`{key}` must be a plain name, got `{_short(value)}`", at / key)
            return None
    if name is not None and not check_name(name, at / "name", errors, key=False, what="layer"):
        name = None
    for key in ("repeat", "when"):
        if key in raw and raw[key] is None:
            errors.add("SPEC042", f"`{key}` has no value", at / key, key=True)
    beside: dict[str, Any] = {"name": name, "repeat": raw.get("repeat"), "when": raw.get("when"), "source": source}
    if kind is None:
        return Layer(None, None, at, at, **beside)
    args, place = raw[kind], at / kind
    if args is BROKEN:
        return None
    if kind == SEQUENTIAL:
        if not isinstance(args, list):
            errors.add("SPEC021", "`sequential` needs a list of layers", place, hint="write `sequential: […]`")
            return None
        return Layer(kind, None, place, at, body=parse_body(args, place, errors), **beside)
    if is_merge(kind):
        return _merge(kind, args, place, at, beside, errors)
    return Layer(kind, args, place, at, **beside)


def _merge(kind: str, args: Any, place: At, at: At, beside: dict[str, Any], errors: Errors) -> Layer | None:
    if isinstance(args, list):
        errors.add(
            "SPEC043", f"the branches of `{kind}` have no names", place,
            hint=f"name them: `{kind}: {{main: […], skip: […]}}`",
        )
        return None
    if not isinstance(args, dict):
        errors.add("SPEC043", f"`{kind}` needs named branches", place, hint=f"write `{kind}: {{a: […], b: […]}}`")
        return None
    fields = OPS[kind].model_fields
    branches: dict[str, Body] = {}
    broken = False
    for name, raw in args.items():
        if name in fields:
            continue
        if name in BESIDE and name != "name":
            _misplaced(name, kind, place, errors)
            broken = True
            continue
        branches[name] = parse_body(raw, place / name, errors, owner="branch")
        broken |= not check_name(name, place / name, errors, what="branch")
    if len(branches) < 2 and not broken:
        errors.add(
            "SPEC043", f"`{kind}` has {len(branches)} branch{'es' * (not branches)}, it needs two or more", place,
            key=True, hint="add a branch; `skip: []` is what flows in, unchanged",
        )
        broken = True
    if broken:  # what is there is still worth checking: `None` as kind's args marks the hole
        return Layer(kind, BROKEN, place, at, branches=branches, **beside)
    own = {key: value for key, value in args.items() if key in fields}
    return Layer(kind, own, place, at, branches=branches, **beside)


def _misplaced(key: str, kind: str, place: At, errors: Errors) -> None:
    errors.add(
        "SPEC021", f"`{key}` is not a field of `{kind}`: it belongs beside it", place / key, key=True,
        hint=f"move it beside `{kind}`: `{{{kind}: …, {key}: …}}`",
    )


def misplaced(layer: Layer, key: str, errors: Errors) -> None:
    """Note that `key` (repeat, when, from, name) stands among a layer's fields."""
    _misplaced(key, layer.kind or "", layer.at, errors)


def module_names(layers: tuple[Layer, ...]) -> list[str]:
    """The layers' names in a body: their own, or `op_k`, k counting the unnamed ones of that kind in the text."""
    counts: dict[str, int] = {}
    names = []
    for layer in layers:
        if layer.name is None:
            counts[layer.stem] = counts.get(layer.stem, 0) + 1
        names.append(layer.name or f"{layer.stem}_{counts[layer.stem]}")
    return names


def _check_unique(layers: tuple[Layer, ...], errors: Errors) -> None:
    seen: dict[str, Layer] = {}
    for name, layer in zip(module_names(layers), layers, strict=True):
        first = seen.setdefault(name, layer)
        if first is layer:
            continue
        named = layer if layer.name else first
        other = first if layer.name else layer
        errors.add(
            "SPEC023", f"two layers of this body are named `{name}`", named.place / "name",
            notes=[f"the other is at {other.place}"], hint="choose another name",
        )


def parse_block(name: str, raw: Any, at: At, home: Library, errors: Errors) -> Block | None:
    """A block: `{params, body}`, or a body alone."""
    check_name(name, at, errors, what="block")
    if name in OPS or name == SEQUENTIAL:
        errors.add("SPEC027", f"block `{name}` shadows the op of that name", at, key=True, hint="choose another name")
        return None
    if raw is BROKEN:
        return Block(name, (), Body((_hole(at),), True, at), home, at)
    if not (isinstance(raw, dict) and ("body" in raw or "params" in raw)):
        return Block(name, (), parse_body(raw, at, errors, owner="block"), home, at)
    for key in raw:
        if key not in ("params", "body"):
            errors.add(
                "SPEC010", f"unknown key `{_short(key)}` in block `{name}`", at / key, key=True,
                hint=_did_you_mean(key, ("params", "body")) or "a block has `params` and `body`",
            )
    if "body" not in raw:
        errors.add("SPEC011", f"block `{name}` has no `body`", at, key=True, hint="add `body: […]`")
        return Block(name, (), Body((_hole(at),), True, at), home, at)
    params = _params(raw.get("params"), at / "params", errors)
    return Block(name, params, parse_body(raw["body"], at / "body", errors, owner="block"), home, at)


def _params(raw: Any, at: At, errors: Errors) -> tuple[Param, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, dict):
        errors.add("SPEC012", "`params` must be a mapping, name to type or default", at,
                   hint="write `params: {channels: int, stride: 1}`")
        return ()
    params = []
    for name, value in raw.items():
        if name in ("in", "input", "i") or not name.isidentifier() or keyword.iskeyword(name):
            errors.add("SPEC022", f"param `{_short(name)}` is not a free identifier", at / name, key=True,
                       hint="choose another name")
            continue
        kind: str | tuple[str, ...] | None = None
        if isinstance(value, str) and value in TYPES:
            kind = value
        elif isinstance(value, list) and value and all(isinstance(v, str) and v in TYPES for v in value):
            kind = tuple(value)
        params.append(Param(name, kind, value, at / name))
    return tuple(params)


def _did_you_mean(name: str, known: Any) -> str | None:
    found = nearest(name, known)
    return f"a name that is close exists: `{found}`" if found else None


did_you_mean = _did_you_mean


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


short = _short
