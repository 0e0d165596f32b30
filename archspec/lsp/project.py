"""The names of a spec across its files. The files that it extends share its names; a library has its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from archspec.language.detect import Kind
from archspec.language.libraries import STDLIB, standard_library
from archspec.language.occurrences import BLOCK, PARAM, Occurrence, occurrences
from archspec.language.syntax import Library, Program
from archspec.lsp.snapshot import Snapshot
from archspec.source import Document

_STANDARD: Final = "archspec/stdlib/"  # the prefix of the standard library's documents


@dataclass(frozen=True, eq=False)
class Unit:
    """Texts that share one namespace: a spec and the files that it extends, a library, or a sweep.

    uses: the libraries, in order; for a sweep, its specs. is_shipped: whether it is a spec that comes with archspec.
    """

    documents: tuple[Document, ...]
    block_names: frozenset[str]
    uses: tuple[Unit, ...]
    is_sweep: bool = False
    is_shipped: bool = False

    @cached_property
    def occurrences(self) -> list[Occurrence]:
        """All names in the texts."""
        return [one for document in self.documents for one in occurrences(document, self.block_names)]

    def defines(self, kind: str, name: str, owner: str = "") -> bool:
        """Whether one of the texts defines this name."""
        return any(
            one.defines and (one.kind, one.name, one.owner) == (kind, name, owner) for one in self.occurrences
        )

    def owner_of(self, one: Occurrence) -> Unit:
        """The unit that defines this name: itself, or one that it uses."""
        if self.is_sweep:
            found = (unit for unit in self.uses if unit.defines(one.kind, one.name))
            return next((unit.owner_of(one) for unit in found), self)
        if one.kind not in (BLOCK, PARAM) or (one.kind == PARAM and one.defines):
            return self
        block = one.name if one.kind == BLOCK else one.owner
        return next((unit for unit in (self, *self.uses) if unit.defines(BLOCK, block)), self)

    def all(self) -> Iterator[Unit]:
        """This unit and all units that it uses, each once."""
        seen: list[Unit] = []
        waiting = [self]
        while waiting:
            unit = waiting.pop()
            if unit not in seen:
                seen.append(unit)
                waiting += unit.uses
        yield from seen


def unit_of(snapshot: Snapshot) -> Unit | None:
    """The unit of a file, with the files that it reads."""
    if snapshot.kind is Kind.SWEEP and snapshot.document is not None:
        specs = filter(None, map(unit_of, snapshot.specs))
        return Unit((snapshot.document,), frozenset(), tuple(specs), is_sweep=True)
    if snapshot.program is not None:
        unit = _unit(snapshot.program.library, snapshot.program, {})
        return replace(unit, is_shipped=True) if snapshot.is_shipped else unit
    if snapshot.document is not None:
        return Unit((snapshot.document,), frozenset(), ())
    return None


def _unit(library: Library, program: Program, made: dict[int, Unit]) -> Unit:
    if id(library) not in made:
        documents = program.documents if library is program.library else _documents(library)
        uses = tuple(_unit(used, program, made) for used in library.uses)
        made[id(library)] = Unit(documents, frozenset(library.block_names()), uses)
    return made[id(library)]


def _documents(library: Library) -> tuple[Document, ...]:
    """The documents of a library. A library that is written inline in `use` has none."""
    found = {block.at.document.name: block.at.document for block in library.blocks.values()}
    found |= {at.document.name: at.document for _, at in library.vars.values()}
    return tuple(document for name, document in found.items() if name in library.documents)


def path_of(name: str) -> Path:
    """The file of a document, from its name."""
    if name.startswith(_STANDARD):
        return STDLIB / name.removeprefix(_STANDARD)
    return Path(name)


def is_own(document: Document) -> bool:
    """Whether a document is the user's, and not part of the standard library."""
    return document.name not in standard_library().documents


def same(one: Occurrence, unit: Unit, others: Iterable[Unit]) -> list[tuple[Unit, Occurrence]]:
    """Every occurrence, in these units and those that they use, of the name that `one` is in `unit`."""
    key = (one.kind, one.name, one.owner)
    roots = [unit, *others]
    documents = {document.name for document in unit.owner_of(one).documents}
    found: dict[tuple[str, object, object], tuple[Unit, Occurrence]] = {}
    grown = True
    while grown:  # a variant and its base that share a file share its names
        grown = False
        for root in roots:
            for each in root.all():
                for other in each.occurrences:
                    place = (other.at.document.name, other.at.path, (other.at.on_key, other.at.part))
                    if (other.kind, other.name, other.owner) != key or place in found:
                        continue
                    owner = each.owner_of(other)
                    defining = {o.at.document.name for o in owner.occurrences if _defines(o, key)}
                    if not documents.isdisjoint(defining) or other.at.document.name in documents:
                        found[place] = each, other
                        grown |= not defining <= documents
                        documents |= defining
    return list(found.values())


def _defines(one: Occurrence, key: tuple[str, str, str]) -> bool:
    return one.defines and (one.kind, one.name, one.owner) == key
