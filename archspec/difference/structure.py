"""The changes of single ops as the few edits that a person made: a stage renamed, layers inserted, a field changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from archspec.difference.runs import Run, runs
from archspec.ir.align import Alignment
from archspec.ir.diff import Change

Kind = Literal["input", "output", "added", "removed", "changed", "renamed", "renumbered", "rewired"]
_NUMBER: Final = re.compile(r"(_|^)[0-9]+$")  # of a layer without a name of its own, or of a copy of a repeat
_FEW: Final = 4  # the most names that stand for themselves
_DIGITS: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of the structure, at one or several places.

    kind: `input`, `output`: of the network; `added`, `removed`: layers; `changed`: fields or the op; `renamed`: a layer
    or everything in a stage; `renumbered`: layers that only have another number in their name; `rewired`: other inputs.
    path: where; `{3,4}` or `*` stands for what differs between several places. text: what: `out_channels 96 → 64`.
    before, after: paths of the ops in each network, one pair per op; empty on the side that does not have them.
    count: at how many places.
    """

    kind: Kind
    path: str
    text: str
    count: int
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "kind": self.kind, "path": self.path, "text": self.text, "count": self.count,
            "before": list(self.before), "after": list(self.after),
        }


def edits(changes: Sequence[Change], aligned: Alignment) -> tuple[Edit, ...]:
    """The edits that make up the changes, in the order of the network."""
    names = {aligned.new[j].path: aligned.old[i].path for j, i in aligned.pairs.items()}
    places = {step.path: (j, 0) for j, step in enumerate(aligned.new)}
    places |= _places_of_removed(aligned)
    found = [
        *_fields(changes, names), *_renamed(changes),
        *_wired(changes),
        *_layers("added", runs(aligned.added, aligned.new)), *_layers("removed", runs(aligned.removed, aligned.old)),
    ]

    def place(edit: Edit) -> tuple[int, int]:
        return min(places[path] for path in (edit.before if edit.kind == "removed" else edit.after))

    inputs, outputs = ([*_ports(changes, kind)] for kind in ("input", "output"))
    return (*inputs, *sorted(found, key=place), *outputs)


def _places_of_removed(aligned: Alignment) -> dict[str, tuple[int, int]]:
    """A removed op stands behind the op that precedes it and is still there."""
    now = {i: j for j, i in aligned.pairs.items()}
    places, last = {}, -1
    for i, step in enumerate(aligned.old):
        last = now.get(i, last)
        if i not in now:
            places[step.path] = (last, 1 + i)
    return places


def _ports(changes: Iterable[Change], kind: Literal["input", "output"]) -> Iterator[Edit]:
    for change in changes:
        if change.kind == kind:
            then, now = ("nothing" if value is None else str(value) for value in (change.then, change.now))
            text = "added" if change.then is None else "removed" if change.now is None else f"{then} → {now}"
            yield Edit(kind, change.path, text, 1)


def _fields(changes: Iterable[Change], names: Mapping[str, str]) -> Iterator[Edit]:
    """Equal changes of fields or ops, wherever they are, are one edit."""
    groups: dict[str, list[str]] = {}
    for change in changes:
        if change.kind == "fields":
            parts = [f"{name} {' → '.join(_both(change.then[name], change.now[name]))}" for name in change.now]
            groups.setdefault(", ".join(parts), []).append(change.path)
        elif change.kind == "op":
            groups.setdefault(f"{change.then} → {change.now}", []).append(change.path)
    for text, paths in groups.items():
        yield Edit("changed", pattern(paths), text, len(paths), tuple(names[path] for path in paths), tuple(paths))


def _both(*values: object) -> list[str]:
    """The two values of a field: `3` and `5` for [3, 3] and [5, 5]; of other lists every part, so that they differ."""
    lists = [value for value in values if isinstance(value, list)]
    plain = len({len(value) for value in lists}) == 1 and all(len({*map(str, value)}) == 1 for value in lists)
    return [value_text(value[0] if plain and isinstance(value, list) else value) for value in values]


