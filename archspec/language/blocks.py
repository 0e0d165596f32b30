"""Plain data → blocks: `{params, body}`, or a body alone."""

from __future__ import annotations

from typing import Any

from archspec.diagnostics import hints
from archspec.language.message_text import close, short, value_text
from archspec.language.names import RESERVED, check_name
from archspec.language.parse import SEQUENTIAL, TYPES, parse_body
from archspec.language.syntax import At, Block, Errors, Library, Param
from archspec.ops import OP_DOOR, OPS
from archspec.source import BROKEN

KEYS = ("params", "body")


def parse_blocks(raws: dict[str, tuple[Any, At]], library: Library, errors: Errors) -> None:
    """Put all blocks of a file into its library; names of those that a mistake made unusable into `lost`."""
    for name, (raw, at) in raws.items():
        block = parse_block(name, raw, at, library, errors)
        if block is None:
            library.lost.add(name)
        else:
            library.blocks[name] = block


def parse_block(name: str, raw: Any, at: At, home: Library, errors: Errors) -> Block | None:
    """A block: `{params, body}`, or a body alone. None where not even its name can be used."""
    if name in OPS or name == SEQUENTIAL:
        plugin = OP_DOOR.plugin(name)
        whose = "" if plugin is None else f" in the plugin {plugin}"
        errors.add("SPEC027", f"block `{name}` shadows the op of that name{whose}", at, key=True,
                   hint=f"choose another name, such as `my_{name}`")
        return None
    if raw is BROKEN:
        return None
    check_name(name, at, errors, what="block")
    if not (isinstance(raw, dict) and any(key in raw for key in KEYS)):
        return Block(name, (), parse_body(raw, at, errors, owner="block"), home, at)
    keys = _keys(name, raw, at, errors)
    if any(raw[key] is BROKEN for key in keys.values()):
        return None
    if "body" not in keys:
        errors.add("SPEC011", f"block `{short(name)}` has no `body`", at, hint="add `body: […]`")
        return None
    params = _params(raw[keys["params"]], at / keys["params"], errors) if "params" in keys else ()
    if any(param.name in RESERVED for param in params):
        parse_body(raw[keys["body"]], at / keys["body"], errors, owner="block")
        return None  # nobody knows which of the two meanings is meant in the body
    body = parse_body(raw[keys["body"]], at / keys["body"], errors, owner="block")
    return Block(name, params, body, home, at)


def _keys(name: str, raw: dict[str, Any], at: At, errors: Errors) -> dict[str, str]:
    """`params` and `body` → the key that was written, or meant, for each."""
    keys = {key: key for key in KEYS if key in raw}
    for key in raw:
        if key in KEYS:
            continue
        meant = close(key, [k for k in KEYS if k not in keys])
        errors.add("SPEC010", f"unknown key `{short(key)}` in block `{short(name)}`", at / key, key=True,
                   hint=hints.near(meant) if meant else "a block has `params` and `body`")
        if meant:
            keys[meant] = key
    return keys


def _params(raw: Any, at: At, errors: Errors) -> tuple[Param, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, dict):
        errors.add("SPEC012", f"`params` must be a mapping, name to type or default, got {value_text(raw)}", at,
                   hint="write `params: {channels: int, stride: 1}`")
        return ()
    params = []
    for name, value in raw.items():
        check_name(name, at / name, errors, what="param")
        kind: str | tuple[str, ...] | None = None
        if value is None and _is_empty(at / name):
            errors.add("SPEC011", f"param `{short(name)}` has neither a type nor a default", at / name, key=True,
                       hint=f"write `{short(name)}: int`, another type, or a default")
            kind = "any"
        if isinstance(value, str) and value in TYPES:
            kind = value
        elif isinstance(value, list) and value and all(isinstance(v, str) and v in TYPES for v in value):
            kind = tuple(value)
        params.append(Param(name, kind, value, at / name))
    return tuple(params)


def _is_empty(at: At) -> bool:
    """Whether nothing is written at a null value's place; false without a text, where None was written."""
    span = at.span()
    return span is not None and not span.text[span.column - 1 : span.column - 1 + span.length].strip(" ,}")
