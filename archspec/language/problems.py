"""Pydantic's errors in the words of a diagnostic: lower case, the rule and the value."""

from __future__ import annotations

import re
from typing import Any

from archspec.language import fixes
from archspec.language.message_text import said, short
from archspec.language.synonyms import choice_meant
from archspec.ops.fields import RULE

KINDS = {
    "int_type": "must be an integer", "int_parsing": "must be an integer", "float_type": "must be a number",
    "bool_type": "must be true or false", "string_type": "must be text", "list_type": "must be a list",
    "tuple_type": "must be a list", "dict_type": "must be a mapping", "int_from_float": "must be an integer",
    "finite_number": "must be finite", "model_type": "must be a mapping",
}
_TRUTH = {"yes": "true", "on": "true", "y": "true", "true": "true", "no": "false", "off": "false", "n": "false",
          "false": "false"}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"), "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"), "less_than": ("lt", "less than"),
}


def told(problem: dict[str, Any]) -> tuple[str, str | None]:
    """(message, hint) for one entry of `ValidationError.errors()`; the message follows the field's name."""
    kind, value, ctx = problem["type"], problem.get("input"), problem.get("ctx") or {}
    got = f", got {_text(value)}"
    if kind in KINDS:
        return KINDS[kind] + got, meant_value(KINDS[kind], value)
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {ctx[key]}{got}", None
    if kind in ("literal_error", "enum"):
        choices = re.findall("'([^']*)'", ctx["expected"])
        near = choice_meant(value, choices) if isinstance(value, str) else None
        one_of = "one of " * (len(choices) > 2)
        words = one_of + (", " if one_of else " or ").join(f"`{choice}`" for choice in choices) or ctx["expected"]
        return f"must be {words}{got}", fixes.write(near) if near else None
    if kind == "missing":
        return "has too few items", None
    message = str(problem["msg"])
    if kind == "value_error":
        message = message.removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    plain = "got" in message or isinstance(value, dict) or is_sentence(problem)
    hint = ctx.get("hint")
    if hint is None and isinstance(value, str):  # of a field that also takes a word, such as `padding: same`
        near = choice_meant(value, re.findall(r"`(\w+)`", message))
        hint = fixes.write(near) if near else None
    return (message if plain else message + got), hint


def meant_value(rule: str, value: Any) -> str | None:
    """The hint at the value that was meant where this rule is broken: a number in quotes, `2.0`, `yes`."""
    if rule == "must be an integer" and isinstance(value, float) and value.is_integer():
        return fixes.Hint(f"write {value:.0f}", f"{value:.0f}")
    if not isinstance(value, str):
        return None
    text = value.strip()
    number = r"[-+]?[0-9]+" if rule == "must be an integer" else r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?"
    if rule in ("must be an integer", "must be a number") and re.fullmatch(number, text):
        return fixes.Hint(f"write {short(text)} without quotes", text)
    if rule == "must be true or false" and text.lower() in _TRUTH:
        return fixes.write(_TRUTH[text.lower()])
    return None


def integer_hint(raw: Any, value: Any) -> str | None:
    """The hint where `raw` gives a number that is not whole, and an integer belongs."""
    if not isinstance(value, float):
        return meant_value("must be an integer", value)
    if not isinstance(raw, str):
        return fixes.Hint(f"write {value:.0f}", f"{value:.0f}") if value.is_integer() else None
    if raw.count("/") == 1 and raw.startswith("$("):
        return fixes.Hint("use `//`, which gives an integer", raw.replace("/", "//"))
    if raw.startswith("$(") and raw.endswith(")"):
        return fixes.write(f"$(int({raw[2:-1]}))")
    return fixes.write(f"$(int({raw[1:]}))")


def is_sentence(problem: dict[str, Any]) -> bool:
    """Whether the message names the fields that it is about itself, and so does not go on from a field's name."""
    return problem["type"] == RULE and not str(problem["msg"]).startswith("must ")


def _text(value: Any) -> str:
    return "nothing" if value is None else said(value)
