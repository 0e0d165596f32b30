"""Opens what the caller passes as a spec: a file, a shipped spec, a text, data, or an editor's text."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from archspec.diagnostics import SpecError
from archspec.language.files import Options
from archspec.language.shipped import find_shipped, shipped_specs
from archspec.source import Document, document_of, parse, read
from archspec.text import shell


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file as an editor holds it: its text counts, and not what is on the disk.

    others: further texts that do, by their paths without links.
    """

    path: Path
    text: str
    others: Mapping[Path, str] = field(default_factory=dict)


def open_document(source: Any, options: Options) -> tuple[Document, Path, Path, str]:
    """The text, the folder that its references start from, the folder tree that it may read, and a name.

    source: as for `examine`, except a Loaded. Raises SpecError if it cannot be read or parsed, TypeError for another
    type.
    """
    here = Path.cwd()
    if hasattr(source, "to_data"):
        source = source.to_data()
    if isinstance(source, OpenFile):
        folder = source.path.parent
        return parse(source.text, str(source.path), options.limits), folder, folder, source.path.stem
    if isinstance(source, Mapping):
        return document_of(dict(source)), here, here, "network"
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"a spec is a path, a text, a mapping or an ArchSpec, not {type(source).__name__}")
    if isinstance(source, str) and "\n" in source:
        return parse(source, "<text>", options.limits), here, here, "network"
    path = Path(source)
    stem = "network" if path.name == "-" else path.stem  # `-`: standard input of a command
    shipped = find_shipped(str(source)) if not os.path.lexists(path) else None
    if shipped is not None:
        root, path = shipped
        return read(path, options.limits), path.parent, root, path.stem
    try:
        return read(path, options.limits), path.parent, path.parent, stem
    except SpecError as problem:
        raise _with_shipped_name(problem, str(source), path) from None


def _with_shipped_name(problem: SpecError, name: str, path: Path) -> SpecError:
    """The error, where there is no such file: with a hint at the shipped spec that may be meant."""
    (first, *_) = problem.diagnostics
    if first.code != "SPEC001" or first.hint is not None or os.path.lexists(path):
        return problem
    from archspec.diagnostics import nearest
    from archspec.language.access import similar_file

    if path.suffix and (beside := similar_file(path)) is not None:
        folder = name[: len(name) - len(path.name)]
        return SpecError([replace(first, hint=beside.prefixed(folder).words())])
    known = {shipped.rpartition("/")[2]: shipped for shipped in shipped_specs()}
    close = nearest(path.stem, known)
    hint = "`archspec list specs` lists the specs shipped with archspec"
    if close and path.name == name:  # who names a folder wants a file of their own
        hint = f"write `{known[close]}` for the spec shipped with archspec; {hint}"
    elif name.startswith("folder:"):  # given where an option takes no data set, as to `validate --data`
        hint = f"expected a spec; `{shell('archspec', 'data', 'check', name)}` looks at a data set"
    return SpecError([replace(first, hint=hint)])
