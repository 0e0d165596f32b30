"""One file's keys, sorted into sections, and a variant's laid over those of the file that it extends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from archspec.diagnostics import Hint, hints, listing
from archspec.language import fixes
from archspec.language.detect import SWEEP_KEY
from archspec.language.message_text import close, did_you_mean, short, value_text
from archspec.language.names import check_name
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN

SECTIONS: Final = ("vars", "blocks", "stages", "expect", "train", "recipes")  # mappings
SCALARS: Final = ("archspec", "name", "description", "input", "use", "outputs", "extends")
INHERITED: Final = ("vars", "blocks", "stages", "train", "recipes")
OF_LIBRARY: Final = ("archspec", "name", "description", "use", "vars", "blocks")

EXAMPLES: Final = {
    "input": "write `input: [channels, height, width]`, such as `input: [1, 28, 28]`",
    "stages": "write `stages: {name: [layer, …], …}`",
    "vars": "write `vars: {num_classes: 10}`",
    "blocks": "write `blocks: {name: {params: {channels: int}, body: […]}}`",
    "expect": "write `expect: {output: [10]}`",
    "train": "write `train: {data: fashion-mnist, lr: 0.1}`",
    "recipes": "write `recipes: {name: {epochs: 20}}`",
}


@dataclass(slots=True)
class Sections:
    """Value and place of each key. `folder`: where `use` starts from, which belongs to the file that wrote it.

    removed: sections that are null.
    """

    scalars: dict[str, tuple[Any, At]]
    sections: dict[str, dict[str, tuple[Any, At]]]
    tops: dict[str, At]  # section -> its place
    folder: Path
    removed: frozenset[str] = frozenset()


def read_sections(
    top: At, data: Any, folder: Path, errors: Errors, *, library: bool = False, inline: bool = False
) -> Sections | None:
    """The keys of one file; of a library, only those that a library has count. None if it is no mapping.

    inline: the library is written out in `use`, and needs no format version of its own.
    """
    if not _is_spec(top, data, errors):
        return None
    out = Sections({}, {s: {} for s in SECTIONS}, {}, folder)
    meant = _meant(data, top, errors)
    for key, raw in data.items():
        known, at = meant.get(key), top / key
        if known is None:
            continue
        if library and known not in OF_LIBRARY:
            if known == "extends":
                errors.add("SPEC012", "a library cannot extend another file", at, key=True,
                           hint="name that file in `use`")
        elif known in SCALARS:
            out.scalars[known] = (raw, at)
        elif isinstance(raw, dict):
            out.sections[known] = {k: (v, at / k) for k, v in raw.items()}
            out.tops[known] = at
        elif raw is None:
            out.removed |= {known}
        elif raw is not BROKEN:
            hint = fixes.listed_stages(EXAMPLES[known], at) if known == "stages" else EXAMPLES[known]
            errors.add("SPEC012", f"`{known}` must be a mapping, got {value_text(raw)}", at, hint=hint)
    if not inline:
        _version(out, top, errors)
    for name, (_, at) in out.sections["vars"].items():
        check_name(name, at, errors, what="var")
    return out


def _is_spec(top: At, data: Any, errors: Errors) -> bool:
    """Whether a file has keys, and is not a sweep."""
    if not isinstance(data, dict):
        what = "empty" if data is None else f"not a mapping: {value_text(data)}"
        if data is not BROKEN:
            errors.add("SPEC012", f"the file is {what}; a spec is a mapping of keys", top,
                       hint="begin with `archspec: 1`; `archspec init FILE` writes an example")
        return False
    if SWEEP_KEY in data and "archspec" not in data:
        errors.add("SPEC012", "this is a sweep, not a spec", top / SWEEP_KEY, key=True,
                   hint="`archspec sweep FILE` runs it, `archspec validate FILE` checks it")
        return False
    return True


def _meant(data: dict[str, Any], top: At, errors: Errors) -> dict[str, str]:
    """Each key → the key of a spec that it is, or that was probably meant; unknown keys are noted."""
    known = (*SCALARS, *SECTIONS)
    meant = {key: key for key in data if key in known}
    for key in data:
        if key not in known:
            found = close(key, [k for k in known if k not in meant.values()])
            errors.add("SPEC010", f"unknown key `{short(key)}`", top / key, key=True,
                       hint=hints.near(found) if found else f"known: {listing(known)}")
            if found:
                meant[key] = found
    return meant


def _version(out: Sections, top: At, errors: Errors) -> None:
    if "archspec" not in out.scalars:
        if "archspec" in errors.lost:
            return
        errors.add("SPEC011", "the format version is missing", top,
                   hint=fixes.field("begin the file with `archspec: 1`", top, "archspec", "1"))
        return
    version, at = out.scalars["archspec"]
    if version is not BROKEN and (version != 1 or not isinstance(version, int) or isinstance(version, bool)):
        errors.add("SPEC013", f"format version {value_text(version)} is not supported", at,
                   hint=Hint("this archspec reads `archspec: 1`", "1"))


def overlay(base: Sections, own: Sections, errors: Errors) -> Sections:
    """A variant over its base: one level deep, key by key; null removes a key, or a whole section of the base.

    The rest is the variant's, if it has it.

    Stages that the variant replaces keep their place in the order; new ones go last.
    """
    sections: dict[str, dict[str, tuple[Any, At]]] = {}
    for section in SECTIONS:
        merged = dict(base.sections[section]) if section in INHERITED and section not in own.removed else {}
        for key, (raw, at) in own.sections[section].items():
            if raw is not None or section not in INHERITED:
                merged[key] = (raw, at)
            elif merged.pop(key, None) is None:
                errors.add("SPEC012", f"there is no `{short(key)}` to remove from `{section}`", at, key=True,
                           hint=did_you_mean(key, merged) or fixes.removed("delete this line", at))
        sections[section] = merged
    kept = {k: v for k, v in base.scalars.items() if k not in ("name", "description")}
    folder = own.folder if "use" in own.scalars else base.folder
    scalars = {**kept, **own.scalars}
    if scalars.get("outputs", ("",))[0] is None:
        del scalars["outputs"]  # `outputs: null`: the last stage again
    return Sections(scalars, sections, {**base.tops, **own.tops}, folder)
