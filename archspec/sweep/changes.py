"""Reads changes of a spec in a sweep file: `{train.lr: 0.1, vars.width: 2}`."""

from __future__ import annotations

from typing import Any

from archspec.language.message_text import short, value_text
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN
from archspec.sweep.model import SECTIONS, WHOLE, Value


def read_changes(raw: Any, at: At, what: str, errors: Errors) -> dict[str, Value]:
    """Read a mapping of keys to values. what: its name in messages."""
    if raw is None or raw is BROKEN:
        return {}
    if not isinstance(raw, dict):
        errors.add("SWEEP401", f"`{what}` must be a mapping, got {value_text(raw)}", at, hint="write `{train.lr: 0.1}`")
        return {}
    return {key: Value(value, at / key) for key, value in raw.items() if can_change(key, at / key, errors)}


def can_change(key: str, at: At, errors: Errors) -> bool:
    """Whether a sweep can change this key; reports it otherwise, with a hint such as `train.lr` for `lr`."""
    section, dot, name = key.partition(".")
    if key in WHOLE or (dot and name and section in SECTIONS and "." not in name):
        return True
    errors.add("SWEEP401", f"a sweep cannot change `{short(key)}`", at, key=True, hint=_hint_for(key))
    return False


def _hint_for(key: str) -> str:
    from archspec.language.message_text import close
    from archspec.language.recipe import Recipe

    if key == "seeds":
        return "`seeds` belongs at the top of the file or in an entry of `runs`"
    name = key.rpartition(".")[2]
    field = name if name in Recipe.model_fields else close(name, Recipe.model_fields)
    if field is not None and not key.startswith(("vars.", "stages.", "blocks.")):
        return f"write `train.{field}`"
    sections = ", ".join(f"`{section}.NAME`" for section in SECTIONS)
    return f"it can change {sections}, `recipe` and `input`"
