"""The syntax tree of a spec: bodies, layers and blocks, each knowing its place in the text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from archspec.diagnostics import Diagnostic, SourceSpan, SpecError
from archspec.source import Document


@dataclass(frozen=True, slots=True)
class At:
    """A place in a document: the path to one of its values."""

    document: Document
    path: tuple[str | int, ...] = ()

    def __truediv__(self, step: str | int) -> At:
        return At(self.document, (*self.path, step))

    def span(self, *, key: bool = False) -> SourceSpan | None:
        """The place in the text; `key=True` for the key instead of its value."""
        return self.document.span(self.path, key=key)

    def value(self) -> Any:
        """The raw value at this place."""
        value = self.document.data
        for step in self.path:
            value = value[step]
        return value

    def __str__(self) -> str:
        """`file:line:column`, for notes."""
        span = self.span()
        return self.document.name if span is None else f"{span.path}:{span.line}:{span.column}"


class Errors:
    """Collects the mistakes of one run. The same code at the same place is told once."""

    def __init__(self, found: Iterable[Diagnostic] = ()) -> None:
        self.found: list[Diagnostic] = []
        self._seen: set[tuple[Any, ...]] = set()
        self.extend(found)

    def add(
        self, code: str, message: str, at: At | None, *, key: bool = False, notes: Iterable[str] = (),
        hint: str | None = None,
    ) -> None:
        """Note one mistake at a value's place (or its key's)."""
        self.extend([Diagnostic(code, message, at.span(key=key) if at else None, tuple(notes), hint)])

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Note several mistakes."""
        for diagnostic in diagnostics:
            span = diagnostic.span
            place = (span.path, span.line, span.column) if span else diagnostic.message
            if (diagnostic.code, place) not in self._seen:
                self._seen.add((diagnostic.code, place))
                self.found.append(diagnostic)

    def raise_any(self) -> None:
        """Raise all that was found, in the order of the text."""
        if self.found:
            raise SpecError(self.sorted())

    def sorted(self) -> tuple[Diagnostic, ...]:
        """What was found: per file in the order of the text, then what has no place."""
        files: dict[str, int] = {}
        for d in self.found:
            if d.span:
                files.setdefault(d.span.path, len(files))
        last = (len(files), 0, 0)
        return tuple(sorted(
            self.found, key=lambda d: (files[d.span.path], d.span.line, d.span.column) if d.span else last
        ))


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer as written.

    kind: an op, a block, a merge, `sequential`, `$param`, or None for a bare `{from: NAME}`.
    args: the raw argument (a plain value, a list, a mapping of fields), not yet evaluated.
    branches: of a merge. body: of a `sequential`. repeat, when: raw, None if not written.
    """

    kind: str | None
    args: Any
    at: At  # the argument's place (the layer's own for a bare name)
    place: At  # the layer itself
    name: str | None = None
    repeat: Any = None
    when: Any = None
    source: str | None = None  # `from`
    branches: dict[str, Body] = field(default_factory=dict)
    body: Body | None = None

    @property
    def stem(self) -> str:
        """What an unnamed layer is named by: its kind, or the param that holds it."""
        return (self.kind or "from").lstrip("$").split(".")[0]

    def head(self) -> SourceSpan | None:
        """The place of the kind's name."""
        return self.at.span(key=self.at.path != self.place.path)


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
    """The names of one file: its vars and blocks, and the libraries that it uses."""

    name: str
    vars: dict[str, tuple[Any, At]] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    uses: tuple[Library, ...] = ()

    def find(self, name: str) -> Block | None:
        """The block of that name: own ones first, then those of `use` (the standard library is the last of them)."""
        if name in self.blocks:
            return self.blocks[name]
        return next((lib.blocks[name] for lib in self.uses if name in lib.blocks), None)

    def block_names(self) -> set[str]:
        """All blocks that a name in this file can mean."""
        return set(self.blocks).union(*(lib.blocks for lib in self.uses))


@dataclass(slots=True, eq=False)
class Program:
    """A whole spec after `extends` and `--set`: what the lowering works on."""

    name: str
    description: str
    library: Library
    input: tuple[Any, At]
    stages: dict[str, Body]
    data: dict[str, Any]  # the merged plain data, for the Pydantic model and for writing it back
    places: dict[str, dict[str, At]]  # section -> key -> place, for expect, train and recipes
    files: tuple[str, ...]
