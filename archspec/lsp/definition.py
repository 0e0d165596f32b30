"""Definition, references and renaming of the name under the cursor."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from archspec.diagnostics import Edit, SourceSpan
from archspec.language.names import EXPECTATIONS, MODULE_ATTRIBUTES, RESERVED
from archspec.language.occurrences import BLOCK, LAYER, PARAM, STAGE, VAR, Occurrence
from archspec.lsp.cursor import cursor_at
from archspec.lsp.project import Unit, is_own, path_of, same, unit_of
from archspec.lsp.snapshot import Snapshot
from archspec.lsp.text import Spot
from archspec.ops import OPS

_NAME: Final = re.compile(r"[A-Za-z]\w*", re.ASCII)


class CannotRename(ValueError):
    """A name cannot be changed. The message tells the user why."""


@dataclass(frozen=True, slots=True)
class Named:
    """The name under the cursor, and all names of its file."""

    occurrence: Occurrence
    span: SourceSpan
    unit: Unit


def named_at(snapshot: Snapshot, spot: Spot) -> Named | None:
    """The name at a place, or None."""
    unit = unit_of(snapshot)
    for one in unit.occurrences if unit is not None else ():
        span = one.at.span()
        if span is not None and span.path == str(snapshot.path) and span.line == spot.line + 1:
            start = span.column - 1
            if start <= spot.column <= start + _length(one, span):
                assert unit is not None
                return Named(one, _exact(one, span), unit)
    return None


def _length(one: Occurrence, span: SourceSpan) -> int:
    """The length of a name, including quotes."""
    return max(span.length, len(one.name))


def _exact(one: Occurrence, span: SourceSpan) -> SourceSpan:
    """The place of the name without quotes."""
    text = span.text[span.column - 1 : span.column - 1 + span.length]
    if text[:1] in ('"', "'") and text[1:-1] == one.name:
        return SourceSpan(span.path, span.line, span.column + 1, len(one.name), span.text)
    return SourceSpan(span.path, span.line, span.column, len(one.name), span.text)


def definition(snapshot: Snapshot, spot: Spot) -> list[SourceSpan]:
    """The definitions of the name at a place, or the file in `extends` or `use` there."""
    found = named_at(snapshot, spot)
    if found is not None:
        every = same(found.occurrence, found.unit, ())
        return [_at(one) for _, one in every if one.defines and one.at.span() is not None]
    return _file_at(snapshot, spot)


def references(snapshot: Snapshot, spot: Spot, others: Iterable[Snapshot] = ()) -> list[SourceSpan]:
    """All occurrences of the name at a place: in this file, in files that it reads, and in others that share it."""
    found = named_at(snapshot, spot)
    if found is None:
        return []
    units = [unit for other in others if (unit := unit_of(other)) is not None]
    spans = [_at(one) for _, one in same(found.occurrence, found.unit, units) if one.at.span() is not None]
    return sorted(spans, key=lambda span: (str(path_of(span.path)), span.line, span.column))


def rename(snapshot: Snapshot, spot: Spot, name: str, others: Iterable[Snapshot] = ()) -> list[Edit]:
    """The edits that rename the name at a place. Raises CannotRename."""
    found = named_at(snapshot, spot)
    if found is None:
        raise CannotRename("this cannot be renamed: the cursor is not on a block, var or stage")
    one = found.occurrence
    units = [unit for other in others if (unit := unit_of(other)) is not None]
    every = same(one, found.unit, units)
    if not any(each.defines for _, each in every):
        raise CannotRename(f"nothing defines `{one.name}`")
    if any(not is_own(each.at.document) for _, each in every if each.defines):
        raise CannotRename(f"`{one.name}` belongs to the standard library")
    if any(unit.is_shipped for unit, _ in every):
        raise CannotRename(f"`{one.name}` belongs to a spec that comes with archspec")
    _check_free(one, name, [unit for unit, _ in every])
    edits = []
    for _, each in every:
        span = each.at.span()
        if span is not None:
            exact = _exact(each, span)
            if exact.text[exact.column - 1 : exact.column - 1 + exact.length] != one.name:
                raise CannotRename(f"line {span.line} of {span.path} spells the name in another way")
            edits.append(Edit(exact, name))
    return edits


def _check_free(one: Occurrence, name: str, units: list[Unit]) -> None:
    """Raise CannotRename if the new name is not allowed or is already used."""
    if not _NAME.fullmatch(name):
        raise CannotRename(f"`{name}` is not a name: letters, digits and _, beginning with a letter")
    taken = {VAR: RESERVED, PARAM: RESERVED, BLOCK: (*OPS, "sequential"), LAYER: (*MODULE_ATTRIBUTES, "input"),
             STAGE: (*MODULE_ATTRIBUTES, "input", *EXPECTATIONS)}[one.kind]
    if name in taken:
        raise CannotRename(f"`{name}` has a special meaning")
    kinds = {VAR: (VAR, PARAM), PARAM: (VAR, PARAM), STAGE: (STAGE, LAYER), LAYER: (STAGE, LAYER)}
    for unit in units:
        for other in unit.occurrences:
            if other.name == name and other.kind in kinds.get(one.kind, (one.kind,)) and _may_meet(one, other):
                raise CannotRename(f"a {other.kind} `{name}` already exists, at {other.at}")
        if one.kind == BLOCK and name in unit.block_names:
            raise CannotRename(f"a block `{name}` already exists")


def _may_meet(one: Occurrence, other: Occurrence) -> bool:
    """Whether two names can clash. Params of different blocks cannot."""
    return not (one.kind == other.kind == PARAM and one.owner != other.owner)


def _at(one: Occurrence) -> SourceSpan:
    span = one.at.span()
    assert span is not None
    exact = _exact(one, span)
    return SourceSpan(str(path_of(span.path)), exact.line, exact.column, exact.length, exact.text)


def _file_at(snapshot: Snapshot, spot: Spot) -> list[SourceSpan]:
    path = cursor_at(snapshot.document, spot).path
    if snapshot.program is None or not path or path[0] not in ("extends", "use"):
        return []
    value = snapshot.data
    for step in path:
        value = value[step]
    if not isinstance(value, str):
        return []
    target = (snapshot.path.parent / value).resolve()
    read = {file.resolve() for file in snapshot.files}
    return [SourceSpan(str(target), 1, 1, 0, "")] if target in read else []
