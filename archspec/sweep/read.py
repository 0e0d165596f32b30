"""Reads a sweep file into a `Sweep`, and reports every mistake at its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from archspec.diagnostics import error
from archspec.language.detect import SWEEP_KEY as VERSION_KEY
from archspec.language.message_text import value_text
from archspec.language.other_files import FileKind, FileReader
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN, DEFAULT_LIMITS, Document, Limits, parse, read
from archspec.sweep.axes import check_distinct, read_grid, read_zip
from archspec.sweep.changes import can_change, read_changes
from archspec.sweep.draws import read_random
from archspec.sweep.model import Changes, Random, Run, Sweep, Value
from archspec.sweep.repeats import check_seeds, is_count, read_seeds
from archspec.sweep.sampling import read_sample
from archspec.sweep.variants import VariantReader
from archspec.text import shell

if TYPE_CHECKING:
    from archspec.sweep.search.model import Search

KEYS: Final = (
    VERSION_KEY, "name", "description", "spec", "variants", "set", "grid", "zip", "random", "search", "runs", "where",
    "sample", "seeds", "devices", "limit_train", "limit_test",
)
MAX_DEVICES: Final = 1024


def read_sweep(source: str | Path, limits: Limits = DEFAULT_LIMITS) -> Sweep:
    """Read a sweep from a file. Raises SpecError with every mistake: SPEC0xx of the text, SWEEP4xx of the sweep."""
    document = read(source, limits)
    return sweep_of(document, Path(source).stem)


def sweep_text(text: str, name: str = "<text>") -> Sweep:
    """Read a sweep from a text. Raises SpecError as `read_sweep` does."""
    return sweep_of(parse(text, name), "sweep")


def recipes_of(spec: str) -> Sweep:
    """The sweep that trains a spec with each of its recipes, the default included. Raises SpecError."""
    from archspec.api import load
    from archspec.source import document_of

    loaded = load(spec)
    names = [name for name in loaded.recipes if name != "train"]
    runs: list[dict[str, Any]] = [{}] if "train" in loaded.recipes else []
    data = {VERSION_KEY: 1, "name": loaded.name, "spec": spec, "runs": runs + [{"recipe": name} for name in names]}
    return sweep_of(document_of(data), loaded.name)


def sweep_of(document: Document, stem: str) -> Sweep:
    """Read a sweep from a document. stem: its name if it has no `name`. Raises SpecError."""
    _check_kind(document)
    errors = Errors(document.errors)
    sweep = _Reader(_KIND, document, errors).sweep(stem)
    errors.raise_any()
    assert sweep is not None  # otherwise there were errors
    return sweep


def _check_kind(document: Document) -> None:
    """Raise SpecError if the document is a spec, with one message instead of one for each key."""
    data = document.data
    if isinstance(data, dict) and "archspec" in data and VERSION_KEY not in data:
        raise error(
            "SWEEP401", "this is a spec, not a sweep", span=(At(document) / "archspec").key.span(),
            hint=f"train it with each of its recipes: `{shell('archspec', 'sweep', document.name, '--recipes')}`; "
                 f"a sweep file begins with `{VERSION_KEY}: 1`",
        )


_KIND: Final = FileKind("sweep", VERSION_KEY, KEYS, "SWEEP401")


class _Reader(FileReader):
    """Reads one sweep."""

    def sweep(self, stem: str) -> Sweep | None:
        """The sweep, without the parts that could not be read."""
        self.check_keys()
        if self.data and VERSION_KEY not in self.data:
            self.fail("the format version is missing", self.top, hint="begin the file with `archspec-sweep: 1`")
        variants = VariantReader(self.data, self.top, self.errors).variants()
        axes = (*read_grid(*self._at("grid"), self.errors), *read_zip(*self._at("zip"), self.errors))
        sweep = Sweep(
            self.text("name", stem), self.text("description", ""), variants, self._changes("set"), axes,
            self._random(), self._runs(), self._where(),
            read_seeds(*self._at("seeds"), self.errors), self._limits(), self._search(),
            read_sample(*self._at("sample"), self.errors),
            self._devices(),
        )
        keys = [{key for point in axis for key in point} for axis in axes]
        if sweep.random is not None:
            keys.append(set(sweep.random.draws))
        check_distinct(keys, self.top, self.errors)
        check_seeds(sweep, self.errors)
        return sweep

    def _at(self, key: str) -> tuple[Any, At]:
        """The value of a key, and its place."""
        return self.data.get(key), self.top / key

    def _changes(self, key: str) -> Changes:
        return read_changes(*self._at(key), key, self.errors)

    def _can_change(self, key: str, at: At) -> bool:
        return can_change(key, at, self.errors)

    def _random(self) -> Random | None:
        raw, at = self._at("random")
        if raw is None or raw is BROKEN:
            return None
        return read_random(raw, at, self.errors, self._can_change)

    def _search(self) -> Search | None:
        raw, at = self._at("search")
        if raw is None or raw is BROKEN:
            return None
        from archspec.sweep.search.read import check_alone, read_search

        check_alone(self.data, self.top, self.errors)
        return read_search(raw, at, self.errors, self._can_change)

    def _runs(self) -> tuple[Run, ...]:
        raw, at = self._at("runs")
        if raw is None or raw is BROKEN:
            return ()
        if not isinstance(raw, list):
            self.fail(f"`runs` must be a list, got {value_text(raw)}", at, hint="write `runs: [{train.lr: 0.1}]`")
            return ()
        return tuple(self._run(item, at / k) for k, item in enumerate(raw))

    def _run(self, raw: Any, at: At) -> Run:
        """One entry of `runs`: changes, and possibly `seeds`."""
        if not isinstance(raw, dict):
            return Run(read_changes(raw, at, "runs", self.errors))
        changes = {key: value for key, value in raw.items() if key != "seeds"}
        seeds = read_seeds(raw.get("seeds"), at / "seeds", self.errors)
        return Run(read_changes(changes, at, "runs", self.errors), seeds)

    def _where(self) -> tuple[Value, ...]:
        raw, at = self._at("where")
        items = [(v, at / k) for k, v in enumerate(raw)] if isinstance(raw, list) else [(raw, at)]
        found = []
        for value, place in items:
            if value is None or value is BROKEN:
                continue
            if isinstance(value, str) and value.startswith("$"):
                found.append(Value(value, place))
            else:
                self.fail(f"`where` must be a condition, got {value_text(value)}", place,
                          hint="write `where: $(train.lr * vars.width < 10)`")
        return tuple(found)

    def _limits(self) -> dict[str, int]:
        found = {}
        for key in ("limit_train", "limit_test"):
            value = self.data.get(key)
            if value is None or value is BROKEN:
                continue
            if is_count(value, 2**40):
                found[key] = int(value)
            else:
                self.fail(f"`{key}` must be a number of images, got {value_text(value)}", self.top / key)
        return found

    def _devices(self) -> int:
        value = self.data.get("devices")
        if value is None or value is BROKEN:
            return 1
        if is_count(value, MAX_DEVICES):
            return int(value)
        self.fail(f"`devices` must be a whole number from 1 to {MAX_DEVICES}, got "
                  f"{value_text(value)}", self.top / "devices",
                  hint="write `devices: 2` to train each trial on two devices of one machine")
        return 1


def spec_path(name: str, sweep_file: str | os.PathLike[str]) -> str:
    """The path of a spec in a sweep: a shipped spec for a bare name, otherwise a path from the sweep's folder."""
    from archspec.language.shipped import find_shipped

    beside = Path(sweep_file).parent / name
    if beside.is_file() or find_shipped(name) is None:
        return str(beside)
    return name
