"""What a field of an op or a recipe takes: its range in words, and the value that was probably meant by a wrong one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil, floor, isfinite
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from archspec.diagnostics import Hint
from archspec.expressions.values import show
from archspec.language.section import Section

_PLAIN_LIMIT: Final = 10**9  # a bound beyond it is torch's, and of no interest to people
_FAR: Final = 64  # how far from a wrong number another one is looked for
_NONE: Final = ("none", "off", "no", "never", "false", "0")
_SIZES: Final = re.compile(r"\(?\s*(-?\d{1,9}(?:\s*[x×*,]\s*-?\d{1,9})+)\s*,?\s*\)?", re.IGNORECASE)  # `3x3`, `(3, 3)`
BOUNDS: Final = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


@dataclass(frozen=True)
class Slot:
    """The place of a value: a field, or a number of a list, of an op or of a section of a recipe.

    type: as pydantic reads it, with its constraints. default: None if there is none. of_recipe: whether `null` there
    means that the field does nothing. works: whether a value suits the other fields too.
    """

    type: Any
    default: Any = None
    examples: tuple[Any, ...] = ()
    of_recipe: bool = False
    works: Callable[[Any], bool] | None = None

    @cached_property
    def _model(self) -> type[BaseModel]:
        return create_model("Slot", __config__=ConfigDict(strict=True), value=(self.type, ...))

    def accepts(self, value: Any) -> bool:
        """Whether the rules of the value itself allow it, and those between fields where `works` is known."""
        try:
            self._model.model_validate({"value": value})
        except ValidationError:
            return False
        return self.works is None or self.works(value)

    def range(self, broken: str | None = None) -> str:
        """The bounds of a number: `from 0 to 1`, `at least 0 and less than 1`, or empty.

        broken: the bound that is named in any case, by pydantic's name (`le`), even if it is torch's own.
        """
        bounds = {key: _whole(bound) for key, bound in _bounds(self.type)
                  if key == broken or abs(bound) < _PLAIN_LIMIT}
        if {"ge", "le"} <= bounds.keys():
            return f"from {bounds['ge']} to {bounds['le']}"
        return " and ".join(f"{words} {bounds[key]}" for key, words in BOUNDS.items() if key in bounds)


@lru_cache(maxsize=256)
def slot_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> Slot | None:
    """The slot at a place of a `ValidationError`; None if it is not known. Tags of unions in the place are skipped."""
    found, inner = Slot(model), None
    for step in loc:
        inner = _item(found.type) if isinstance(step, int) else _field(found.type, step)
        if inner is None and isinstance(step, int):
            return None
        found = inner or found
    return inner


def meant_by(slot: Slot, value: Any) -> str | None:
    """The hint at the value that was probably meant, of those that the slot accepts."""
    if slot.of_recipe and slot.default is None and str(value).lower() in _NONE and slot.accepts(None):
        return Hint("write null to leave it out", "null")
    if value is None:
        return _default(slot, "write {}, the default", sure=True)
    for words, candidates in _candidates(slot, value):
        plain = [one for one in candidates if _is_written(one) or not isinstance(one, str)]
        texts = [show(one) for one in plain if slot.accepts(one)]
        if texts:
            hint = words.format(" or ".join(texts))
            return Hint(hint, texts[0]) if len(texts) == 1 else hint
    return _default(slot, "write a value such as {}, the default")


def _default(slot: Slot, words: str, *, sure: bool = False) -> str | None:
    """The hint at a field's default, or else at an example."""
    default = slot.default
    if isinstance(default, tuple) and default:
        default = default[0] if len(set(default)) == 1 and slot.accepts(default[0]) else list(default)
    if slot.works is not None and not slot.accepts(default):
        return None
    if sure and _is_written(default):
        return Hint(words.format(show(default)), show(default))
    if slot.examples:
        return f"write a value such as {show(slot.examples[0])}"
    return words.format(show(default)) if _is_written(default) and not isinstance(default, bool) else None


def _is_written(value: Any) -> bool:
    """Whether `show` gives the value as a spec writes it."""
    if isinstance(value, str):
        return value.isprintable() and show(value) == f'"{value}"'
    return isinstance(value, (bool, int, float)) or (isinstance(value, list) and all(map(_is_number, value)))


