"""Files → Program: `extends`, `use`, `--set`, and the fence around what a spec may read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archspec.diagnostics import SpecError, listing
from archspec.source import BROKEN, Document, Limits, parse, read
from archspec.spec.parse import check_name, did_you_mean, parse_block, parse_body, short
from archspec.spec.syntax import At, Body, Errors, Library, Program

SECTIONS = ("vars", "blocks", "stages", "expect", "train", "recipes")  # mappings
SCALARS = ("archspec", "name", "description", "input", "use", "extends")
INHERITED = ("vars", "blocks", "stages", "train", "recipes")
MAX_FILES = 32
STDLIB = Path(__file__).parent.parent / "stdlib"


@dataclass(frozen=True, slots=True)
class Options:
    """How to load: overrides `SECTION.KEY=VALUE`, further folders that may be read, limits of a text."""

    sets: tuple[str, ...] = ()
    includes: tuple[Path, ...] = ()
    limits: Limits = field(default_factory=Limits)
    input: tuple[int, ...] | None = None


@dataclass(slots=True)
class _Layered:
    """One file's content over that of the file it extends: value and place of each key."""

    scalars: dict[str, tuple[Any, At]]
    sections: dict[str, dict[str, tuple[Any, At]]]
    folders: dict[int, Path]  # of each document, by identity


