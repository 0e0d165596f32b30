"""Results that later lowerings of a program with other vars reuse."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from archspec.ir import Graph
from archspec.language.resolve import words_of
from archspec.language.syntax import At, Layer, Program
from archspec.lower.builder import Builder, Val
from archspec.ops import Operation
from archspec.types import TensorType

Call = tuple[int, tuple[Hashable, ...], TensorType]  # a block's id, its arguments, and the type of its input
MOST: Final = 10_000  # the most graphs, and ops, that are kept: the first ones, which most variants share


@dataclass(slots=True)
class Stages:
    """A network whose first stages are lowered.

    root: the network's builder. entered: its input. flow: the output of the last stage so far. outputs: the output
    of each stage, for `from`. inputs: the network's inputs, and where their shapes are written. counted: the context's
    counts.
    """

    root: Builder
    entered: Val
    flow: Val
    outputs: dict[str, Val]
    inputs: dict[str, tuple[Val, At]]
    counted: tuple[int, int, int] = (0, 0, 0)

    def mark(self) -> Callable[[], Stages]:
        """A function that restores the present state. The builder stays the same, since its values refer to it."""
        root, now = self.root, replace(self, outputs={**self.outputs})
        drafts, captured = [*root.drafts], {**root.captured}

        def again() -> Stages:
            root.drafts, root.captured = [*drafts], {**captured}
            return replace(now, outputs={**now.outputs})

        return again


class Kept:
    """Caches the first stages, ops, and the results of block calls.

    The result of a call depends on its block, its arguments, its input, and the vars whose names occur in the block,
    in blocks that it may call, or in vars that hold the name of a block. Every word of a text counts as a name, so a
    call may seem to depend on too many vars, but never on too few. As within one lowering, the inputs of a shared
    graph have the names of its first call.
    """

    def __init__(self, program: Program) -> None:
        self._graphs: dict[Hashable, tuple[Graph, TensorType]] = {}
        self._meanings: dict[str, list[Any]] = {}  # every raw value of a name, in any file
        self._blocks: dict[int, Any] = {}
        for library in program.library.all():
            for name, (raw, _) in library.vars.items():
                self._meanings.setdefault(name, []).append(raw)
            for name, block in library.blocks.items():
                self._blocks[id(block)] = block.at.value()
                self._meanings.setdefault(name, []).append(block.at.value())
        self._values: dict[str, str] = {}
        self._given: Mapping[str, Any] = {}
        self._reached: dict[Hashable, frozenset[str]] = {}
        self._data = program.data
        self._first: Callable[[], Stages] | None = None
        self._next: Callable[[], Stages] | None = None  # becomes `_first`, unless the lowering finds a mistake
        self.fixed: dict[tuple[Layer, type[Operation]], Operation] = {}  # see Context

    def choose(self, given: Mapping[str, Any]) -> None:
        """Set the values of vars for the next lowering."""
        if given.keys() != self._given.keys():
            self._reached, self._first = {}, None
        self._next = self._first
        self._given, self._values = given, {name: repr(raw) for name, raw in given.items()}

    def first_stages(self) -> Stages | None:
        """The stages before the first one that a given var may change, from an earlier lowering."""
        return None if self._first is None else self._first()

    def before(self, name: str, stages: Stages) -> None:
        """Keep the stages so far if stage `name` is the first one that a given var may change."""
        if self._next is None and self._varies("stages", name) and not self._varies("input"):
            self._next = stages.mark()

    def get(self, call: Call) -> tuple[Graph, TensorType] | None:
        """The result of an earlier equal call."""
        return self._graphs.get((call, self._depends(call)))

    def keep(self, found: Mapping[Call, tuple[Graph, TensorType]]) -> None:
        """Keep the calls of a lowering without mistakes, except those that only an equal variant could reuse."""
        self._first = self._next
        for call, result in found.items():
            values = self._depends(call)
            if len(self._graphs) < MOST and len(values) < max(1, len(self._given)):
                self._graphs[call, values] = result

    def _varies(self, *path: str) -> bool:
        """Whether a given var may change the value at this path."""
        raw = self._data
        for step in path:
            raw = raw[step]
        return bool(self._reach(path, raw))

    def _depends(self, call: Call) -> tuple[tuple[str, str], ...]:
        """The given vars that a call may use, with their values."""
        block, arguments, _ = call
        names = self._reach(block, self._blocks[block])
        names = names.union(*(self._reach(text, text) for text in _texts(arguments)))
        waiting, known = [*names], {*names}
        while waiting:  # a value may be the name of a block
            raw = self._given[waiting.pop()]
            for text in _texts((raw,)):
                new = self._reach(text, text) - known
                known |= new
                waiting += new
        return tuple((name, self._values[name]) for name in sorted(known))

    def _reach(self, key: Hashable, raw: Any) -> frozenset[str]:
        """The given vars that the words of a raw value reach, through blocks and vars."""
        if key not in self._reached:
            found: set[str] = set()
            waiting, seen = [*words_of(raw)], set[str]()
            while waiting:
                word = waiting.pop()
                if word in seen:
                    continue
                seen.add(word)
                if word in self._given:
                    found.add(word)
                for meaning in self._meanings.get(word, ()):
                    waiting += words_of(meaning)
            self._reached[key] = frozenset(found)
        return self._reached[key]


def _texts(values: Iterable[Any]) -> list[str]:
    """The texts among the values and inside lists."""
    return [
        text for value in values
        for text in ([value] if isinstance(value, str) else _texts(value) if isinstance(value, (list, tuple)) else ())
    ]
