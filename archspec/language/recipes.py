"""The `train` and `recipes` sections → checked recipes, each mistake at its place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Set
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from archspec.diagnostics import hints, listing
from archspec.expressions import holds_unknown
from archspec.expressions.values import show
from archspec.language import fixes
from archspec.language.extras import Augment, EarlyStopping, TableOfTargets
from archspec.language.finetuning import Initialisation
from archspec.language.loss import LOSS_DOOR, LOSSES
from archspec.language.message_text import close, short, value_text
from archspec.language.names import without_dollar
from archspec.language.problems import explain
from archspec.language.recipe import Normalisation, Recipe, merge_recipe
from archspec.language.schedule import SCHEDULES, WarmupLength
from archspec.language.section import Section, field_names
from archspec.language.synonyms import choice_meant, recipe_field_called, train_option_called
from archspec.language.syntax import At, Errors, Program
from archspec.source import BROKEN

_SECTIONS: Final[dict[str, type[Section]]] = {
    "augment": Augment, "early_stopping": EarlyStopping, "normalize": Normalisation, "init": Initialisation,
    "data": TableOfTargets, "warmup": WarmupLength, **SCHEDULES,
}


class _Written(NamedTuple):
    """A recipe's values and their places. `at`: of the whole section. `names`: the spec's vars."""

    names: Collection[str]
    name: str
    values: Mapping[str, Any]
    places: Mapping[str, At]
    at: At


def read_recipes(program: Program, value: Callable[[Any, At], Any], errors: Errors) -> dict[str, Recipe]:
    """`train` and every named recipe laid over it. `value` evaluates a raw value at its place."""
    found: dict[str, Recipe] = {}
    base, names = None, program.library.vars
    if program.places["train"]:
        section, places = program.data["train"], program.places["train"]
        before = len(errors.found)
        base = _evaluated(names, "train", section, places, program.tops["train"], value, errors)
        wrong = len(errors.found) > before
        _validate(base, () if wrong and _is_overrides(base) else Recipe.model_fields, found, errors)
    for name, at in program.places["recipes"].items():
        raw = program.data["recipes"][name]
        if name == "train":
            errors.add("SPEC022", "recipe `train` has the name of the default one", at, key=True,
                       hint="choose another name")
        elif isinstance(raw, dict):
            own = _evaluated(names, name, raw, {k: at / k for k in raw}, at, value, errors)
            whole, required = own, tuple(Recipe.model_fields)
            if base is not None:  # what the base lacks was reported there
                merged = merge_recipe(base.values, own.values)
                whole = _Written(names, name, merged, {**base.places, **own.places}, at)
                required = tuple(base.values)
            _validate(whole, required, found, errors)
        elif raw is not BROKEN:
            errors.add("SPEC060", f"recipe `{short(name)}` must be a mapping, got {value_text(raw)}", at,
                       hint="write what differs from `train`: `{epochs: 20}`")
    return found


def _evaluated(
    names: Collection[str], name: str, raw: Mapping[str, Any], places: Mapping[str, At], at: At,
    value: Callable[[Any, At], Any], errors: Errors,
) -> _Written:
    """The values under the fields that were written, or meant; fields that a recipe does not have are reported."""
    fields = Recipe.model_fields
    values: dict[str, Any] = {}
    meant: dict[str, At] = {}
    for key, place in places.items():
        field: str | None = key
        if key not in fields:
            field, hint = _meant_field(key, fields.keys() - places.keys(), place)
            errors.add("SPEC060", f"a recipe has no field `{short(key)}`", place, key=True, hint=hint)
        if field is not None:
            values[field], meant[field] = value(raw[key], place), place
    return _Written(names, name, values, meant, at)


def _meant_field(key: str, free: Set[str], at: At) -> tuple[str | None, str]:
    """For what is no field of a recipe: the field, of those that are not written, that was meant, and a hint."""
    if key.lower() == "warmup_steps":
        steps = f"warmup: {{steps: {show(at.value())}}}"
        return None, fixes.whole(f"write `{steps}`", at, steps)
    if option := train_option_called(key):
        return None, f"it is an option of `archspec train`: `{option}`"
    called = recipe_field_called(key)
    field, hint = (None, "") if called is not None and called not in free else similar_field(key, free)
    taken = called or close(key, Recipe.model_fields)
    if field is not None or taken is None:
        return field, hint
    section, _, _ = at.document.name.rpartition(".")
    if section.startswith("--set "):
        return None, f"write `{section}.{taken}={show(at.value())}`"
    return None, fixes.removed(f"remove it: `{taken}` is written already", at)


def similar_field(key: str, free: Set[str]) -> tuple[str | None, str]:
    """For what is no field of a recipe: the one of `free` that was probably meant, and a hint."""
    called = recipe_field_called(key)
    if called is not None and called in free:
        return called, hints.called(called)
    found = close(key, free)
    hint = hints.near(found) if found else f"its fields: {listing(Recipe.model_fields, 30)}"
    return found, hint


def similar_part(section: str, name: str) -> str | None:
    """The hint at the field of a recipe's section that was probably meant: `horizontal_flip` for `flip` of `augment`.

    section: the path to it, `early_stopping`.
    """
    last = section.rsplit(".", maxsplit=1)[-1]
    model = _SECTIONS.get(last) or LOSSES.get(last)
    near = choice_meant(name, field_names(model)) if model else None
    return None if near is None else hints.near(near)


def _validate(
    written: _Written, required: Mapping[str, Any] | tuple[str, ...], found: dict[str, Recipe], errors: Errors
) -> None:
    known = {k: v for k, v in written.values.items() if not holds_unknown(v)}
    try:
        found[written.name] = Recipe.model_validate(known)
    except ValidationError as e:
        problems = [dict(problem) for problem in e.errors(include_url=False)]
        if _is_overrides(written) and any(problem["type"] != "missing" for problem in problems):
            required = ()
        for problem in problems:
            _tell(written, problem, required, errors)


def _is_overrides(written: _Written) -> bool:
    """Whether nothing but overrides make the recipe: a wrong one is then what matters, and not that they are few."""
    return all(at.document.name.startswith("--set ") for at in written.places.values())


def _tell(
    written: _Written, problem: dict[str, Any], required: Mapping[str, Any] | tuple[str, ...], errors: Errors
) -> None:
    field = str((problem.get("ctx") or {}).get("field", ""))
    loc = problem["loc"] or (field,)
    key = str(loc[0])
    if problem["type"] == "missing" and len(loc) == 1:
        if key in required and key not in written.values and key not in errors.lost:
            errors.add("SPEC060", f"recipe `{short(written.name)}` has no `{key}`", written.at, hint=f"add `{key}: …`")
        return
    if key not in written.places or (problem["type"] == "recipe_field" and _is_unknown(field, written)):
        return
    label, at, at_key = key, written.places[key], False
    raw = written.values[key]
    for step in loc[1:]:  # what is no step of the data is a union's tag
        if isinstance(step, str) and isinstance(raw, dict) and step in raw:
            label, at, raw = f"{label}.{step}", at / step, raw[step]
        elif isinstance(step, int) and isinstance(raw, list) and step < len(raw):
            at, raw = at / step, raw[step]
    message, hint = explain(problem, Recipe)
    hint = without_dollar(raw, written.names, errors) or hint
    if hint is None and raw is None and problem["type"] != "recipe_field":
        hint = fixes.removed("remove it: then its default holds", at)
    if problem["type"] == "extra_forbidden":
        *path, last = label.split(".")
        label, message, at_key = ".".join(path), f"has no field `{short(last)}`", True
        hint = _instead(label, last, at)
    if problem["type"] == "recipe_field" and len(problem["loc"]) == 0:
        errors.add("SPEC060", str(problem["msg"]), at, hint=hint)
    else:
        notes = LOSS_DOOR.problems if key == "loss" else ()
        errors.add("SPEC060", f"`{label}` {message}", at, key=at_key, notes=notes, hint=hint)


def _instead(section: str, name: str, at: At) -> str:
    """The hint for a field that a recipe's section does not have: `horizontal_flip` for `flip` of `augment`."""
    near = similar_part(section, name)
    if near is not None:
        return near
    field = name if name in Recipe.model_fields else recipe_field_called(name)
    if field is not None:
        return f"write `{field}: …` beside `{section.split('.', maxsplit=1)[0]}`: it is a field of the recipe"
    return fixes.removed("remove it", at)


def _is_unknown(field: str, written: _Written) -> bool:
    return field in written.values and holds_unknown(written.values[field])
