"""How often a file calls each of its blocks, and on which lines it defines them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from archspec.diagnostics import SpecError
from archspec.language.fixes import last_line
from archspec.language.syntax import At
from archspec.source import parse

_REPEATED: Final = 2  # calls that a `repeat` makes of one: more than one
_MANY: Final = 100  # blocks of a file that are looked at
_ELSEWHERE: Final = ("blocks", "expect", "train", "recipes", "description", "name")  # where stages call no block


@dataclass(frozen=True, slots=True)
class BlockCalls:
    """The blocks of a file: the lines of each, from 1, and how often the network calls it."""

    lines: dict[str, range]
    calls: dict[str, int]

    def shared(self, line: int) -> bool:
        """Whether the line is in a block that is not called exactly once; one without calls may have some elsewhere."""
        return any(line in lines and self.calls[name] != 1 for name, lines in self.lines.items())


def calls_of_blocks(text: str) -> BlockCalls:
    """The blocks of a spec or library, and their calls in it; those of a block that is called count for each call."""
    try:
        document = parse(text, "<text>")
    except SpecError:
        return BlockCalls({}, {})
    data = document.data if isinstance(document.data, dict) else {}
    blocks = data.get("blocks")
    blocks = blocks if isinstance(blocks, dict) else {}
    names = list(blocks)[:_MANY]
    at = At(document) / "blocks"
    spans = {name: (at / name).span(key=True) for name in names}
    lines = {name: range(span.line, last_line(at / name) + 2) for name, span in spans.items() if span is not None}
    outside = {key: value for key, value in data.items() if key not in _ELSEWHERE}
    within = {name: dict(_called(blocks[name], set(names))) for name in names}
    calls = dict.fromkeys(names, 0)
    waiting = [*_called(outside, set(names))]
    for _ in names:  # a chain of calls is at most as long as there are blocks
        following: dict[str, int] = {}
        for name, times in waiting:
            calls[name] = min(calls[name] + times, _REPEATED)
            for inner, more in within[name].items():
                following[inner] = min(following.get(inner, 0) + times * more, _REPEATED)
        waiting = [*following.items()]
    return BlockCalls(lines, calls)


def _called(body: Any, names: set[str]) -> Iterator[tuple[str, int]]:
    """Each block that a body calls, and how often."""
    found: dict[str, int] = {}
    waiting = [(body, 1)]
    while waiting:
        value, times = waiting.pop()
        if isinstance(value, dict):
            times = _REPEATED if "repeat" in value else times
            waiting += [(part, times) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            waiting += [(part, times) for part in value]
        elif isinstance(value, str) and value in names:
            found[value] = min(found.get(value, 0) + times, _REPEATED)
    yield from found.items()