def value_text(value: object) -> str:
    """A value of a field as in a spec: `[3, 5]`, `true`."""
    if isinstance(value, list):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _renamed(changes: Sequence[Change]) -> Iterator[Edit]:
    """Renamed ops by what of their paths changed, so that a renamed stage is one edit."""
    ops = {change.path: (change.then, change.now) for change in changes if change.kind == "op"}
    groups: dict[tuple[str, ...], dict[tuple[str, str], list[Change]]] = {}
    numbers: list[Change] = []
    for change in changes:
        if change.kind != "renamed":
            continue
        old, new = _without_common_end(change.then, change.now, ops.get(change.path))
        if (old, new) == ("", ""):
            numbers.append(change)
        else:
            alike = (_DIGITS.sub("*", old), _DIGITS.sub("*", new))
            groups.setdefault(alike, {}).setdefault((old, new), []).append(change)
    for group in groups.values():
        olds, news = (pattern(list(paths)) for paths in zip(*group, strict=True))
        renamed = [change for part in group.values() for change in part]
        yield _pairs("renamed", news or olds, _renamed_text(olds, news), len(group), renamed)
    if numbers := [change for change in numbers if change.path not in ops]:
        rest = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
        yield _pairs("renumbered", numbers[0].path, f"was {numbers[0].then}{rest}", len(numbers), numbers)


def _pairs(kind: Kind, path: str, text: str, count: int, group: Sequence[Change]) -> Edit:
    return Edit(kind, path, text, count, tuple(c.then for c in group), tuple(c.path for c in group))


def _renamed_text(old: str, new: str) -> str:
    if not old:
        return "everything moved into it"
    return "what was in it moved out of it" if not new else f"was {old}"


def _without_common_end(old: str, new: str, ops: tuple[str, str] | None) -> tuple[str, str]:
    """The start of two paths, up to the last part that differs: `fc6.relu_1` and `fc5.relu_1` → `fc6` and `fc5`.

    Numbers of layers do not count, nor does the name that a layer without an own one has from its op. ops: both names,
    if it is another op now.
    """
    a, b = old.split("."), new.split(".")
    if ops is not None and (_plain(a[-1]), _plain(b[-1])) == ops:
        a, b = a[:-1], b[:-1]
    while a and b and _plain(a[-1]) == _plain(b[-1]):
        a, b = a[:-1], b[:-1]
    return ".".join(a), ".".join(b)


def _plain(name: str) -> str:
    """A part of a path without the number that the language gives it."""
    return _NUMBER.sub("", name)


def _wired(changes: Iterable[Change]) -> Iterator[Edit]:
    for change in changes:
        if change.kind == "values":
            then, now = (", ".join(value) for value in (change.then, change.now))
            yield Edit("rewired", change.path, f"takes {now}, took {then}", 1, (), (change.path,))
    groups: dict[tuple[str, ...], list[Change]] = {}
    for change in changes:
        if change.kind == "weights":
            owners = (change.path, change.then, change.now)
            groups.setdefault(tuple(path.partition(".")[0] for path in owners), []).append(change)
    for (stage, then, now), group in groups.items():
        text = f"{_owner(stage, now)} weights, {_owner(stage, then)} before"
        yield Edit("rewired", stage, text, 1, (), tuple(change.path for change in group))


def _owner(stage: str, owner: str) -> str:
    return "its own" if owner == stage else f"{owner}'s"


def _layers(kind: Literal["added", "removed"], found: Sequence[Run]) -> Iterator[Edit]:
    """Runs of layers with the same names in similar places are one edit."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in found:
        groups.setdefault((_DIGITS.sub("*", run.place), *run.ops), []).append(run)
    for group in groups.values():
        paths = tuple(path for run in group for path in run.paths)
        sides = ((), paths) if kind == "added" else (paths, ())
        yield Edit(kind, pattern([run.place for run in group]), group[0].text, len(group), *sides)


def pattern(paths: Sequence[str]) -> str:
    """Several paths as one: `b{2,3}.conv1` for `b2.conv1` and `b3.conv1`; `*` for more, or if several parts differ."""
    parts = [path.split(".") for path in paths]
    if len(set(paths)) == 1:
        return paths[0]
    if len({len(part) for part in parts}) > 1:
        return f"{paths[0]}, …"
    columns = [list(dict.fromkeys(column)) for column in zip(*parts, strict=True)]
    few = sum(len(column) > 1 for column in columns) == 1 and len(set(paths)) <= _FEW
    return ".".join(column[0] if len(column) == 1 else _joined(column, few=few) for column in columns)


def _joined(names: list[str], *, few: bool) -> str:
    start = _start(set(names))
    return start + (f"{{{','.join(name.removeprefix(start) for name in names)}}}" if few else "*")


def _start(names: set[str]) -> str:
    """What all names start with: whole words, without the first digits of a number."""
    first, last = min(names), max(names)
    length = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    start = first[:length].rstrip("0123456789")
    if all(name[len(start) :].isdecimal() for name in names):
        return start
    return start[: start.rfind("_") + 1]
