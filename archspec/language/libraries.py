"""Block libraries: files named by `use`, libraries written out in it, and the standard library."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from archspec.language.access import Access
from archspec.language.blocks import parse_blocks
from archspec.language.message_text import short, value_text
from archspec.language.sections import Sections, read_sections
from archspec.language.syntax import At, Errors, Library
from archspec.source import Document, read

STDLIB: Final = Path(__file__).parent.parent / "stdlib"


class Libraries:
    """Reads libraries, each file once."""

    def __init__(self, access: Access, errors: Errors) -> None:
        self.access = access
        self.errors = errors
        self.read: dict[Path, Library | None] = {}  # None: being read

    def used_by(self, user: Library, sections: Sections) -> None:
        """Read all that `use` names into `user.uses`; the standard library comes last."""
        user.uses = (*self._uses(sections, user), standard_library())

    def _uses(self, sections: Sections, user: Library) -> tuple[Library, ...]:
        if "use" not in sections.scalars:
            return ()
        raw, at = sections.scalars["use"]
        listed = [(r, at / k) for k, r in enumerate(raw)] if isinstance(raw, list) else [(raw, at)]
        libraries: list[Library] = []
        owner: dict[str, Library] = {}
        for item, place in listed:
            library = self._library(item, place, sections.folder)
            if library is None:
                user.incomplete = True
                continue
            for name in library.blocks:
                other = owner.setdefault(name, library)
                if other is not library:
                    self.errors.add("SPEC027", f"block `{short(name)}` comes from two libraries", place,
                                    hint="rename one of them",
                                    related=[(lib.blocks[name].at.key, "defined here") for lib in (other, library)])
            if library not in libraries:
                libraries.append(library)
        return tuple(libraries)

    def _library(self, raw: Any, at: At, folder: Path) -> Library | None:
        if isinstance(raw, dict):
            sections = read_sections(at, raw, folder, self.errors, library=True, inline=True)
            return self._parsed(sections, Library(f"the library at {at}"))
        path = self.access.locate(raw, at, folder, "use")
        if path is None:
            return None
        if path in self.read:
            library = self.read[path]
            if library is None:
                self.errors.add("SPEC026", f"circular `use` through {value_text(path.name)}", at,
                                hint="one of these files must not use the other")
            return library
        document = self.access.read(path, raw, at)
        if document is None:
            return None
        self.read[path] = None
        library = self.read[path] = self._of_file(document, path.parent)
        return library

    def _of_file(self, document: Document, folder: Path) -> Library:
        sections = read_sections(At(document), document.data, folder, self.errors, library=True)
        return self._parsed(sections, Library(document.name, documents=frozenset([document.name])))

    def _parsed(self, sections: Sections | None, library: Library) -> Library:
        if sections is None:
            library.incomplete = True
            return library
        library.vars = sections.sections["vars"]
        self.used_by(library, sections)
        parse_blocks(sections.sections["blocks"], library, self.errors)
        return library


_standard: list[Library] = []


def standard_library() -> Library:
    """The blocks that come with archspec, written in its own language."""
    if not _standard:
        errors = Errors()
        documents = [read(path, name=f"archspec/stdlib/{path.name}") for path in sorted(STDLIB.glob("*.yaml"))]
        library = Library("the standard library", documents=frozenset(d.name for d in documents))
        for document in documents:
            errors.read(document)
            place = At(document) / "blocks"
            parse_blocks({k: (raw, place / k) for k, raw in document.data["blocks"].items()}, library, errors)
        errors.raise_any()
        _standard.append(library)
    return _standard[0]
