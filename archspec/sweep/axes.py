"""Reads `grid` and `zip`: lists of values, as the axes of a sweep."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

from archspec.language import fixes
from archspec.language.message_text import short, value_text
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN
from archspec.sweep.changes import can_change
from archspec.sweep.model import Changes, Value


def read_grid(raw: Any, at: At, errors: Errors) -> list[tuple[Changes, ...]]:
    """The axes of `grid`: one for each key."""
    lists = _lists("grid", raw, at, errors)
    return [tuple({key: Value(item, place)} for item, place in items) for key, items in lists.items() if items]


def read_zip(raw: Any, at: At, errors: Errors) -> list[tuple[Changes, ...]]:
    """The axis of `zip`, along which all lists advance together."""
    lists = _lists("zip", raw, at, errors)
    if not lists:
        return []
    lengths = {key: len(items) for key, items in lists.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"`{key}` has {length}" for key, length in lengths.items())
        errors.add("SWEEP401", f"lists of `zip` must be equally long: {counts}", at, key=True,
                   hint="use `grid` for every combination")
        return []
    rows = zip(*lists.values(), strict=True)
    return [tuple({k: Value(*cell) for k, cell in zip(lists, row, strict=True)} for row in rows)]


def _lists(section: str, raw: Any, at: At, errors: Errors) -> dict[str, list[tuple[Any, At]]]:
    if raw is None or raw is BROKEN:
        return {}
    if not isinstance(raw, dict):
        errors.add("SWEEP401", f"`{section}` must be a mapping, got {value_text(raw)}", at,
                   hint=f"write `{section}: {{train.lr: [0.01, 0.1]}}`")
        return {}
    found = {}
    for key, items in raw.items():
        if not can_change(key, at / key, errors):
            continue
        if not isinstance(items, list) or not items:
            if items is not BROKEN:
                errors.add("SWEEP401", f"`{short(key)}` must be a list of values, got {value_text(items)}", at / key,
                           hint=f"write `{short(key)}: [{value_text(items) if items is not None else '…'}]`")
            continue
        found[key] = [(item, at / key / k) for k, item in enumerate(items) if item is not BROKEN]
        _check_repeats(key, items, at / key, errors)
    return found


def _check_repeats(key: str, items: list[Any], at: At, errors: Errors) -> None:
    for k, item in enumerate(items):
        if any(item == other and type(item) is type(other) for other in items[:k]) and item is not BROKEN:
            errors.add("SWEEP401", f"`{short(key)}` has {value_text(item)} twice", at / k,
                       hint=fixes.removed("delete one; `seeds` repeats a trial", at / k))


def check_distinct(axes: Iterable[Set[str]], top: At, errors: Errors) -> None:
    """Report keys that vary in two axes."""
    seen: set[str] = set()
    for axis in axes:
        for key in sorted(axis & seen):
            errors.add("SWEEP401", f"`{short(key)}` varies in two places", top,
                       hint="keep it in one of `grid`, `zip` and `random`")
        seen |= axis
