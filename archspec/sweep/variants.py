"""Reads `spec` and `variants`: the networks of a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from archspec.diagnostics import listing
from archspec.language.message_text import did_you_mean, short, value_text
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN
from archspec.sweep.changes import read_changes
from archspec.sweep.model import Changes, Value, Variant


class VariantReader:
    """Reads `spec` and `variants` of a sweep; collects mistakes in `errors`."""

    def __init__(self, data: dict[str, Any], top: At, errors: Errors) -> None:
        self.data, self.top, self.errors = data, top, errors

    def fail(self, message: str, at: At, *, key: bool = False, hint: str | None = None) -> None:
        """Report one mistake."""
        self.errors.add("SWEEP401", message, at, key=key, hint=hint)

    def _present(self, key: str) -> bool:
        return self.data.get(key) not in (None, BROKEN)

    def variants(self) -> tuple[Variant, ...]:
        """The networks; empty, with a reported mistake, if there are none."""
        if self._present("spec") and self._present("variants"):
            self.fail("give `spec` or `variants`, not both", self.top / "variants", key=True,
                      hint="a variant names its own spec: `variants: [{spec: lenet}]`")
        if self._present("variants"):
            return self._written_variants(self.data["variants"], self.top / "variants")
        if not self._present("spec"):
            if self.data and "spec" not in self.data:
                self.fail("the sweep names no network", self.top, hint="add `spec: lenet`")
            elif self.data and self.data["spec"] is None:
                self.fail("`spec` is empty", self.top / "spec", hint="write `spec: lenet`")
            return ()
        raw, at = self.data["spec"], self.top / "spec"
        items = [(v, at / k) for k, v in enumerate(raw)] if isinstance(raw, list) else [(raw, at)]
        found = [Variant(Path(str(v)).stem, Value(v, place), {}) for v, place in items if self._spec_name(v, place)]
        return _labelled(found)

    def _written_variants(self, raw: Any, at: At) -> tuple[Variant, ...]:
        if not isinstance(raw, list):
            self.fail(f"`variants` must be a list, got {value_text(raw)}", at, hint="write `variants: [{spec: lenet}]`")
            return ()
        found = []
        for k, item in enumerate(raw):
            place = at / k
            if not isinstance(item, dict):
                self.fail(f"a variant must be a mapping, got {value_text(item)}", place,
                          hint="write `{spec: lenet, set: {vars.width: 2}}`")
                continue
            self._only(item, ("spec", "set", "name"), place, "a variant")
            if "spec" not in item:
                self.fail("the variant names no spec", place, hint="add `spec: lenet`")
            elif self._spec_name(item["spec"], place / "spec"):
                changes = read_changes(item.get("set"), place / "set", "set", self.errors)
                label = item.get("name") or _variant_label(item["spec"], changes)
                found.append(Variant(str(label), Value(item["spec"], place / "spec"), changes))
        return _labelled(found)

    def _spec_name(self, value: Any, at: At) -> bool:
        if isinstance(value, str) and value.strip():
            return True
        if value is not BROKEN:
            self.fail(f"a spec must be a name or a path, got {value_text(value)}", at, hint="write `spec: lenet`")
        return False

    def _only(self, item: dict[str, Any], known: Iterable[str], at: At, what: str) -> None:
        for key in item:
            if key not in known:
                self.fail(f"{what} has no key `{short(key)}`", at / key, key=True,
                          hint=did_you_mean(key, known) or f"its keys: {listing(known)}")


def _variant_label(spec: Any, changes: Changes) -> str:
    parts = [Path(str(spec)).stem, *(f"{key.rpartition('.')[2]}={value_text(v.value)}" for key, v in changes.items())]
    return " ".join(parts)


def _labelled(variants: list[Variant]) -> tuple[Variant, ...]:
    """The variants with distinct labels, also if two files in different folders have the same name."""
    taken: dict[str, int] = {}
    found = []
    for variant in variants:
        count = taken[variant.label] = taken.get(variant.label, 0) + 1
        label = variant.label if count == 1 else f"{variant.label} ({count})"
        found.append(Variant(label, variant.spec, variant.changes))
    return tuple(found)
