"""The network's inputs: a shape, or names with a shape each, of floating-point numbers or of integers below a limit."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from archspec.diagnostics import hints, listing
from archspec.expressions import UNKNOWN_VALUE, holds_unknown
from archspec.language import fixes
from archspec.language.message_text import close, short, value_text
from archspec.language.names import DTYPES, check_name
from archspec.language.syntax import At
from archspec.lower.context import Context
from archspec.lower.values import Scope
from archspec.ops.base import MAX_INT
from archspec.source import BROKEN
from archspec.types import BATCH, INTEGERS, UNKNOWN_DTYPE, TensorType

UNNAMED: Final = "input"  # what the only input of a network is called that gives it no name
KEYS: Final = ("shape", "dtype", "below")
_LONG: Final = 60  # characters of a text that is no shape
_RANKS: Final = 4  # dimensions without the batch
_LIMITS: Final = ("vocab", "vocab_size", "num_embeddings", "max", "num_classes", "high")  # other names of `below`
_EXAMPLE: Final = "`{shape: [64], dtype: int64, below: 1000}`"


class Input(NamedTuple):
    """An input as the spec has it. type: None after an error. at: where its shape is written."""

    name: str
    type: TensorType | None
    at: At


def read_inputs(context: Context, scope: Scope) -> list[Input]:
    """The network's inputs in the order of the spec. Notes mistakes in them: SPEC010 to SPEC012, SPEC022, SPEC023."""
    raw, at = context.program.input
    if raw is None and at.path == ():
        return [Input(UNNAMED, None, at)]  # it is missing, which was reported
    if isinstance(raw, list) and raw and all(isinstance(item, dict) and len(item) == 1 for item in raw):
        context.errors.add("SPEC012", "several inputs must be a mapping, got a list", at,
                           hint="write it without brackets or dashes inside: `input: {left: […], right: […]}`")
        return [_named(name, value, at / k / name, context, scope) for k, item in enumerate(raw)
                for name, value in item.items()]
    if not isinstance(raw, dict):
        shape = _shape(raw, at, context, scope, "`input` must be [channels, height, width]")
        return [Input(UNNAMED, shape, at)]
    if not raw:
        context.errors.add("SPEC012", "`input` has no inputs", at, hint="write `input: {image: [3, 224, 224]}`")
        return [Input(UNNAMED, None, at)]
    if raw.keys() <= {*KEYS} and "shape" in raw:
        name = "tokens" if "dtype" in raw else "image"
        context.errors.add("SPEC012", "an input with a dtype needs a name", at, hint=fixes.around(
            f"give it a name: `input: {{{name}: {{shape: …}}}}`", at, f"{{{name}: ", "}"))
        return [Input(UNNAMED, _declared(UNNAMED, raw, at, context, scope), at)]
    return [_named(name, value, at / name, context, scope) for name, value in raw.items()]


def _named(name: str, raw: Any, at: At, context: Context, scope: Scope) -> Input:
    check_name(name, at, context.errors, what="input")
    stage = context.program.places["stages"].get(name)
    if stage is not None:
        context.errors.add("SPEC023", f"an input and a stage are named `{short(name)}`", stage, key=True,
                           related=[(at.key, "the input")], hint="choose another name for one of them")
    if isinstance(raw, dict):
        return Input(name, _declared(name, raw, at, context, scope), at / "shape" if "shape" in raw else at)
    return Input(name, _shape(raw, at, context, scope, f"the shape of input `{short(name)}` must be a list"), at)


