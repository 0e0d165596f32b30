"""Pydantic's errors in the words of a diagnostic: lower case, the rule and the value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from archspec.diagnostics import Hint, hints
from archspec.language.message_text import short, value_text
from archspec.language.synonyms import choice_meant
from archspec.ops.fields import CLASH

if TYPE_CHECKING:
    from pydantic import BaseModel

    from archspec.language.field_rules import Slot

_RULES = {"int": "must be an integer", "float": "must be a number", "bool": "must be true or false"}
_TYPES = {  # pydantic's types of problems -> ours
    "int_type": "int", "int_parsing": "int", "int_from_float": "int", "float_type": "float", "bool_type": "bool",
}
_OTHERS = {
    "string_type": "must be text", "list_type": "must be a list", "tuple_type": "must be a list",
    "dict_type": "must be a mapping", "finite_number": "must be finite", "model_type": "must be a mapping",
}
COMPLETE = "recipe_complete"  # type of a problem whose message has the value already
_COMPLETE = (COMPLETE, "recipe_choice", CLASH)
_TRUTH = {"yes": "true", "on": "true", "y": "true", "true": "true", "no": "false", "off": "false", "n": "false",
          "false": "false"}
_NUMBERS = {word: k for k, word in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve".split()
)} | {word: 10 * k for k, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety hundred".split(), 2)}
_BROKEN = {  # the bound, by pydantic's name
    "greater_than_equal": "ge", "greater_than": "gt", "less_than_equal": "le", "less_than": "lt",
}


def explain(
    problem: dict[str, Any], model: type[BaseModel] | None = None, works: Callable[[Any], bool] | None = None
) -> tuple[str, str | None]:
    """(message, hint) for one entry of `ValidationError.errors()`; the message follows the field's name.

    model: what was validated; with it both say what the field takes. works: whether a value of the field suits the
    others too; then no other is proposed.
    """
    from archspec.language.field_rules import BOUNDS, slot_at  # only mistakes need it

    kind, value, ctx = problem["type"], problem.get("input"), problem.get("ctx") or {}
    slot = None if model is None else slot_at(model, problem["loc"])
    if slot is not None and works is not None and len(problem["loc"]) == 1:
        slot = replace(slot, works=works)
    got = f", got {_text(value)}"
    bounds = slot.range() if slot else ""
    if kind in _TYPES:
        rule = _RULES[_TYPES[kind]] + (f", {bounds}" if bounds else "")
        return rule + got, _hint(slot, _TYPES[kind], value)
    if kind in _OTHERS:
        rule = f"must be a finite number{bounds and f', {bounds}'}" if kind == "finite_number" else _OTHERS[kind]
        return rule + got, _hint(slot, None, value)
    if kind in _BROKEN:
        key = _BROKEN[kind]
        rule = (slot and slot.range(key)) or f"{BOUNDS[key]} {ctx[key]:g}"
        return f"must be {rule}{got}", _hint(slot, None, value)
    if kind in ("literal_error", "enum"):
        choices = re.findall("'([^']*)'", ctx["expected"])
        one_of = "one of " * (len(choices) > 2)
        words = one_of + (", " if one_of else " or ").join(f"`{choice}`" for choice in choices) or ctx["expected"]
        return f"must be {words}{got}", _choice_meant(value, choices)
    if kind == "missing":
        return _missing(problem["loc"][-1], slot, None if model is None else slot_at(model, problem["loc"][:-1]), value)
    message = str(problem["msg"])
    if kind == "value_error":
        message = message.removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    plain = kind in _COMPLETE or isinstance(value, dict)
    hint = ctx.get("hint") or _choice_meant(value, ctx.get("choices", ()))
    if hint is None and kind != CLASH:
        hint = _hint(slot, ctx.get("number"), value)
    return (message if plain else message + got), hint


def _missing(step: int | str, slot: Slot | None, whole: Slot | None, value: Any) -> tuple[str, str | None]:
    """What to say of an item or a field that a value lacks."""
    if isinstance(step, int):
        return "has too few items", _hint(whole, None, value)
    example = value_text(slot.examples[0]) if slot and slot.examples else "…"
    return f"needs `{short(step)}`", f"add `{short(step)}: {example}`"


def _hint(slot: Slot | None, kind: str | None, value: Any) -> str | None:
    """The hint at what was probably meant: a value of this kind, if it is known, that the slot accepts."""
    from archspec.language.field_rules import meant_by

    meant = meant_value(kind or "float", value) if kind or isinstance(value, str) else None
    if slot is None:
        return meant if kind else None
    if not isinstance(meant, Hint) or meant.own is None:
        return meant_by(slot, value)
    text = meant.own
    number = text == "true" if text in _TRUTH.values() else int(text) if text.lstrip("+-").isdigit() else float(text)
    return meant if slot.accepts(number) else meant_by(slot, number)


def is_about_integer(problem: dict[str, Any]) -> bool:
    """Whether the broken rule is that the value must be an integer."""
    return _TYPES.get(problem["type"]) == "int"


def _choice_meant(value: Any, choices: Iterable[str]) -> str | None:
    """The hint at the word that was probably meant, of those that a field takes."""
    if isinstance(value, dict) and len(value) == 1:  # `optimizer: {adamw: {weight_decay: 0.01}}`
        (name,) = value
        near = choice_meant(str(name)[:80], choices)
        return f"write `{near}`, and its fields beside it" if near else None
    near = choice_meant(value, choices) if isinstance(value, str) else None
    return hints.write_near(near) if near else None


def meant_value(kind: str, value: Any) -> str | None:
    """The hint at the `int`, `float` or `bool` that was meant: a number in quotes, `2.0`, `yes`."""
    if kind == "int" and isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return Hint(f"write {value:.0f}", f"{value:.0f}", safe=True)
    if not isinstance(value, str):
        return None
    text = value.strip()
    number = r"[-+]?[0-9]+" if kind == "int" else r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?"
    if kind in ("int", "float") and re.fullmatch(number, text):
        return Hint(f"write {short(text)} without quotes", text, safe=True)
    if kind in ("int", "float") and (meant := _number_meant(kind, text)):
        return hints.write(meant)
    if kind == "bool" and text.lower() in _TRUTH:
        return hints.write(_TRUTH[text.lower()], safe=True)
    return None


def _number_meant(kind: str, text: str) -> str | None:
    """The number that a text writes in another way: `ten`, `1_000`, `10 epochs`, `0,1`, `5 %`."""
    if text.lower() in _NUMBERS:
        return str(_NUMBERS[text.lower()])
    if re.fullmatch(r"[-+]?[1-9][0-9]{0,2}([_ '’,][0-9]{3})+", text):
        return re.sub(r"[^-+0-9]", "", text)
    if kind == "float" and re.fullmatch(r"[-+]?[0-9]+,[0-9]+", text):
        return text.replace(",", ".")
    if kind == "float" and (share := re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?) ?%", text)):
        return f"{float(share[1]) / 100:g}"
    counted = re.fullmatch(r"([0-9]{1,9}) ?(epochs?|steps?|images?|px|pixels?)", text)
    return counted[1] if counted else None


def integer_hint(raw: Any, value: Any) -> str | None:
    """The hint where `raw` gives a number that is not whole, and an integer belongs."""
    if not isinstance(value, float):
        return meant_value("int", value)
    if not isinstance(raw, str):
        return meant_value("int", value) or (f"write {int(value)} or {int(value) + 1}" if 0 < value < 1e9 else None)
    if raw.count("/") == 1 and raw.startswith("$("):
        return Hint("use `//`, which gives an integer", raw.replace("/", "//"))
    if raw.startswith("$(") and raw.endswith(")"):
        return hints.write(f"$(int({raw[2:-1]}))")
    return hints.write(f"$(int({raw[1:]}))")


def is_sentence(problem: dict[str, Any]) -> bool:
    """Whether the message names the fields that it is about itself, and so does not go on from a field's name."""
    return bool(problem["type"] == CLASH)


def _text(value: Any) -> str:
    return "nothing" if value is None else value_text(value)
