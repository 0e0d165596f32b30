"""Files → Program: a spec with what it extends and uses, and `--set` applied."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from archspec.diagnostics import listing
from archspec.language.access import Access
from archspec.language.blocks import parse_blocks
from archspec.language.input_override import InputShapes, override_input
from archspec.language.libraries import STDLIB, Libraries, standard_library
from archspec.language.message_text import close, did_you_mean, short, value_text
from archspec.language.names import check_name
from archspec.language.parse import parse_body
from archspec.language.sections import EXAMPLES, SCALARS, SECTIONS, Sections, overlay, read_sections
from archspec.language.syntax import At, Body, Errors, Library, Program
from archspec.source import BROKEN, Document, Limits, parse
from archspec.text import shell

__all__ = ["SCALARS", "SECTIONS", "STDLIB", "Loader", "Options", "standard_library"]

_NAME: Final = re.compile(r"[^/\\\x00-\x1f\x7f]{1,100}")  # it also names files and folders


class Options(NamedTuple):
    """How to load: overrides `SECTION.KEY=VALUE`, further folders that may be read, limits of a text.

    texts: of files that an editor has open, in place of what is on the disk.
    """

    sets: tuple[str, ...] = ()
    includes: tuple[Path, ...] = ()
    limits: Limits = Limits()
    input: InputShapes | None = None
    texts: Mapping[Path, str] = MappingProxyType({})


class Loader:
    """Reads one spec with all the files that it names. mended: what to do with the text of each of these."""

    def __init__(
        self, root: Path, options: Options, errors: Errors, mended: Callable[[Document], Document] = lambda text: text
    ) -> None:
        self.options = options
        self.errors = errors
        self.access = Access(root, options.includes, options.limits, errors, options.texts, mended)
        self.files: list[str] = []  # of the spec and what it extends: its user's own
        self.documents: list[Document] = []  # the same, as far as they could be read

    def program(self, document: Document, folder: Path, stem: str) -> Program | None:
        """The whole spec, or None if nothing can be said of it."""
        self.errors.read(document)
        merged = self._merged(document, folder, ())
        if merged is None:
            return None
        overridden = self._apply_sets(merged)
        library = Library(document.name, documents=frozenset(self.files), vars=merged.sections["vars"])
        Libraries(self.access, self.errors).used_by(library, merged)
        parse_blocks(merged.sections["blocks"], library, self.errors)
        top = At(document)
        self._check_present(merged, top)
        name = self._text(merged, "name", stem)
        return Program(
            name=name,
            description=self._text(merged, "description", ""),
            library=library,
            input=merged.scalars.get("input", (None, top)),
            outputs=merged.scalars.get("outputs", (None, top)),
            stages=self._stages(merged),
            data=_plain(merged, name),
            places={s: {k: at for k, (_, at) in merged.sections[s].items()} for s in SECTIONS},
            tops=merged.tops,
            files=tuple(self.files),
            overridden=overridden,
            documents=tuple(self.documents),
        )

    def library(self, document: Document, folder: Path) -> Program | None:
        """A library as a program without a network, or None if nothing can be said of it."""
        self.errors.extend(document.errors)
        self.files.append(document.name)
        top = At(document)
        sections = read_sections(top, document.data, folder, self.errors, library=True)
        if sections is None:
            return None
        library = Library(document.name, documents=frozenset(self.files), vars=sections.sections["vars"])
        Libraries(self.access, self.errors).used_by(library, sections)
        parse_blocks(sections.sections["blocks"], library, self.errors)
        return Program(
            name=document.name, description="", library=library, input=(None, top), outputs=(None, top), stages={},
            data={}, places={s: {} for s in SECTIONS}, tops=sections.tops, files=tuple(self.files),
            documents=(document,),
        )

    def _merged(self, document: Document, folder: Path, chain: tuple[Path, ...]) -> Sections | None:
        """One file's keys over those of the file that it extends."""
        self.files.append(document.name)
        self.documents.append(document)
        own = read_sections(At(document), document.data, folder, self.errors)
        if own is None or "extends" not in own.scalars:
            return own
        raw, at = own.scalars["extends"]
        path = self.access.locate(raw, at, folder, "extends")
        if path is None:
            return None
        if path in chain:
            names = [p.name for p in (*chain[chain.index(path) :], path)]
            self.errors.add("SPEC026", f"circular `extends`: {short(' → '.join(names))}", at,
                            hint="one of these files must stand on its own")
            return None
        base_document = self.access.read(path, raw, at)
        if base_document is None:
            return None
        base = self._merged(base_document, path.parent, (*chain, path))
        return None if base is None else overlay(base, own, self.errors)

    def _check_present(self, merged: Sections, top: At) -> None:
        missing = [key for key in ("input", "stages") if not (merged.scalars.get(key) or merged.sections.get(key))]
        missing = [key for key in missing if key not in self.errors.lost and not self._was_broken(key, top)]
        if missing:
            self.errors.add("SPEC011", f"the spec has no {' and no '.join(f'`{key}`' for key in missing)}", top,
                            hint="; ".join(EXAMPLES[key] for key in missing))

    def _was_broken(self, key: str, top: At) -> bool:
        """Whether the key is there, but has no value because of a mistake reported already."""
        raw = top.document.data.get(key)
        return raw is BROKEN or (raw is not None and not isinstance(raw, dict))

    def _text(self, merged: Sections, key: str, default: str) -> str:
        """`name` or `description`."""
        value, at = merged.scalars.get(key, (default, None))
        if value is BROKEN or (value is None and key == "description"):
            return default
        if isinstance(value, (bool, int, float)) and key == "description":
            return str(value)
        if not isinstance(value, str):
            self.errors.add("SPEC012", f"`{key}` must be text, got {value_text(value)}", at)
            return default
        if key == "name" and at is not None and (not _NAME.fullmatch(value) or not value.strip(". ")):
            self.errors.add("SPEC022", f"name `{short(value)}` cannot name a file", at,
                            hint="write a plain word, such as `name: lenet`")
            return default
        return value

    def _stages(self, merged: Sections) -> dict[str, Body]:
        stages = {}
        for name, (raw, at) in merged.sections["stages"].items():
            check_name(name, at, self.errors, what="stage")
            stages[name] = parse_body(raw, at, self.errors, owner="stage")
        return stages

    def _apply_sets(self, merged: Sections) -> list[Any]:
        """Lay `--set` and `--input` over the file; returns the values that they replace."""
        replaced: list[Any] = []
        if self.options.input is not None or any(text.startswith("vars.") for text in self.options.sets):
            replaced += [raw for raw, _ in merged.sections["expect"].values()]
            merged.sections["expect"] = {}  # of another network, as a variant's base
        if self.options.input is not None:
            written = merged.scalars.get("input")
            merged.scalars["input"], old = override_input(written, self.options.input, self.errors)
            replaced += old
        replaced += self._fields_of_another_optimizer(merged)
        for text in self.options.sets:
            if self._set(text, merged, replaced):
                continue
            self.errors.add("SPEC012", f"`--set {short(text)}` is not vars.NAME=VALUE or train.NAME=VALUE", None,
                            hint=_meant_override(text, merged))
        return replaced

    def _fields_of_another_optimizer(self, merged: Sections) -> list[Any]:
        """Remove the fields that the file's optimizer takes and the one of `--set train.optimizer=…` does not."""
        values = [text.partition("=")[2] for text in self.options.sets if text.startswith("train.optimizer=")]
        if not values:
            return []
        from archspec.language.recipe import other_optimizers_fields

        chosen = values[-1].strip().strip("\"'")
        names = merged.sections["train"]
        own = names["optimizer"][0] if "optimizer" in names else None
        return [names.pop(field)[0] for field in sorted(other_optimizers_fields(own, chosen)) if field in names]

    def _set(self, text: str, merged: Sections, replaced: list[Any]) -> bool:
        """Lay one `SECTION.KEY=VALUE` over the file; False where it is none."""
        key, equals, value = text.partition("=")
        section, _, name = key.partition(".")
        if section not in ("vars", "train") or not name or not equals:
            return False
        names = merged.sections[section]
        if section == "vars" and name not in names:
            self.errors.add("SPEC010", f"`--set`: the spec has no var `{short(name)}`", None,
                            hint=did_you_mean(name, names) or f"its vars: {listing(names)}")
            return True
        document = parse(value, f"--set {short(key)}", self.options.limits)
        self.errors.read(document)
        if name in names:
            replaced.append(names[name][0])
        names[name] = (document.data, At(document))
        merged.tops.setdefault(section, At(document))
        return True


def _meant_override(text: str, merged: Sections) -> str | None:
    """`growth=24` for a var `growth_rate`: how it is written."""
    from archspec.language.recipe import Recipe  # only here: a spec without a recipe is checked without it

    key, equals, value = text.partition("=")
    name = key.rpartition(".")[2]
    for section, names in (("vars", [*merged.sections["vars"]]), ("train", [*Recipe.model_fields])):
        parts = (n for n in names if name in n and len(name) > 2)
        found = name if name in names else close(name, names) or next(parts, None)
        if found and equals:
            return f"write `{shell('--set', f'{section}.{found}={short(value)}')}`"
    return None


def _plain(merged: Sections, name: str) -> dict[str, Any]:
    """The merged spec as plain data: what the Pydantic model reads and a resolved file holds."""
    data: dict[str, Any] = {"archspec": 1, "name": name}
    data.update({k: raw for k, (raw, _) in merged.scalars.items() if k in ("description", "input", "use", "outputs")})
    for section in SECTIONS:
        if merged.sections[section]:
            data[section] = {k: raw for k, (raw, _) in merged.sections[section].items()}
    return data
