"""A spec with its libraries written out, so that it stands alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import Any, Final

from archspec.diagnostics import error
from archspec.language.libraries import standard_library
from archspec.language.names import WORD, names_in
from archspec.language.syntax import Library, Program

MAX_LIBRARIES: Final = 256  # written out; two files that use a third have a copy each


def resolved(program: Program) -> dict[str, Any]:
    """The spec's data with each library of `use` replaced by what is needed of it: its blocks, vars and `use`.

    A name in a library goes on to mean what it means there. Raises SpecError if that grows out of hand.
    """
    whole = without_unused_vars(program.data) if program.overridden else program.data
    if "use" not in whole:
        return whole
    data = {key: value for key, value in whole.items() if key != "use"}
    libraries = _Writer().used(program.library, words_of(data))
    if not libraries:
        return data
    resolved: dict[str, Any] = {}
    for key, value in whole.items():  # in the order of the file
        resolved[key] = libraries if key == "use" else value
    return resolved


def without_unused_vars(data: dict[str, Any]) -> dict[str, Any]:
    """A spec's data without the vars that only values used which an override replaced."""
    variables = data.get("vars", {})
    users = {key: value for key, value in data.items() if key not in ("vars", "name", "description")}
    used = _closed(names_in(users) & variables.keys(), variables, names_in)
    kept = {name: raw for name, raw in variables.items() if name in used}
    changed = ((key, kept if key == "vars" else value) for key, value in data.items())
    return {key: value for key, value in changed if key != "vars" or value}


class _Writer:
    """Writes libraries out, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def used(self, library: Library, words: set[str]) -> list[dict[str, Any]]:
        """The libraries of `use`, as far as these words may name their blocks."""
        found = (self.written(lib, words) for lib in library.uses if lib is not standard_library())
        return [data for data in found if data]

    def written(self, library: Library, words: set[str]) -> dict[str, Any]:
        """One library; empty if none of its blocks is named."""
        self.count += 1
        if self.count > MAX_LIBRARIES:
            raise error("SPEC051", f"more than {MAX_LIBRARIES} inline libraries")
        raws = {name: block.at.value() for name, block in library.blocks.items()}
        kept = _closed({name for name in raws if name in words}, raws, words_of)
        if not kept:
            return {}
        blocks = {name: raw for name, raw in raws.items() if name in kept}
        values = {name: raw for name, (raw, _) in library.vars.items()}
        needed = _closed(words_of(blocks) & values.keys(), values, words_of)
        variables = {name: raw for name, raw in values.items() if name in needed}
        uses = self.used(library, words_of([blocks, variables]))
        return {
            **({"vars": variables} if variables else {}), **({"use": uses} if uses else {}), "blocks": blocks,
        }


def _closed(names: Set[str], raws: dict[str, Any], names_of: Callable[[Any], Set[str]]) -> set[str]:
    """These names and all that they name in turn."""
    kept: set[str] = set()
    waiting = set(names)
    while waiting:
        kept |= waiting
        waiting = (names_of([raws[name] for name in waiting]) & raws.keys()) - kept
    return kept


def words_of(raw: Any) -> set[str]:
    """All words in the texts and keys of some data: whatever may be a name."""
    return {word for text in texts_of(raw) for word in WORD.findall(text)}


def texts_of(raw: Any) -> Iterator[str]:
    """All texts and keys in some data."""
    waiting = [raw]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            yield value
