"""Pydantic's errors in the words of a diagnostic: lower case, the rule and the value."""

from __future__ import annotations

from typing import Any

from archspec.spec.parse import short

KINDS = {
    "int_type": "must be an integer", "int_parsing": "must be an integer", "float_type": "must be a number",
    "bool_type": "must be true or false", "string_type": "must be text", "list_type": "must be a list",
    "tuple_type": "must be a list", "dict_type": "must be a mapping", "int_from_float": "must be an integer",
    "finite_number": "must be finite", "model_type": "must be a mapping",
}


def told(problem: dict[str, Any]) -> tuple[str, str | None]:
    """(message, hint) for one entry of `ValidationError.errors()`; the message follows the field's name."""
    kind, value, ctx = problem["type"], problem.get("input"), problem.get("ctx") or {}
    got = f", got {_text(value)}"
    if kind in KINDS:
        hint = "use `//`, which gives an integer" if kind.startswith("int") and isinstance(value, float) else None
        return KINDS[kind] + got, hint
    bounds = {"greater_than_equal": "ge", "greater_than": "gt", "less_than_equal": "le", "less_than": "lt"}
    if kind in bounds:
        sign = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}[bounds[kind]]
        return f"must be {sign} {ctx[bounds[kind]]}{got}", None
    if kind in ("literal_error", "enum"):
        return f"must be {ctx['expected']}{got}", None
    message = str(problem["msg"])
    if kind == "value_error":
        message = message.removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return (message if "got" in message else message + got), ctx.get("hint")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "nothing" if value is None else short(repr(value) if isinstance(value, str) else value)
