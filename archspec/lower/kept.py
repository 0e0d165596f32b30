"""Graphs of block calls that are kept from one lowering of a program to the next, while its vars change."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Final

from archspec.ir import Graph
from archspec.language.resolve import words_of
from archspec.language.syntax import Program
from archspec.types import TensorType

Call = tuple[int, tuple[Hashable, ...], TensorType]  # a block's id, its arguments and what flows in
MOST: Final = 10_000  # graphs that are kept: those that come first, which most variants share


class Kept:
    """Results of block calls, by the call and by the vars that it may use.

    What a call gives depends on its block, its arguments, what flows in, and the vars that the block names: itself,
    in blocks that it may call, or in vars that hold the name of one. A word in a text counts as a name, so that a
    call may be thought to depend on too much, and never on too little. As within one lowering, the inputs of a shared
    graph have the names of its first call.
    """

    def __init__(self, program: Program) -> None:
        self._graphs: dict[Hashable, tuple[Graph, TensorType]] = {}
        self._meanings: dict[str, list[Any]] = {}  # all that a name may stand for, in whichever file
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

    def choose(self, given: Mapping[str, Any]) -> None:
        """The next lowering has these values for vars."""
        if given.keys() != self._given.keys():
            self._reached = {}
        self._given, self._values = given, {name: repr(raw) for name, raw in given.items()}

    def get(self, call: Call) -> tuple[Graph, TensorType] | None:
        """What an equal call gave before."""
        return self._graphs.get((call, self._depends(call)))

    def keep(self, found: Mapping[Call, tuple[Graph, TensorType]]) -> None:
        """Keep the calls of a lowering that found no mistake, but for those that only an equal variant repeats."""
        for call, result in found.items():
            values = self._depends(call)
            if len(self._graphs) < MOST and len(values) < max(1, len(self._given)):
                self._graphs[call, values] = result

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
        """The given vars that the words of a raw value lead to, through blocks and the values that the file has."""
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
    """The texts in values and in lists of them."""
    return [
        text for value in values
        for text in ([value] if isinstance(value, str) else _texts(value) if isinstance(value, (list, tuple)) else ())
    ]