def _declared(name: str, raw: dict[str, Any], at: At, context: Context, scope: Scope) -> TensorType | None:
    """An input with `shape`, `dtype` and `below`."""
    errors, shown = context.errors, short(name)
    places = {key: at / key for key in KEYS}
    for key in [*raw]:
        if key not in KEYS:
            free = [k for k in KEYS if k not in raw]
            limit = key in _LIMITS and "below" in free
            near = "below" if limit else close(key, free)
            errors.add("SPEC010", f"unknown key `{short(key)}` in input `{shown}`", at / key, key=True,
                       hint=hints.called("below") if limit else hints.near(near) if near else f"known: {listing(KEYS)}")
            if near:  # continue with the key that was meant
                raw, places = {near if k == key else k: value for k, value in raw.items()}, {**places, near: at / key}
    if "shape" not in raw:
        if "shape" not in errors.lost:
            errors.add("SPEC011", f"input `{shown}` has no `shape`", at, hint=f"write {_EXAMPLE}")
        return None
    shape = _shape(raw["shape"], places["shape"], context, scope, f"the shape of input `{shown}` must be a list")
    dtype = raw.get("dtype", DTYPES[0])
    if dtype not in DTYPES:
        if dtype is not BROKEN:
            meant = "int64" if "int" in str(dtype) else "float32" if "float" in str(dtype) else None
            errors.add("SPEC012", f"`dtype` must be {' or '.join(DTYPES)}, got {value_text(dtype)}", places["dtype"],
                       hint=hints.write(meant) if meant else "integers are `int64`")
        dtype = UNKNOWN_DTYPE
    below = None if dtype == UNKNOWN_DTYPE else _below(raw, dtype, at, places["below"], context, scope)
    lost = below is None and dtype in INTEGERS
    return None if shape is None else TensorType(shape.shape, UNKNOWN_DTYPE if lost else dtype, below)


def _below(raw: dict[str, Any], dtype: str, at: At, place: At, context: Context, scope: Scope) -> int | None:
    """The limit of integers, written at `place`; floating-point numbers have none."""
    errors = context.errors
    if dtype == DTYPES[0]:
        if "below" in raw:
            errors.add("SPEC012", "only integers have a limit", place, key=True,
                       hint=fixes.field("add `dtype: int64`", at, "dtype", "int64"))
        return None
    if "below" not in raw:
        if "below" not in errors.lost:
            errors.add("SPEC011", "an input of integers needs `below`", at,
                       hint="add `below: N`: its values are 0 to N - 1")
        return None
    value = context.ev.value(raw["below"], place, scope, None)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_INT:
        return value
    if value is not UNKNOWN_VALUE:
        errors.add("SPEC012", f"`below` must be a positive integer, got {value_text(value)}", place,
                   hint=context.ev.without_dollar(raw["below"], scope) or "write the number of different values")
    return None


def _shape(raw: Any, at: At, context: Context, scope: Scope, rule: str) -> TensorType | None:
    value = context.ev.value(raw, at, scope, None)
    tensor = shape_of(value)
    if tensor is None and value is not BROKEN and not holds_unknown(value):
        items = [(item, at / k) for k, item in enumerate(value)] if isinstance(value, list) else [(value, at)]
        found = ((context.ev.without_dollar(item, scope), place) for item, place in items)
        meant = (fixes.moved(hint, place) for hint, place in found if hint is not None)
        key = at.path[-1] if at.path else UNNAMED
        hint = _dimensions(value) or next(meant, None)
        context.errors.add("SPEC012", f"{rule}, got {value_text(value)}", at, hint=hint or (
            f"write one to four positive integers, without the batch: `{short(key)}: [1, 28, 28]`"))
    return tensor


def _dimensions(value: Any) -> str | None:
    """The hint for `3x8x8` and `[3, 8x8]`."""
    words = value if isinstance(value, list) and len(value) <= _RANKS else [value]
    if not any(isinstance(word, str) for word in words):
        return None
    text = ",".join(map(str, words))
    sizes = re.split(r" *[x×,] *", text) if len(text) < _LONG else []
    if not all(size.isdecimal() and size.isascii() for size in sizes):
        return None
    shape = list(map(int, sizes))
    return hints.write(str(shape), safe=True) if len(shape) > 1 and shape_of(shape) is not None else None


def shape_of(value: Any) -> TensorType | None:
    """The type of a shape without its batch; None where it is not a shape."""
    if not isinstance(value, list) or not 1 <= len(value) <= _RANKS:
        return None
    if any(isinstance(d, bool) or not isinstance(d, int) or not 1 <= d <= MAX_INT for d in value):
        return None
    return TensorType((BATCH, *value))
