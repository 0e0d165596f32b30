"""Layers whose argument is a number and words: fields as in a call in Python, or the next layer."""

from __future__ import annotations

import re
from typing import Final

from archspec.language import fixes
from archspec.language.field_rules import slot_at
from archspec.language.synonyms import field_called, kind_called
from archspec.language.syntax import Layer
from archspec.lower.working import Works
from archspec.ops import OPS, Op, Operation
from archspec.source.scalars import MAX_DIGITS, resolve

_FIELD: Final = re.compile(r"(\w+)[=:]([\w.+-]+)")  # `bias=False`
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_PYTHON: Final = {"True": "true", "False": "false", "None": "null"}


def worded_hint(layer: Layer, cls: type[Operation], works: Works) -> str | None:
    """The hint for `linear: 10, bias=False` and `linear: 10 relu`; None for other arguments.

    works: whether the op takes a value of its main field.
    """
    text, main = layer.args, cls.main
    if not isinstance(text, str) or main is None or len(text) > MAX_DIGITS:
        return None
    parts = re.split(r"[\s,]+", re.sub(r"\s*([=:])\s*", r"\1", text).strip(" ()"))
    numbers = [part for part in parts if _NUMBER.fullmatch(part)]
    rest = [part for part in parts if part not in numbers]
    if len(numbers) > 1 or not rest or not all(works(int(number)) for number in numbers):
        return None
    fields = [(match[1], match[2]) for part in rest if (match := _FIELD.fullmatch(part))]
    if len(fields) == len(rest):
        return _named(layer, cls, [*((main, number) for number in numbers), *fields])
    if not numbers or len(rest) > 1:
        return None
    word = rest[0].lower()
    kind = word if word in OPS else kind_called(word)
    if kind is None or kind not in OPS or not issubclass(OPS[kind], Op):
        return None
    required = [name for name, field in OPS[kind].model_fields.items() if field.is_required()]
    if required not in ([], ["dim"]):
        return None
    return f"write `{layer.kind}: {numbers[0]}`, and `{kind}{': -1' if required else ''}` as the next layer"


def _named(layer: Layer, cls: type[Operation], fields: list[tuple[str, str]]) -> str | None:
    """The hint to write these fields by name; None if the op lacks one, or does not take its value."""
    given: dict[str, str] = {}
    for name, text in fields:
        field = name if name in cls.model_fields else field_called(name, cls.model_fields)
        slot, value = field and slot_at(cls, (field,)), _PYTHON.get(text, text)
        if not field or field in given or not slot or not slot.accepts(resolve(value)):
            return None
        given[field] = value
    written = ", ".join(f"{name}: {value}" for name, value in given.items())
    text = f"{layer.kind}: {value}" if list(given) == [cls.main] else f"{layer.kind}: {{{written}}}"
    return fixes.whole(f"write `{text}`", layer.at, text)
