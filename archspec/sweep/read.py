"""A sweep file → Sweep, every mistake at its place."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from archspec.diagnostics import error, listing
from archspec.language import fixes
from archspec.language.detect import SWEEP_KEY as VERSION_KEY
from archspec.language.message_text import did_you_mean, said, short
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN, DEFAULT_LIMITS, Document, Limits, parse, read
from archspec.sweep.draws import read_random
from archspec.sweep.model import SECTIONS, WHOLE, Changes, Random, Run, Sweep, Value, Variant
from archspec.sweep.repeats import is_count, read_seeds
from archspec.sweep.sampling import read_sample
from archspec.text import shell

if TYPE_CHECKING:
    from archspec.sweep.search.model import Search

KEYS: Final = (
    VERSION_KEY, "name", "description", "spec", "variants", "set", "grid", "zip", "random", "search", "runs", "where",
    "sample", "seeds", "devices", "limit_train", "limit_test",
)
MAX_DEVICES: Final = 1024


def read_sweep(source: str | Path, limits: Limits = DEFAULT_LIMITS) -> Sweep:
    """The sweep in a file. Raises SpecError with every mistake: SPEC0xx of the text, SWEEP4xx of the sweep."""
    document = read(source, limits)
    return sweep_of(document, Path(source).stem)


def sweep_text(text: str, name: str = "<text>") -> Sweep:
    """The sweep in a text. Raises SpecError as `read_sweep`."""
    return sweep_of(parse(text, name), "sweep")


def recipes_of(spec: str) -> Sweep:
    """The sweep that trains a spec with its default recipe and with each of the others. Raises SpecError."""
    from archspec.api import load
    from archspec.source import document_of

    loaded = load(spec)
    names = [name for name in loaded.recipes if name != "train"]
    runs: list[dict[str, Any]] = [{}] if "train" in loaded.recipes else []
    data = {VERSION_KEY: 1, "name": loaded.name, "spec": spec, "runs": runs + [{"recipe": name} for name in names]}
    return sweep_of(document_of(data), loaded.name)


def sweep_of(document: Document, stem: str) -> Sweep:
    """The sweep in a document. stem: its name, where it gives none. Raises SpecError."""
    _check_kind(document)
    errors = Errors(document.errors)
    sweep = _Reader(document, errors).sweep(stem)
    errors.raise_any()
    assert sweep is not None  # or something was wrong
    return sweep


def _check_kind(document: Document) -> None:
    """Raise SpecError where the document is a spec: one message then, and not one for each of its keys."""
    data = document.data
    if isinstance(data, dict) and "archspec" in data and VERSION_KEY not in data:
        raise error(
            "SWEEP401", "this is a spec, not a sweep", span=(At(document) / "archspec").key.span(),
            hint=f"train it with each of its recipes: `{shell('archspec', 'sweep', document.name, '--recipes')}`; "
                 f"a sweep file begins with `{VERSION_KEY}: 1`",
        )


class _Reader:
    """Reads one document; what is wrong is noted in `errors`, and the rest is read on."""

    def __init__(self, document: Document, errors: Errors) -> None:
        self.errors = errors
        self.top = At(document)
        self.data: dict[str, Any] = document.data if isinstance(document.data, dict) else {}
        if not isinstance(document.data, dict) and document.data is not BROKEN:
            self.fail(f"a sweep must be a mapping of keys, got {said(document.data)}", self.top,
                      hint="begin with `archspec-sweep: 1`")

    def fail(self, message: str, at: At, *, key: bool = False, hint: str | None = None) -> None:
        """Note one mistake."""
        self.errors.add("SWEEP401", message, at, key=key, hint=hint)

    def sweep(self, stem: str) -> Sweep | None:
        """The sweep; what could not be read is left out."""
        self._keys()
        variants = self._variants()
        axes = (*self._grid(), *self._zip())
        sweep = Sweep(
            self._text("name", stem), self._text("description", ""), variants, self._changes("set"), axes,
            self._random(), self._runs(), self._where(),
            read_seeds(self.data.get("seeds"), self.top / "seeds", self.errors), self._limits(), self._search(),
            read_sample(self.data.get("sample"), self.top / "sample", self.errors),
            self._devices(),
        )
        keys = [{key for point in axis for key in point} for axis in axes]
        if sweep.random is not None:
            keys.append(set(sweep.random.draws))
        self._check_distinct(keys)
        return sweep

    def _keys(self) -> None:
        for key in self.data:
            if key not in KEYS:
                self.fail(f"a sweep has no key `{short(key)}`", self.top / key, key=True,
                          hint=did_you_mean(key, KEYS) or f"its keys: {listing(KEYS, 20)}")
        version = self.data.get(VERSION_KEY)
        if self.data and version is None:
            self.fail("the format version is missing", self.top, hint="begin the file with `archspec-sweep: 1`")
        elif self.data and (version != 1 or isinstance(version, bool)) and version is not BROKEN:
            self.fail(f"sweep format {said(version)} is not supported", self.top / VERSION_KEY,
                      hint="this archspec reads `archspec-sweep: 1`")

    def _text(self, key: str, default: str) -> str:
        value = self.data.get(key, default)
        if isinstance(value, str) and value.strip():
            return value
        if value is not BROKEN and value != default:
            self.fail(f"`{key}` must be text, got {said(value)}", self.top / key)
        return default

    def _present(self, key: str) -> bool:
        return self.data.get(key) not in (None, BROKEN)

    # networks

    def _variants(self) -> tuple[Variant, ...]:
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
            self.fail(f"`variants` must be a list, got {said(raw)}", at, hint="write `variants: [{spec: lenet}]`")
            return ()
        found = []
        for k, item in enumerate(raw):
            place = at / k
            if not isinstance(item, dict):
                self.fail(f"a variant must be a mapping, got {said(item)}", place,
                          hint="write `{spec: lenet, set: {vars.width: 2}}`")
                continue
            self._only(item, ("spec", "set", "name"), place, "a variant")
            if "spec" not in item:
                self.fail("the variant names no spec", place, hint="add `spec: lenet`")
            elif self._spec_name(item["spec"], place / "spec"):
                changes = self._mapping(item.get("set"), place / "set", "set")
                label = item.get("name") or _variant_label(item["spec"], changes)
                found.append(Variant(str(label), Value(item["spec"], place / "spec"), changes))
        return _labelled(found)

    def _spec_name(self, value: Any, at: At) -> bool:
        if isinstance(value, str) and value.strip():
            return True
        if value is not BROKEN:
            self.fail(f"a spec must be a name or a path, got {said(value)}", at, hint="write `spec: lenet`")
        return False

    def _only(self, item: dict[str, Any], known: Iterable[str], at: At, what: str) -> None:
        for key in item:
            if key not in known:
                self.fail(f"{what} has no key `{short(key)}`", at / key, key=True,
                          hint=did_you_mean(key, known) or f"its keys: {listing(known)}")

    # what varies

    def _changes(self, key: str) -> Changes:
        return self._mapping(self.data.get(key), self.top / key, key)

    def _mapping(self, raw: Any, at: At, what: str) -> dict[str, Value]:
        """Changes written as a mapping of keys to values."""
        if raw is None or raw is BROKEN:
            return {}
        if not isinstance(raw, dict):
            self.fail(f"`{what}` must be a mapping, got {said(raw)}", at, hint="write `{train.lr: 0.1}`")
            return {}
        return {key: Value(value, at / key) for key, value in raw.items() if self._key(key, at / key)}

    def _key(self, key: str, at: At) -> bool:
        """Whether a sweep can change this; `lr` is answered with `train.lr`."""
        section, dot, name = key.partition(".")
        if key in WHOLE or (dot and name and section in SECTIONS and "." not in name):
            return True
        self.fail(f"a sweep cannot change `{short(key)}`", at, key=True, hint=_meant_key(key))
        return False

    def _grid(self) -> list[tuple[Changes, ...]]:
        return [
            tuple({key: Value(item, at)} for item, at in items) for key, items in self._lists("grid").items() if items
        ]

    def _zip(self) -> list[tuple[Changes, ...]]:
        lists = self._lists("zip")
        if not lists:
            return []
        lengths = {key: len(items) for key, items in lists.items()}
        if len(set(lengths.values())) > 1:
            said_lengths = ", ".join(f"`{key}` has {length}" for key, length in lengths.items())
            self.fail(f"lists of `zip` must be equally long: {said_lengths}", self.top / "zip", key=True,
                      hint="use `grid` for every combination")
            return []
        rows = zip(*lists.values(), strict=True)
        return [tuple({k: Value(*cell) for k, cell in zip(lists, row, strict=True)} for row in rows)]

    def _lists(self, section: str) -> dict[str, list[tuple[Any, At]]]:
        raw, at = self.data.get(section), self.top / section
        if raw is None or raw is BROKEN:
            return {}
        if not isinstance(raw, dict):
            self.fail(f"`{section}` must be a mapping, got {said(raw)}", at,
                      hint=f"write `{section}: {{train.lr: [0.01, 0.1]}}`")
            return {}
        found = {}
        for key, items in raw.items():
            if not self._key(key, at / key):
                continue
            if not isinstance(items, list) or not items:
                if items is not BROKEN:
                    self.fail(f"`{short(key)}` must be a list of values, got {said(items)}", at / key,
                              hint=f"write `{short(key)}: [{said(items) if items is not None else '…'}]`")
                continue
            found[key] = [(item, at / key / k) for k, item in enumerate(items) if item is not BROKEN]
            self._check_repeats(key, items, at / key)
        return found

    def _check_repeats(self, key: str, items: list[Any], at: At) -> None:
        for k, item in enumerate(items):
            if any(item == other and type(item) is type(other) for other in items[:k]) and item is not BROKEN:
                self.fail(f"`{short(key)}` has {said(item)} twice", at / k,
                          hint=fixes.removed("delete one; `seeds` repeats a trial", at / k))

    def _check_distinct(self, axes: list[set[str]]) -> None:
        seen: set[str] = set()
        for axis in axes:
            for key in sorted(axis & seen):
                self.fail(f"`{short(key)}` varies in two places", self.top,
                          hint="keep it in one of `grid`, `zip` and `random`")
            seen |= axis

    def _random(self) -> Random | None:
        raw, at = self.data.get("random"), self.top / "random"
        if raw is None or raw is BROKEN:
            return None
        return read_random(raw, at, self.errors, self._key)

    def _search(self) -> Search | None:
        raw, at = self.data.get("search"), self.top / "search"
        if raw is None or raw is BROKEN:
            return None
        from archspec.sweep.search.read import check_alone, read_search

        check_alone(self.data, self.top, self.errors)
        return read_search(raw, at, self.errors, self._key)

    def _runs(self) -> tuple[Run, ...]:
        raw, at = self.data.get("runs"), self.top / "runs"
        if raw is None or raw is BROKEN:
            return ()
        if not isinstance(raw, list):
            self.fail(f"`runs` must be a list, got {said(raw)}", at, hint="write `runs: [{train.lr: 0.1}]`")
            return ()
        return tuple(self._run(item, at / k) for k, item in enumerate(raw))

    def _run(self, raw: Any, at: At) -> Run:
        """One departure: changes, and `seeds` of its own."""
        if not isinstance(raw, dict):
            return Run(self._mapping(raw, at, "runs"))
        changes = {key: value for key, value in raw.items() if key != "seeds"}
        return Run(self._mapping(changes, at, "runs"), read_seeds(raw.get("seeds"), at / "seeds", self.errors))

    def _where(self) -> tuple[Value, ...]:
        raw, at = self.data.get("where"), self.top / "where"
        items = [(v, at / k) for k, v in enumerate(raw)] if isinstance(raw, list) else [(raw, at)]
        found = []
        for value, place in items:
            if value is None or value is BROKEN:
                continue
            if isinstance(value, str) and value.startswith("$"):
                found.append(Value(value, place))
            else:
                self.fail(f"`where` must be a condition, got {said(value)}", place,
                          hint="write `where: $(train.lr * vars.width < 10)`")
        return tuple(found)

    # limits

    def _limits(self) -> dict[str, int]:
        found = {}
        for key in ("limit_train", "limit_test"):
            value = self.data.get(key)
            if value is None or value is BROKEN:
                continue
            if is_count(value, 2**40):
                found[key] = int(value)
            else:
                self.fail(f"`{key}` must be a number of images, got {said(value)}", self.top / key)
        return found

    def _devices(self) -> int:
        value = self.data.get("devices")
        if value is None or value is BROKEN:
            return 1
        if is_count(value, MAX_DEVICES):
            return int(value)
        self.fail(f"`devices` must be a whole number from 1 to {MAX_DEVICES}, got {said(value)}", self.top / "devices",
                  hint="write `devices: 2` to train each trial on two devices of one machine")
        return 1


def _meant_key(key: str) -> str:
    from archspec.language.message_text import close
    from archspec.language.recipe import Recipe

    if key == "seeds":
        return "`seeds` stands at the top of the file or in an entry of `runs`"
    name = key.rpartition(".")[2]
    field = name if name in Recipe.model_fields else close(name, Recipe.model_fields)
    if field is not None and not key.startswith(("vars.", "stages.", "blocks.")):
        return f"write `train.{field}`"
    sections = ", ".join(f"`{section}.NAME`" for section in SECTIONS)
    return f"it can change {sections}, `recipe` and `input`"


def _variant_label(spec: Any, changes: Changes) -> str:
    parts = [Path(str(spec)).stem, *(f"{key.rpartition('.')[2]}={said(v.value)}" for key, v in changes.items())]
    return " ".join(parts)


def _labelled(variants: list[Variant]) -> tuple[Variant, ...]:
    """The variants, labels made different where two are equal: two files of one name in two folders."""
    taken: dict[str, int] = {}
    found = []
    for variant in variants:
        count = taken[variant.label] = taken.get(variant.label, 0) + 1
        label = variant.label if count == 1 else f"{variant.label} ({count})"
        found.append(Variant(label, variant.spec, variant.changes))
    return tuple(found)


def spec_path(name: str, sweep_file: str | os.PathLike[str]) -> str:
    """A spec that a sweep names: a shipped one by its bare name, else a path from the sweep's folder."""
    from archspec.language.shipped import find_shipped

    beside = Path(sweep_file).parent / name
    if beside.is_file() or find_shipped(name) is None:
        return str(beside)
    return name
