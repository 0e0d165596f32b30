"""Checks a spec as if its misspelt definitions had the names that were meant, so that its other mistakes show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from archspec.language.misspelt import Misspelt, misspelt_definitions
from archspec.language.syntax import Errors, Program
from archspec.source import Document

_ROUNDS: Final = 4  # a definition inside a block is found when the block is

Attempt = Callable[[Callable[[Document], Document]], tuple[Any, Program | None, Errors]]


def beside_misspelt(program: Program | None, errors: Errors, attempt: Attempt) -> Errors:
    """The mistakes of a spec, each misspelt definition as one of them; those that it led to are left out.

    program, errors: what was found; these errors are returned if no definition is misspelt. attempt: checks the spec
    again, and applies a function to each text.
    """
    found: list[Misspelt] = []
    for _ in range(_ROUNDS):
        more = [] if program is None else misspelt_definitions(program, errors)
        if not more:
            break
        found += more
        _, program, errors = attempt(partial(_renamed, found))
    if not found:
        return errors
    errors.found = [replace(d, path=_as_written(d.path, found)) if d.path else d for d in errors.found]
    told = Errors()
    for one in found:
        one.tell(told)
    return errors.after(told.found)


def _renamed(found: list[Misspelt], text: Document) -> Document:
    for one in found:
        text = one.renamed(text)
    return text


def _as_written(path: tuple[str | int, ...], found: list[Misspelt]) -> tuple[str | int, ...]:
    """A place in data without a text, with the names that are written there."""
    for one in reversed(found):
        at = one.definition.at
        *holder, _ = at.path
        if at.on_key and path[: len(at.path)] == (*holder, one.name):
            path = (*at.path, *path[len(at.path) :])
    return path