class Loader:
    """Reads one spec with all the files that it names."""

    def __init__(self, root: Path, options: Options, errors: Errors) -> None:
        self.roots = [root.resolve(), *(p.resolve() for p in options.includes)]
        self.options = options
        self.errors = errors
        self.count = 0
        self.files: list[str] = []  # of the spec and what it extends: its user's own
        self.libraries: dict[Path, Library | None] = {}

    def program(self, document: Document, folder: Path, stem: str) -> Program | None:
        """The whole spec, or None if nothing can be said of it."""
        layered = self._layers(document, folder, ())
        if layered is None:
            return None
        self._apply_sets(layered)
        library = Library(document.name)
        library.vars = layered.sections["vars"]
        library.uses = (*self._uses(layered, library), standard_library())
        self._shadowing(layered, library)
        for name, (raw, at) in layered.sections["blocks"].items():
            block = parse_block(name, raw, at, library, self.errors)
            if block is None:
                library.lost.add(name)
            else:
                library.blocks[name] = block
        top = At(document)
        for key in ("input", "stages"):
            missing = key not in layered.scalars if key == "input" else not layered.sections["stages"]
            if missing:
                self.errors.add("SPEC011", f"the spec has no `{key}`", top, hint=_EXAMPLES[key])
        name = layered.scalars.get("name", (stem, top))[0]
        if not isinstance(name, str):
            self.errors.add("SPEC012", f"`name` must be text, got {short(name)}", layered.scalars["name"][1])
            name = stem
        return Program(
            name=name,
            description=str(layered.scalars.get("description", ("", top))[0] or ""),
            library=library,
            input=layered.scalars.get("input", (None, top)),
            stages=self._stages(layered),
            data=_plain(layered, name),
            places={s: {k: at for k, (_, at) in layered.sections[s].items()} for s in SECTIONS},
            files=tuple(self.files),
        )

    # -- a file and what it extends --------------------------------------------------------------------

    def _layers(self, document: Document, folder: Path, chain: tuple[Path | str, ...]) -> _Layered | None:
        self.errors.extend(document.errors)
        self.files.append(document.name)
        own = self._sections(document)
        if own is None:
            return None
        own.folders[id(document)] = folder
        if "extends" not in own.scalars:
            return own
        raw, at = own.scalars["extends"]
        base = self._extended(raw, at, folder, chain)
        return None if base is None else self._overlay(base, own)

    def _extended(self, raw: Any, at: At, folder: Path, chain: tuple[Path | str, ...]) -> _Layered | None:
        path = self._locate(raw, at, folder, "extends")
        if path is None:
            return None
        if path in chain:
            names = [Path(p).name for p in (*chain[chain.index(path) :], path)]
            self.errors.add("SPEC026", f"`extends` runs in a circle: {' → '.join(names)}", at,
                            hint="one of these files must stand on its own")
            return None
        document = self._read(path, raw, at)
        return None if document is None else self._layers(document, path.parent, (*chain, path))

    def _sections(self, document: Document) -> _Layered | None:
        data, top = document.data, At(document)
        if not isinstance(data, dict):
            what = "empty" if data is None else "not a mapping"
            self.errors.add("SPEC012", f"the file is {what}, a spec is a mapping of keys", top,
                            hint="begin with `archspec: 1`; `archspec init FILE` writes an example")
            return None
        out = _Layered({}, {s: {} for s in SECTIONS}, {})
        for key, raw in data.items():
            at = top / key
            if key in SCALARS:
                out.scalars[key] = (raw, at)
            elif key not in SECTIONS:
                known = (*SCALARS, *SECTIONS)
                self.errors.add("SPEC010", f"unknown key `{short(key)}`", at, key=True,
                                hint=did_you_mean(key, known) or f"known: {listing(known)}")
            elif isinstance(raw, dict):
                out.sections[key] = {k: (v, at / k) for k, v in raw.items()}
            elif raw is not None and raw is not BROKEN:
                self.errors.add("SPEC012", f"`{key}` must be a mapping, got {short(raw)}", at, hint=_EXAMPLES.get(key))
        self._version(out, top)
        return out

    def _version(self, layered: _Layered, top: At) -> None:
        if "archspec" not in layered.scalars:
            self.errors.add("SPEC011", "the format version is missing", top, hint="begin the file with `archspec: 1`")
            return
        version, at = layered.scalars["archspec"]
        if version != 1 or isinstance(version, bool):
            self.errors.add("SPEC013", f"format version {short(version)} is not supported", at,
                            hint="this archspec reads `archspec: 1`")

    def _overlay(self, base: _Layered, own: _Layered) -> _Layered:
        """A variant over its base: one level deep, key by key; null removes."""
        sections: dict[str, dict[str, tuple[Any, At]]] = {}
        for section in SECTIONS:
            merged = dict(base.sections[section]) if section in INHERITED else {}
            for key, (raw, at) in own.sections[section].items():
                if raw is not None:
                    merged[key] = (raw, at)
                elif section in INHERITED and merged.pop(key, None) is None:
                    self.errors.add("SPEC012", f"there is no `{key}` to remove from `{section}`", at, key=True,
                                    hint=did_you_mean(key, merged))
            sections[section] = merged
        kept = {k: v for k, v in base.scalars.items() if k not in ("name", "description")}
        return _Layered({**kept, **own.scalars}, sections, {**base.folders, **own.folders})

    # -- other files -----------------------------------------------------------------------------------

    def _locate(self, raw: Any, at: At, folder: Path, key: str) -> Path | None:
        """The file meant by `extends` or `use`, if it lies where a spec may read."""
        if not isinstance(raw, str) or not raw or "\0" in raw:
            if raw is not BROKEN:
                self.errors.add("SPEC050", f"`{key}` must be a file's path, got {short(raw)}", at)
            return None
        try:
            path = (folder / raw).resolve()
        except (OSError, RuntimeError, ValueError):
            path = Path("/")
        if not any(path.is_relative_to(root) for root in self.roots):
            self.errors.add("SPEC050", f"`{short(raw)}` lies outside the spec's folder", at,
                            notes=[f"a spec may read below {self.roots[0]}"],
                            hint="move the file there, or allow its folder with `--include DIR`")
            return None
        return path

    def _read(self, path: Path, raw: str, at: At) -> Document | None:
        self.count += 1
        if self.count > MAX_FILES:
            self.errors.add("SPEC050", f"more than {MAX_FILES} files are read for one spec", at)
            return None
        shown = os.path.normpath(os.path.join(os.path.dirname(at.document.name), raw))  # noqa: PTH118, PTH120
        try:
            return read(path, self.options.limits, name=shown)
        except SpecError as e:
            if e.diagnostics[0].span is not None:
                self.errors.extend(e.diagnostics)  # the file itself is broken
            else:
                first = e.diagnostics[0]
                self.errors.add("SPEC050", first.message, at, notes=first.notes, hint=first.hint)
            return None

    def _uses(self, layered: _Layered, user: Library) -> tuple[Library, ...]:
        if "use" not in layered.scalars:
            return ()
        raw, at = layered.scalars["use"]
        listed = [(r, at / k) for k, r in enumerate(raw)] if isinstance(raw, list) else [(raw, at)]
        libraries: list[Library] = []
        owner: dict[str, Library] = {}
        for item, place in listed:
            library = self._library(item, place, layered.folders[id(at.document)])
            user.incomplete |= library is None
            for name in library.blocks if library else ():
                other = owner.setdefault(name, library)  # type: ignore[arg-type]
                if other is not library:
                    self.errors.add("SPEC027", f"block `{name}` comes from two libraries", place,
                                    notes=[f"{other.name} has it too"], hint="rename one of them")
            if library is not None and library not in libraries:
                libraries.append(library)
        return tuple(libraries)

    def _library(self, raw: Any, at: At, folder: Path) -> Library | None:
        path = self._locate(raw, at, folder, "use")
        if path is None:
            return None
        if path in self.libraries:
            if self.libraries[path] is None:
                self.errors.add("SPEC026", f"`use` runs in a circle through {path.name}", at,
                                hint="one of these files must not use the other")
            return self.libraries[path]
        document = self._read(path, raw, at)
        if document is None:
            return None
        self.libraries[path] = None  # being read
        library = self._library_of(document, path.parent)
        self.libraries[path] = library
        return library

    def _library_of(self, document: Document, folder: Path) -> Library:
        self.errors.extend(document.errors)
        library = Library(document.name)
        layered = self._sections(document)
        if layered is None:
            return library
        layered.folders[id(document)] = folder
        library.vars = layered.sections["vars"]
        library.uses = (*self._uses(layered, library), standard_library())
        for name, (raw, at) in layered.sections["blocks"].items():
            block = parse_block(name, raw, at, library, self.errors)
            if block is None:
                library.lost.add(name)
            else:
                library.blocks[name] = block
        return library

    # -- the rest ----------------------------------------------------------------------------------------

    def _shadowing(self, layered: _Layered, library: Library) -> None:
        used = {name for lib in library.uses[:-1] for name in lib.blocks}
        for name, (_, at) in layered.sections["blocks"].items():
            if name in used:
                self.errors.add("SPEC027", f"block `{name}` is defined here and in a library of `use`", at, key=True,
                                hint="rename one of them")

    def _stages(self, layered: _Layered) -> dict[str, Body]:
        stages = {}
        for name, (raw, at) in layered.sections["stages"].items():
            check_name(name, at, self.errors, what="stage")
            stages[name] = parse_body(raw, at, self.errors, owner="stage")
        return stages

    def _apply_sets(self, layered: _Layered) -> None:
        """Lay the overrides over the spec. Another input or var makes another network: `expect` is not for it."""
        if self.options.input is not None:
            layered.scalars["input"] = (list(self.options.input), At(_said("--input", str(list(self.options.input)))))
        for text in self.options.sets:
            key, _, value = text.partition("=")
            section, _, name = key.partition(".")
            document = _said(f"--set {key}", value)
            at = At(document)
            if section not in ("vars", "train") or not name or "=" not in text:
                self.errors.add("SPEC012", f"`--set {short(text)}` is not vars.NAME=VALUE or train.NAME=VALUE", None)
            elif section == "vars" and name not in layered.sections["vars"]:
                names = layered.sections["vars"]
                self.errors.add("SPEC010", f"`--set`: the spec has no var `{short(name)}`", None,
                                hint=did_you_mean(name, names) or f"its vars: {listing(names)}")
            else:
                self.errors.extend(document.errors)
                layered.sections[section][name] = (document.data, at)
        if self.options.input is not None or any(text.startswith("vars.") for text in self.options.sets):
            layered.sections["expect"] = {}


