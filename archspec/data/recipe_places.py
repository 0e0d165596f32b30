"""The places, in the spec, of mistakes in a recipe that only show with the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from archspec.data.suits import check_recipes, place_of, places_of
from archspec.diagnostics import Diagnostic, SpecError
from archspec.language.errors import Errors

if TYPE_CHECKING:
    from archspec.api import Loaded
    from archspec.language.syntax import At, Program

_FIELDS = ("freeze",)  # of a recipe: what the path of a diagnostic without a place may begin with


@contextmanager
def at_places(loaded: Loaded, name: str | None) -> Iterator[None]:
    """Give errors of the block the places that `archspec validate` gives them. name: of the recipe, or None."""
    try:
        yield
    except SpecError as problem:
        found = [_placed(diagnostic, loaded, name) for diagnostic in problem.diagnostics]
        if all(new is old for new, old in zip(found, problem.diagnostics, strict=True)):
            raise
        raise SpecError(found) from problem


def _placed(diagnostic: Diagnostic, loaded: Loaded, name: str | None) -> Diagnostic:
    program, key = loaded.program, name or "train"
    if program is None or diagnostic.span is not None or key not in loaded.recipes:
        return diagnostic
    errors = Errors()
    if diagnostic.path[:1] and diagnostic.path[0] in _FIELDS:
        at = _at(diagnostic, program, key)
        errors.add(diagnostic.code, diagnostic.message, at, notes=diagnostic.notes, hint=diagnostic.hint)
        return errors.found[0]
    check_recipes(program, loaded.recipes, loaded.graph, errors)
    same = (found for found in errors.found if (found.code, found.message) == (diagnostic.code, diagnostic.message))
    return next(same, diagnostic)


def _at(diagnostic: Diagnostic, program: Program, recipe: str) -> At | None:
    """The place of the field, or of its item, in the recipe or in the default one below it."""
    field, part = diagnostic.path
    places = {**program.places["train"], **places_of(program, recipe)}
    return place_of(str(part), places[str(field)])[0] if field in places else None
