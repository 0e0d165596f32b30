"""Pydantic's errors in the words of a diagnostic: lower case, the rule and the value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from archspec.diagnostics import Hint, hints
from archspec.language.message_text import short, value_text
from archspec.language.synonyms import choice_meant
from archspec.ops.fields import CLASH

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
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"), "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"), "less_than": ("lt", "less than"),
}


def explain(problem: dict[str, Any]) -> tuple[str, str | None]:
    """(message, hint) for one entry of `ValidationError.errors()`; the message follows the field's name."""
    kind, value, ctx = problem["type"], problem.get("input"), problem.get("ctx") or {}
    got = f", got {_text(value)}"
    if kind in _TYPES:
        return _RULES[_TYPES[kind]] + got, meant_value(_TYPES[kind], value)
    if kind in _OTHERS:
        return _OTHERS[kind] + got, None
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {ctx[key]}{got}", _share_meant(ctx[key], value) if key in ("le", "lt") else None
    if kind in ("literal_error", "enum"):
        choices = re.findall("'([^']*)'", ctx["expected"])
        one_of = "one of " * (len(choices) > 2)
        words = one_of + (", " if one_of else " or ").join(f"`{choice}`" for choice in choices) or ctx["expected"]
        return f"must be {words}{got}", _choice_meant(value, choices)
    if kind == "missing":
        return "has too few items", None
    message = str(problem["msg"])
    if kind == "value_error":
        message = message.removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    plain = kind in _COMPLETE or isinstance(value, dict)
    hint = ctx.get("hint") or _choice_meant(value, ctx.get("choices", ()))
    if hint is None and (number := ctx.get("number")) is not None:
        hint = meant_value(number, value)
    return (message if plain else message + got), hint


def is_about_integer(problem: dict[str, Any]) -> bool:
    """Whether the broken rule is that the value must be an integer."""
    return _TYPES.get(problem["type"]) == "int"


def _choice_meant(value: Any, choices: Iterable[str]) -> str | None:
    """The hint at the word that was probably meant, of those that a field takes."""
    near = choice_meant(value, choices) if isinstance(value, str) else None
    return hints.write_near(near) if near else None


def meant_value(kind: str, value: Any) -> str | None:
    """The hint at the `int`, `float` or `bool` that was meant: a number in quotes, `2.0`, `yes`."""
    if kind == "int" and isinstance(value, float) and value.is_integer():
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


def _share_meant(most: Any, value: Any) -> str | None:
    """The hint where a field takes at most 1, and got per cent: `dropout: 50`."""
    if most != 1 or type(value) not in (int, float) or not 5 <= value <= 100 or (share := value / 100) == most:
        return None
    return Hint(f"write {share:g} for {value:g} %", f"{share:g}")


def integer_hint(raw: Any, value: Any) -> str | None:
    """The hint where `raw` gives a number that is not whole, and an integer belongs."""
    if not isinstance(value, float):
        return meant_value("int", value)
    if not isinstance(raw, str):
        return Hint(f"write {value:.0f}", f"{value:.0f}", safe=True) if value.is_integer() else None
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