_EXAMPLES = {
    "input": "write `input: [channels, height, width]`, such as `input: [1, 28, 28]`",
    "stages": "write `stages: {name: [layer, …], …}`",
    "vars": "write `vars: {num_classes: 10}`",
    "blocks": "write `blocks: {name: {params: {channels: int}, body: […]}}`",
    "expect": "write `expect: {output: [10]}`",
}


def _said(name: str, value: str) -> Document:
    return parse(value, name)


def _plain(layered: _Layered, name: str) -> dict[str, Any]:
    """The merged spec as plain data: what the Pydantic model reads and a resolved file holds."""
    data: dict[str, Any] = {"archspec": 1, "name": name}
    data.update({k: raw for k, (raw, _) in layered.scalars.items() if k in ("description", "input", "use")})
    for section in SECTIONS:
        if layered.sections[section]:
            data[section] = {k: raw for k, (raw, _) in layered.sections[section].items()}
    return data


_standard: list[Library] = []


def standard_library() -> Library:
    """The blocks that come with archspec, written in its own language."""
    if not _standard:
        errors = Errors()
        library = Library("standard library")
        for path in sorted(STDLIB.glob("*.yaml")):
            document = read(path, name=f"archspec/stdlib/{path.name}")
            errors.extend(document.errors)
            for name, raw in document.data["blocks"].items():
                block = parse_block(name, raw, At(document, ("blocks", name)), library, errors)
                assert block is not None
                library.blocks[name] = block
        errors.raise_any()
        _standard.append(library)
    return _standard[0]