def _candidates(slot: Slot, value: Any) -> Iterator[tuple[str, list[Any]]]:
    """Values that may have been meant, the likeliest first: what a hint says, and one value or two."""
    if isinstance(value, str) and (sizes := _SIZES.fullmatch(value.strip())):
        yield "write {}", [[int(size) for size in re.findall(r"-?\d+", sizes[1])]]
    if isinstance(value, (list, tuple)) and value:
        if all(one == value[0] for one in value):
            yield "write {}", [value[0]]
        if all(map(_is_number, value)):
            yield "write {}", [[int(one) if one == int(one) else one for one in value]]
            yield "write {}", [[int(abs(one)) for one in value]]
            yield "write {}", [[max(1, int(abs(one))) for one in value]]
    if _is_number(value):
        yield from _near(slot, value)
        if value in (0, 1):
            yield "write {}", [bool(value)]


def _near(slot: Slot, value: float) -> Iterator[tuple[str, list[Any]]]:
    """Numbers near one that a slot refuses."""
    positive = "write {}, without the minus", [-value if value < 0 else value]
    if value < 0 and value != -1:  # -1 often stands for something else
        yield positive
    if isinstance(value, float) and not slot.accepts(0.5):  # it takes integers
        yield "write {}", sorted({floor(value), ceil(value)})
    if 5 <= value < 100:
        yield f"write {{}} for {value:g} %", [float(f"{value / 100:.6g}")]
    if slot.works is not None and abs(value) > 1 and not slot.accepts(0.5):
        yield "write {}", nearest_whole(abs(value), slot.accepts)
    if -1 <= value < 1 or (value < 1 and not slot.accepts(0.5)):
        least = next(filter(slot.accepts, (0, 1)), None)
        yield "write {}, the least", [] if least is None or slot.accepts(least - 0.5) else [least]
        yield positive


def nearest_whole(value: float, works: Callable[[Any], bool]) -> list[int]:
    """The next whole numbers from `value` on, downwards and upwards, with which it works; none if all are far away."""
    if not isfinite(value):
        return []
    below = (k for k in range(floor(value), floor(value) - _FAR, -1) if works(k))
    above = (k for k in range(ceil(value), ceil(value) + _FAR) if works(k))
    return sorted({number for found in (below, above) if (number := next(found, None)) is not None})


def _whole(number: float) -> str:
    """A number without `.0`."""
    return str(int(number) if number == int(number) else number)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


# -- types -------------------------------------------------------------------------------------------------------


def _field(type_: Any, name: str) -> Slot | None:
    """The slot of a field of this name, of the first model in a type that has it; of a mapping, that of its values."""
    for one in _alternatives(type_):
        if isinstance(one, type) and issubclass(one, BaseModel):
            named = ((key, info) for key, info in one.model_fields.items() if name in (key, info.alias))
            for _, info in named:
                return _slot_of(info, of_recipe=issubclass(one, Section))
        if get_origin(one) in (dict, Mapping):
            return Slot(get_args(one)[1])
    return None


def _slot_of(info: FieldInfo, *, of_recipe: bool) -> Slot:
    whole = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    default = None if info.is_required() else info.get_default(call_default_factory=False)
    return Slot(whole, default, tuple(info.examples or ()), of_recipe)


def _item(type_: Any) -> Slot | None:
    """The slot of an item of a list."""
    for one in _alternatives(type_):
        if get_origin(one) in (tuple, list):
            return Slot(get_args(one)[0])
    return None


def _alternatives(type_: Any) -> Iterator[Any]:
    """The types of a union, without their constraints."""
    if get_origin(type_) is Annotated:
        yield from _alternatives(get_args(type_)[0])
    elif get_origin(type_) in (Union, UnionType):
        for one in get_args(type_):
            yield from _alternatives(one)
    else:
        yield type_


def _bounds(type_: Any) -> Iterator[tuple[str, float]]:
    """The bounds of a number, by pydantic's names of them."""
    if get_origin(type_) in (Union, UnionType):
        for one in get_args(type_):
            yield from _bounds(one)
    if get_origin(type_) is Annotated:
        inner, *constraints = get_args(type_)
        yield from _bounds(inner)
        for constraint in constraints:
            for part in constraint.metadata if isinstance(constraint, FieldInfo) else (constraint,):
                yield from ((key, getattr(part, key)) for key in BOUNDS if hasattr(part, key))
