"""Applies the changes of a sweep to a spec."""

from __future__ import annotations

from typing import Any, Final

from archspec.api import Loaded
from archspec.diagnostics import Hint, error
from archspec.language.recipe import merge_recipe
from archspec.language.resolve import without_unused_vars
from archspec.language.syntax import At
from archspec.sweep.model import SECTIONS, Changes, Value

_SHAPED: Final = ("vars", "stages", "blocks", "input")  # change the network, so `expect` no longer applies


def resolved_data(base: Loaded, changes: Changes) -> dict[str, Any]:
    """The complete spec of a point: the base with the chosen recipe and the changes. Raises SpecError."""
    data: dict[str, Any] = {"archspec": 1, "name": base.name, **base.data}
    recipes = data.pop("recipes", {})
    train: dict[str, Any] = dict(data.get("train") or {})
    if "recipe" in changes:
        chosen = changes["recipe"].value
        if chosen is not None:
            base.recipe(str(chosen))  # raises if there is none
            train = merge_recipe(train, recipes.get(chosen, {}))
    written = {key.partition(".")[2]: v.value for key, v in changes.items() if key.startswith("train.")}
    data["train"] = merge_recipe(train, written)
    if any(key.partition(".")[0] in _SHAPED for key in changes):
        data.pop("expect", None)
    for key, value in changes.items():
        section, _, name = key.partition(".")
        if key == "input":
            data["input"] = value.value
        elif section in SECTIONS and section != "train":
            _replace(data, section, name, value)
    return without_unused_vars(data)


def _replace(data: dict[str, Any], section: str, name: str, value: Value) -> None:
    """Replace one var, stage or block, or remove it if the value is `null`. Raises SpecError for an unknown name."""
    known = data.get(section) or {}
    if name not in known:
        from archspec.diagnostics import listing
        from archspec.diagnostics.hints import near
        from archspec.language.message_text import close, short

        meant = close(name, known)
        what = {"vars": "var", "stages": "stage", "blocks": "block"}[section]
        raise error(
            "SWEEP403", f"the spec has no {what} `{short(name)}`", span=_key_of(value.at).span(),
            hint=_in_section(near(meant), section) if meant else f"its {section}: {listing(known)}",
        )
    changed = {key: value.value if key == name else old for key, old in known.items()}
    data[section] = {key: new for key, new in changed.items() if key != name or new is not None}


def _in_section(hint: str, section: str) -> str:
    """The hint at a similar name, whose edit writes it with its section."""
    return Hint(hint, f"{section}.{hint.own}", safe=hint.safe) if isinstance(hint, Hint) else hint


def _key_of(at: At) -> At:
    """The place of the key that a value, or the list around it, belongs to."""
    path = at.path
    while path and isinstance(path[-1], int):
        path = path[:-1]
    return At(at.document, path, on_key=True)
