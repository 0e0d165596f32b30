"""The syntax tree of a spec: bodies, layers and blocks, each knowing its place in the text."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from archspec.diagnostics import Edit, SourceSpan
from archspec.diagnostics.wording import path_text
from archspec.language.errors import Errors
from archspec.source import Document

__all__ = ["At", "Block", "Body", "Errors", "Layer", "Library", "Param", "Program"]


@dataclass(frozen=True, slots=True)
class At:
    """A place in a document: a value, or with `on_key` its key, or with `part` some characters of a scalar.

    path: the way to the value. part: (offset, length) in the scalar's text.
    """

    document: Document
    path: tuple[str | int, ...] = ()
    on_key: bool = False
    part: tuple[int, int] | None = None

    def __truediv__(self, step: str | int) -> At:
        return At(self.document, (*self.path, step))

    @property
    def key(self) -> At:
        """The place of the value's key."""
        return At(self.document, self.path, True)

    def inside(self, offset: int, length: int) -> At:
        """The place of some characters of this scalar."""
        return At(self.document, self.path, self.on_key, (offset, length))

    def span(self, *, key: bool = False) -> SourceSpan | None:
        """The place in the text, None without a text; `key=True` for the key instead of its value."""
        on_key = key or self.on_key
        if self.part is not None:
            return self.document.part(self.path, *self.part, key=on_key)
        return self.document.span(self.path, key=on_key)

    def extent(self) -> SourceSpan | None:
        """The characters of the value or key: as `span`, but of length 0 where nothing is written."""
        span = self.span()
        blank = span is not None and self.part is None and not self.on_key and self.document.is_blank(self.path)
        return replace(span, length=0) if span is not None and blank else span

    def edit(self, text: str) -> Edit | None:
        """The edit that writes `text` here; where nothing is written, after a space. None without a text."""
        span = self.extent()
        if span is None:
            return None
        touches = not span.length and span.text[: span.column - 1].endswith((":", "-"))
        return Edit(span, f" {text}" if touches else text)

    def is_on_one_line(self) -> bool:
        """Whether the scalar at this place ends in the line in which it begins; true of all that is no scalar."""
        return self.part is not None or self.document.is_on_one_line(self.path, key=self.on_key)

    def value(self) -> Any:
        """The raw value at this place."""
        value = self.document.data
        for step in self.path:
            value = value[step]
        return value

    def words(self) -> str:
        """The path in words, for data without a text: `stages.b1[0].conv2d`."""
        return path_text(self.path) or "the spec"

    def __str__(self) -> str:
        """`file:line:column`, for notes."""
        span = self.span()
        return f"{self.document.name}: {self.words()}" if span is None else f"{span.path}:{span.line}:{span.column}"


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer as written.

    kind: an op, a block, a merge, `sequential`, `share`, `$param`, or None for a bare `{from: NAME}`.
    args: the raw argument (a plain value, a list, a mapping of fields), not yet evaluated.
    branches: of a merge. body: of a `sequential`. repeat, when: raw, None if not written.
    share: raw, of `share: true` beside a `repeat`; the name in `share: NAME` is an argument.
    moved: the places of keys that were written elsewhere than beside the kind, by a mistake reported already.
    """

    kind: str | None
    args: Any
    at: At  # the argument's place (the layer's own for a bare name)
    place: At  # the layer itself
    name: str | None = None
    repeat: Any = None
    when: Any = None
    source: str | None = None  # `from`
    share: Any = None
    branches: dict[str, Body] = field(default_factory=dict)
    body: Body | None = None
    moved: dict[str, At] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """What an unnamed layer is named by: its kind, or the param that holds it."""
        return (self.kind or "from").lstrip("$").split(".")[0]

    @property
    def head(self) -> At:
        """The place of the kind's name."""
        return self.at.key if self.at.path != self.place.path else self.at

    def beside(self, key: str) -> At:
        """The place of the value of `repeat`, `when`, `from`, `share` or `name`."""
        return self.moved.get(key) or self.place / key


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A list of layers (a sequence), or one bare layer, which is itself the module."""

    layers: tuple[Layer, ...]
    bare: bool
    at: At


@dataclass(frozen=True, slots=True, eq=False)
class Param:
    """A block's parameter: `type` is None where the value written is a default."""

    name: str
    type: str | tuple[str, ...] | None
    default: Any
    at: At

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.type is not None

    def __str__(self) -> str:
        return self.name if self.required else f"{self.name}={self.default}"


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A named body with parameters, and the file whose names it means."""

    name: str
    params: tuple[Param, ...]
    body: Body
    home: Library
    at: At

    def signature(self) -> str:
        """`bneck(kernel, expanded, act=relu)`."""
        return f"{self.name}({', '.join(str(p) for p in self.params)})"


@dataclass(slots=True, eq=False)
class Library:
    """The names of one file: its vars and blocks, and the libraries that it uses.

    lost: names of blocks that a mistake made unusable. incomplete: a library could not be read, so any name may
    be one of its blocks.
    documents: the names of the texts that it came from.
    """

    name: str
    vars: dict[str, tuple[Any, At]] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    uses: tuple[Library, ...] = ()
    lost: set[str] = field(default_factory=set)
    incomplete: bool = False
    documents: frozenset[str] = frozenset()
    nearest: dict[str, str | None] = field(default_factory=dict)  # of names that nothing has, so each is sought once

    def find(self, name: str) -> Block | None:
        """The block of that name: own ones first, then those of `use` (the standard library is the last of them)."""
        if name in self.blocks:
            return self.blocks[name]
        return next((lib.blocks[name] for lib in self.uses if name in lib.blocks), None)

    def lost_block(self, name: str) -> bool:
        """Whether the name may be a block that an error, reported already, took away."""
        return any(lib.incomplete or name in lib.lost for lib in (self, *self.uses))

    def block_names(self) -> set[str]:
        """All blocks that a name in this file can mean."""
        return set(self.blocks).union(*(lib.blocks for lib in self.uses))

    def all(self) -> tuple[Library, ...]:
        """This library and all that it uses, each once."""
        found: dict[int, Library] = {}
        waiting = [self]
        while waiting:
            library = waiting.pop()
            if id(library) not in found:
                found[id(library)] = library
                waiting.extend(library.uses)
        return tuple(found.values())


@dataclass(slots=True, eq=False)
class Program:
    """A whole spec after `extends` and `--set`: what the lowering works on.

    documents: the texts of `files`.
    overridden: the raw values that `--set` and `--input` replaced: a var that only they use is no mistake of the file.
    """

    name: str
    description: str
    library: Library
    input: tuple[Any, At]
    outputs: tuple[Any, At]
    stages: dict[str, Body]
    data: dict[str, Any]  # the merged plain data, for the Pydantic model and for writing it back
    places: dict[str, dict[str, At]]  # section -> key -> place
    tops: dict[str, At]  # section -> place
    files: tuple[str, ...]  # the spec and what it extends
    overridden: list[Any] = field(default_factory=list)
    documents: tuple[Document, ...] = ()
    cyclic: set[Block] = field(default_factory=set)  # blocks that contain themselves, which was reported

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the network's inputs; none where its only one has no name."""
        return tuple(self.input[0]) if isinstance(self.input[0], dict) else ()

    @property
    def foreign(self) -> frozenset[str]:
        """The names of the texts that are libraries: a mistake in them is shown where this spec calls them."""
        return frozenset[str]().union(*(lib.documents for lib in self.library.all() if lib is not self.library))
