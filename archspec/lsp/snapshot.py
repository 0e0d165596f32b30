"""All facts about one text: its kind, its data with places, its syntax tree, its network, its mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from archspec.api import Examined, Loaded, OpenFile, examine, examine_library
from archspec.diagnostics import Diagnostic, SpecError
from archspec.files import read_regular
from archspec.language.detect import Kind, kind_of_content
from archspec.language.libraries import standard_library
from archspec.language.shipped import find_shipped
from archspec.language.syntax import Program
from archspec.lsp.costs import Costs
from archspec.lsp.text import lines_of
from archspec.source import Document, parse

NO_TEXTS: Final[Mapping[Path, str]] = MappingProxyType({})
MAX_BYTES: Final = 2**20  # the largest file that is read
SWEEP_POINTS: Final = 200  # the most combinations of a sweep that are checked during typing; `validate` checks all


@dataclass(frozen=True)
class Snapshot:
    """One text and its meaning.

    document: None if the text cannot be parsed. loaded: None after a mistake.
    last: the last earlier version with a network; None if this one has a network.
    is_shipped: whether it is a spec that comes with archspec, named by a sweep.
    """

    path: Path
    text: str
    lines: list[str]
    kind: Kind
    document: Document | None
    program: Program | None
    loaded: Loaded | None
    diagnostics: tuple[Diagnostic, ...]
    last: Snapshot | None
    others: Mapping[Path, str] = field(default_factory=dict, repr=False)
    includes: tuple[Path, ...] = ()
    is_shipped: bool = False

    @property
    def data(self) -> Any:
        """The plain data of the text."""
        return None if self.document is None else self.document.data

    @cached_property
    def costs(self) -> Costs | None:
        """The shapes and costs of the layers, from an earlier version if this one has no network."""
        if self.loaded is not None and self.program is not None:
            return Costs(self.loaded, self.program)
        return self.last.costs if self.last is not None else None

    @cached_property
    def specs(self) -> tuple[Snapshot, ...]:
        """The specs of a sweep, as far as they can be read."""
        found = []
        for name in dict.fromkeys(_spec_names(self.data)):
            beside, shipped = self.path.parent / name, find_shipped(name)
            path = beside if beside.is_file() or shipped is None else shipped[1]
            try:
                text = self.others.get(path.resolve()) or read_regular(path, MAX_BYTES, follow=True).decode()
            except (OSError, ValueError):
                continue
            spec = snapshot(path, text, others=self.others, includes=self.includes)
            if spec.kind is not Kind.SWEEP:
                found.append(replace(spec, is_shipped=path is not beside))
        return tuple(found)

    @property
    def files(self) -> frozenset[Path]:
        """The user's files that it reads."""
        if self.kind is Kind.SWEEP:
            return frozenset({self.path}).union(*(spec.files for spec in self.specs))
        names: set[str] = set()
        if self.program is not None:
            names = {document.name for document in self.program.documents}
            names = names.union(*(library.documents for library in self.program.library.all()))
        return frozenset({self.path, *map(Path, names - standard_library().documents)})


def snapshot(
    path: Path, text: str, *, others: Mapping[Path, str] = NO_TEXTS, includes: tuple[Path, ...] = (),
    before: Snapshot | None = None,
) -> Snapshot:
    """Examine a text as the file at `path`.

    others: the texts of other open files. includes: further folders that a spec may read. before: the snapshot of an
    earlier version of the file.
    """
    kind = kind_of_content(text.encode("utf-8", "surrogatepass"))
    found = Examined(None, ())
    if kind is Kind.SWEEP:
        found = _sweep(path, text)
    elif kind is Kind.LIBRARY:
        found = examine_library(OpenFile(path, text, others), includes=includes)
    elif kind is not Kind.OTHER:
        found = examine(OpenFile(path, text, others), includes=includes, training=True)
    last = None
    if found.loaded is None and before is not None:
        last = before if before.loaded is not None else before.last
    return Snapshot(
        path, text, lines_of(text), kind, _document(path, text, found.program), found.program, found.loaded,
        (*found.errors, *found.warnings), last, others, includes,
    )


def _spec_names(data: Any) -> Iterator[str]:
    """The specs that a sweep names."""
    if not isinstance(data, dict):
        return
    listed = data.get("spec")
    variants = data.get("variants")
    names = [*listed] if isinstance(listed, list) else [listed]
    if isinstance(variants, list):
        names += [one.get("spec") for one in variants if isinstance(one, dict)]
    yield from (name for name in names if isinstance(name, str) and name)


def _sweep(path: Path, text: str) -> Examined:
    from archspec.sweep.check import examine_sweep_text

    return examine_sweep_text(text, str(path), at_most=SWEEP_POINTS)


def _document(path: Path, text: str, program: Program | None) -> Document | None:
    if program is not None and program.documents:
        return program.documents[0]
    try:
        return parse(text, str(path))
    except SpecError:
        return None
