"""Definitions whose names are misspelt: nothing refers to them by that name, and several places by a similar one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from typing import Final, NamedTuple

from archspec.diagnostics import hints, plural
from archspec.diagnostics.wording import edits, path_text
from archspec.language.libraries import standard_library
from archspec.language.message_text import close, short
from archspec.language.names import RESERVED, WORD, check_name
from archspec.language.occurrences import BLOCK, LAYER, PARAM, STAGE, VAR, Occurrence, names_of_library
from archspec.language.parse import SEQUENTIAL, SHARE
from archspec.language.resolve import texts_of
from archspec.language.syntax import At, Errors, Library, Program
from archspec.ops import OPS
from archspec.source import Document

_COMPARED: Final = 100  # different unknown names that are compared with definitions
_MOST: Final = 20  # definitions that are found at once
_SHOWN: Final = 8  # places of uses
_NUMBER: Final = re.compile(r"[0-9]+[a-z]?$")  # what tells `stage4a` from `stage4b`, both of which may be meant

Use = tuple[Occurrence, Library]  # and the file that it is in
Space = tuple[Hashable, ...]  # where names of one kind are known: the vars of a file, the params of a block


class Misspelt(NamedTuple):
    """A definition, the name that was meant, the places that refer to that name, and what they mean instead."""

    definition: Occurrence
    what: str
    name: str
    uses: tuple[Occurrence, ...]
    instead: str

    def tell(self, errors: Errors) -> None:
        """Report it once, for all its uses."""
        one, name, places = self.definition, short(self.name), len(self.uses)
        owner = f" of `{short(one.owner)}`" if one.kind == PARAM else ""
        refer = f"{plural(places, 'place')} {'refers' if places == 1 else 'refer'}"
        more = [f"the same at {plural(places - _SHOWN, 'further place')}"] if places > _SHOWN else []
        errors.add(
            "SPEC029", f"nothing refers to the {self.what} `{short(one.name)}`{owner}, and {refer} to `{name}`, which "
            f"{self.instead}", one.at, hint=hints.write(self.name, safe=True), notes=more,
            related=[(use.at, f"`{name}` is written here") for use in self.uses[:_SHOWN]],
        )

    def renamed(self, document: Document) -> Document:
        """The document with the name that was meant, if the definition is in it."""
        at = self.definition.at
        return document.renamed(at.path, self.name, key=at.on_key) if document.name == at.document.name else document


def misspelt_definitions(program: Program, errors: Errors) -> list[Misspelt]:
    """The definitions that are misspelt, rather than their uses; those inside others come first.

    Such a definition is never referred to as it is spelt, no name is more similar to some unknown one, and that is
    written at more places than its own.
    """
    names = _Names(program)
    found = []
    for definition, uses in names.similar():
        name, own = definition.name, definition.at
        counted = Counter(use.name for use, _ in uses).most_common(2)
        meant = counted[0][0]
        if len(counted) > 1 and counted[1][1] == counted[0][1]:
            continue
        if names.words[meant] <= names.words[name] or name in errors.meant or {name, meant} & errors.lost:
            continue
        what = "input" if definition.kind == STAGE and own.path[:-1] == program.input[1].path else definition.kind
        if _is_overridden(own, program) or not check_name(meant, own, Errors(), what=what):
            continue
        places = [(use, home) for use, home in uses if use.name == meant]
        places.sort(key=lambda place: place[0].at.document.name != own.document.name)  # of its own file first
        outer = next(filter(None, (names.outer(*place) for place in places)), "")
        instead = f"is {outer} of that name" if outer else "nothing defines"
        found.append(Misspelt(definition, what, meant, tuple(use for use, _ in places), instead))
    return sorted(found[:_MOST], key=lambda one: -len(one.definition.at.path))


def _is_overridden(at: At, program: Program) -> bool:
    """Whether the definition comes from `--set`, or replaces that of a file below: then that refers to it."""
    if not at.path:
        return True
    others = (document for document in program.documents if document.name != at.document.name)
    return len(at.path) == 2 and any(other.node(at.path) is not None for other in others)


class _Names:
    """The names of a program, its libraries included.

    defined: the definitions of each space by their names. used: the names that are referred to in it. unknown: the
    uses that refer to nothing, or to what a closer definition would hide. blocks: their names by their places.
    standard: the names of the standard blocks. known: by the file, the names that a layer may have there. words: at how
    many places of the texts a word is written.
    """

    def __init__(self, program: Program) -> None:
        self.defined: dict[Space, dict[str, Occurrence]] = defaultdict(dict)
        self.used: dict[Space, set[str]] = defaultdict(set)
        homes = [library for library in program.library.all() if library is not standard_library()]
        found = [(one, home) for home in homes for one in names_of_library(home, program)]
        for one, home in found:
            space = _space(one, home)
            if one.defines:
                self.defined[space].setdefault(one.name, one)
            else:
                self.used[space].add(one.name)
        self.blocks = {
            (block.at.document.name, block.at.path): name for home in homes for name, block in home.blocks.items()
        }
        self.standard = standard_library().blocks.keys()
        self.known = {id(home): home.block_names() | OPS.keys() | {SEQUENTIAL, SHARE} for home in homes}
        self.unknown = [(one, home) for one, home in found if not one.defines and not self._is_known(one, home)]
        self.words = Counter(word for text in _texts(program, homes) for word in {*WORD.findall(text)})

    def similar(self) -> list[tuple[Occurrence, list[Use]]]:
        """The definitions that nothing refers to, each with the unknown uses that are similar to it."""
        uses: dict[int, list[Use]] = defaultdict(list)
        owners: dict[int, Occurrence] = {}
        nearest: dict[tuple[Hashable, ...], Occurrence | None] = {}
        for use, home in self.unknown:
            spaces = self._spaces(use, home)
            case = (use.name, use.kind == BLOCK and id(home), *spaces)
            if case not in nearest and len(nearest) < _COMPARED:
                nearest[case] = self._nearest(use, home, spaces)
            definition = nearest.get(case)
            if definition is not None:
                uses[id(definition)].append((use, home))
                owners[id(definition)] = definition
        return [(owners[key], found) for key, found in uses.items()]

    def _is_known(self, use: Occurrence, home: Library) -> bool:
        if self.outer(use, home):
            return False
        if use.kind == BLOCK:
            return use.name in self.known[id(home)]
        return use.name in RESERVED or any(use.name in self.defined[space] for space in self._spaces(use, home))

    def outer(self, use: Occurrence, home: Library) -> str:
        """What a use refers to that a closer definition would hide, which may be misspelt: a standard block, a var."""
        if use.kind == BLOCK and use.name in self.standard and use.name not in home.blocks:
            return "the standard block"
        if use.kind == VAR and use.name in home.vars and self._block_around(use) is not None:
            return "the var"
        return ""

    def _block_around(self, use: Occurrence) -> str | None:
        path, document = use.at.path, use.at.document.name
        places = ((document, path[:length]) for length in range(1, len(path)))
        return next((self.blocks[place] for place in places if place in self.blocks), None)

    def _spaces(self, use: Occurrence, home: Library) -> list[Space]:
        """The spaces in which the use may find its name."""
        if use.kind == VAR and (inside := self._block_around(use)) is not None:
            return [(PARAM, inside), *([] if use.name in home.vars else [_space(use, home)])]
        if use.kind in (VAR, BLOCK, PARAM):
            return [_space(use, home)]
        path, document = use.at.path, use.at.document.name
        lists = [(LAYER, document, path_text(path[:length])) for length in range(1, len(path))]
        return [*([(STAGE,)] if use.kind == STAGE else []), *(space for space in lists if space in self.defined)]

    def _nearest(self, use: Occurrence, home: Library, spaces: list[Space]) -> Occurrence | None:
        """The definition that the use is most similar to, of those that nothing refers to.

        None if several are equally similar, or another name is more so and this one differs by more than a slip.
        """
        if self.words[use.name] < 2:
            return None
        free = {name: space for space in spaces for name in self.defined[space]
                if name not in self.used[space] and _NUMBER.sub("", name) != _NUMBER.sub("", use.name)}
        near = close(use.name, free)
        if near is None or not near.sure:
            return None
        slip = _is_slip(near, use.name)
        if self.outer(use, home) and (not slip or _is_variant(near, use.name)):
            return None
        if not slip:
            every = [name for space in spaces for name in self.defined[space]]
            if use.kind == BLOCK:
                every = [name for name in self.known[id(home)] if name != use.name]
            nearest = close(use.name, every)
            if nearest is not None and _likeness(use.name, near) < _likeness(use.name, nearest):
                return None
        return self.defined[free[near]][near]


def _likeness(name: str, known: str) -> float:
    from difflib import SequenceMatcher  # as `close` compares names

    return SequenceMatcher(None, known.lower(), name.lower()).ratio()


def _is_slip(name: str, meant: str) -> bool:
    """Whether one character is too many, missing or another, or two neighbours are swapped (Damerau 1964)."""
    differ = [k for k, (one, other) in enumerate(zip(name, meant, strict=False)) if one != other]
    swapped = len(name) == len(meant) and len(differ) == 2 and sorted(name) == sorted(meant) and \
        differ[1] == differ[0] + 1
    return swapped or edits(name, meant) == 1


def _is_variant(name: str, of: str) -> bool:
    """Whether a name only adds to another, as `residuals` to `residual`."""
    return name.startswith(of) or name.endswith(of)


def _space(one: Occurrence, home: Library) -> Space:
    if one.kind == VAR:
        return VAR, id(home)
    if one.kind == PARAM:
        return PARAM, one.owner
    return (LAYER, one.at.document.name, one.owner) if one.kind == LAYER else (one.kind,)


def _texts(program: Program, homes: Iterable[Library]) -> Iterable[str]:
    """All texts and keys of the files, without what is for people."""
    documents = {document.name: document for document in program.documents}
    for home in homes:
        documents |= {block.at.document.name: block.at.document for block in home.blocks.values()}
        documents |= {at.document.name: at.document for _, at in home.vars.values()}
    sections = [value for document in documents.values() if isinstance(document.data, dict)
                for key, value in document.data.items() if key not in ("name", "description")]
    return texts_of(sections)
