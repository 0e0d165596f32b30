"""Layers whose argument is a number and words: fields as in a call in Python, or the next layer."""

from __future__ import annotations

import re
from typing import Any, Final

from archspec.language import fixes
from archspec.language.field_rules import slot_at
from archspec.language.synonyms import field_called, kind_called
from archspec.language.syntax import Layer
from archspec.lower.working import Works
from archspec.ops import OPS, Op, Operation

_FIELD: Final = re.compile(r"(\w+)\s*[=:]\s*([\w.+-]+)")  # `bias=False`
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_WORDS: Final = {"true": True, "false": False, "none": None, "null": None}
_LONGEST: Final = 200


def worded_hint(layer: Layer, cls: type[Operation], works: Works) -> str | None:
    """The hint for `linear: 10, bias=False` and `linear: 10 relu`; None for other arguments.

    works: whether the op takes a value of its main field.
    """
    text = layer.args
    if not isinstance(text, str) or cls.main is None or len(text) > _LONGEST:
        return None
    parts = re.split(r"\s*,\s*|\s+(?![=:\s])(?<![=:]\s)", text.strip().strip("()").strip())
    numbers = [part for part in parts if _NUMBER.fullmatch(part)]
    rest = [part for part in parts if part not in numbers]
    if len(numbers) != 1 or not rest or not works(int(numbers[0])):
        return None
    if all(map(_FIELD.fullmatch, rest)):
        return _fields(layer, cls, numbers[0], rest)
    word = rest[0].lower()
    kind = word if word in OPS else kind_called(word)
    if len(rest) > 1 or kind is None or kind not in OPS or not issubclass(OPS[kind], Op):
        return None
    required = [name for name, field in OPS[kind].model_fields.items() if field.is_required()]
    if required not in ([], ["dim"]):
        return None
    return f"write `{layer.kind}: {numbers[0]}`, and `{kind}{': -1' if required else ''}` as the next layer"


def _fields(layer: Layer, cls: type[Operation], number: str, rest: list[str]) -> str | None:
    given: dict[str, str] = {str(cls.main): number}
    for part in rest:
        name, text = _FIELD.fullmatch(part).groups()  # type: ignore[union-attr]
        field = name if name in cls.model_fields else field_called(name, cls.model_fields)
        if field is None or field in given or not _takes(cls, field, text):
            return None
        given[field] = text.lower() if text.lower() in _WORDS else text
    written = f"{layer.kind}: {{{', '.join(f'{name}: {value}' for name, value in given.items())}}}"
    return fixes.whole(f"write `{written}`", layer.at, written)


def _takes(cls: type[Operation], field: str, text: str) -> bool:
    slot = slot_at(cls, (field,))
    value: Any = _WORDS.get(text.lower(), text)
    for read in (int, float):
        try:
            value = read(text)
            break
        except ValueError:
            continue
    return slot is not None and slot.accepts(value)
