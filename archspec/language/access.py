"""The fence around what a spec may read: files below its own folder, and below folders that the user names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from archspec.diagnostics import SpecError, hints, nearest
from archspec.diagnostics.wording import Similar
from archspec.language.detect import has_suffix
from archspec.language.message_text import short, value_text
from archspec.language.shipped import find_shipped
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN, Document, Limits, parse, read
from archspec.text import shell

MAX_FILES: Final = 32  # read for one spec
_LISTED: Final = 300  # files of a folder whose names are compared with a misspelt one


class Access:
    """Finds and reads the files that `extends` and `use` name."""

    def __init__(
        self, root: Path, includes: Iterable[Path], limits: Limits, errors: Errors,
        texts: Mapping[Path, str] = MappingProxyType({}), mended: Callable[[Document], Document] = lambda text: text,
    ) -> None:
        self.roots = [root.resolve(), *(p.resolve() for p in includes)]
        self.limits = limits
        self.errors = errors
        self.texts = texts  # of files that an editor has open
        self.mended = mended  # what to do with each text
        self.count = 0

    def locate(self, raw: Any, at: At, folder: Path, key: str) -> Path | None:
        """The file meant by `raw` in a file of `folder`, links followed, if it lies where a spec may read."""
        if not isinstance(raw, str) or not raw or "\0" in raw:
            if raw is not BROKEN:
                self.errors.add("SPEC050", f"`{key}` must be a file's path, got {value_text(raw)}", at,
                                hint=f"write `{key}: FILE.yaml`")
            return None
        try:
            path = (folder / raw).resolve()
        except (OSError, RuntimeError, ValueError):  # a circle of links, a name too long
            path = Path("/")
        if not any(path.is_relative_to(root) for root in self.roots):
            self.errors.add("SPEC050", f"`{short(raw)}` is outside the spec's folder", at,
                            notes=[f"a spec may only read files below {self.roots[0]}"],
                            hint="move the file there, or allow its folder with `--include DIR`")
            return None
        return path

    def read(self, path: Path, raw: str, at: At) -> Document | None:
        """The file's text as data; its errors are noted, at the file's own places where it has any."""
        self.count += 1
        if self.count > MAX_FILES:
            self.errors.add("SPEC050", f"more than {MAX_FILES} files are read for one spec", at,
                            hint="put blocks that belong together into one file")
            return None
        shown = os.path.normpath(os.path.join(os.path.dirname(at.document.name), raw))  # noqa: PTH118, PTH120
        shown = "".join(c if c.isprintable() else "?" for c in shown)
        try:
            text = self.texts.get(path)
            document = read(path, self.limits, name=shown) if text is None else parse(text, shown, self.limits)
        except SpecError as e:
            if any(d.span is not None for d in e.diagnostics):
                self.errors.extend(e.diagnostics)  # the file itself is broken
            else:
                first = e.diagnostics[0]
                self.errors.add("SPEC050", first.message, at, notes=first.notes,
                                hint=_other_file(path, raw, at) or first.hint)
            return None
        self.errors.read(document)
        return self.mended(document)


def _other_file(path: Path, raw: str, at: At) -> str | None:
    """The hint where a file that is not there has another ending, or is one of archspec's own."""
    for suffix in (".yaml", ".yml"):
        if path.with_name(path.name + suffix).is_file():
            return hints.write(f"{short(raw)}{suffix}")
    if at.path == ("extends",) and (shipped := find_shipped(raw.removesuffix(".yaml"))) is not None:
        root, file = shipped
        name = file.relative_to(root).with_suffix("").as_posix()
        command = f"`archspec list specs {shell(name)} > {shell(file.name)}`"
        return f"{command} saves the spec shipped with archspec beside this file"
    return _neighbour(path, raw)


def _neighbour(path: Path, raw: str) -> str | None:
    """The hint at a file with a similar name in the same folder."""
    close = similar_file(path)
    if close is None:
        return None
    folder = raw[: len(raw) - len(Path(raw).name)]
    return hints.near(close.prefixed(folder))


def similar_file(path: Path) -> Similar | None:
    """The YAML file beside `path` whose name is most similar to its name, if a name is."""
    try:
        with os.scandir(path.parent) as entries:
            names = {Path(entry.name).stem: entry.name for entry in islice(entries, _LISTED) if has_suffix(entry.name)}
    except OSError:
        return None
    close = nearest(path.stem, names)  # without the endings, which make all names similar
    return Similar([names[stem] for stem in close.rivals or (close,)], path.stem) if close is not None else None
