"""Which op of one network corresponds to which op of another: an alignment of the two sequences of ops.

The alignment has the greatest sum of similarities (Needleman & Wunsch 1970), and each op corresponds to one op at
most. Similar are ops of one kind with equal fields; equal names and shapes decide between them. So neither a renamed
stage nor an inserted layer changes the partners of the other ops.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from archspec.ir.graph import Graph, NodePath
from archspec.ir.interpret import Site, interpret
from archspec.ops import Merge, Operation
from archspec.ops.traits import Convolves, Drops, Normalises, Projects, Windowed
from archspec.types import TensorType

# Similarities. A pair of kind 0 never corresponds, whatever its name. Names outweigh shapes: a field changes shapes.
_EQUAL: Final = 150  # the same op with the same fields
_SAME_OP: Final = 60
_FIELDS: Final = 40  # more for the same op, in proportion to its equal fields
_ALIKE: Final = 40  # another op of the same kind, such as another activation
_OTHER: Final = 8  # any other op, if its path is the same
_SAME_PATH: Final = 50
_SAME_LIST: Final = 40  # layers of one list, which only have numbers: `relu_1`, `relu_2`
_SAME_NAME: Final = 10  # the last part of the path
_SAME_SHAPE: Final = 20
_TIES: Final = 1 << 20  # of alignments with equal sums the one with the most pairs is taken
_MAX_CELLS: Final = 1_000_000  # pairs to look at; beyond, ops with equal paths and fields divide the sequences
_MIN_BAND: Final = 50  # ops to each side of the diagonal, however long the sequences are
_KINDS: Final = (Convolves, Projects, Normalises, Windowed, Drops)  # the most specific first


@dataclass(frozen=True, slots=True)
class Step:
    """An op of a network: its path, its inputs (paths of ops, with the port if not 0), and its weights' owner."""

    path: NodePath
    op: Operation
    takes: tuple[str, ...]
    state: str
    outputs: tuple[TensorType, ...]

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(".")[2]

    @property
    def list(self) -> NodePath | None:
        """The path of its list, if its name is just a number there: `stem` for `stem.relu_1`."""
        place, _, name = self.path.rpartition(".")
        start, _, number = name.rpartition("_")
        return place if start == self.op.op and number.isdigit() else None


@dataclass(frozen=True, slots=True)
class Alignment:
    """The ops of two networks, and the number of an op of the second → the number of its op of the first.

    old_results, new_results: the values of the networks' outputs, as in `Step.takes`.
    """

    old: Sequence[Step]
    new: Sequence[Step]
    pairs: dict[int, int]
    old_results: tuple[str, ...]
    new_results: tuple[str, ...]

    @property
    def removed(self) -> list[Step]:
        """The ops that only the first network has."""
        kept = set(self.pairs.values())
        return [step for i, step in enumerate(self.old) if i not in kept]

    @property
    def added(self) -> list[Step]:
        """The ops that only the second network has."""
        return [step for j, step in enumerate(self.new) if j not in self.pairs]


def align(then: Graph, now: Graph) -> Alignment:
    """Align the ops of two networks."""
    (old, old_results), (new, new_results) = _steps(then), _steps(now)
    pairs = dict(_aligned(_Similarity(old, new), (0, len(old)), (0, len(new))))
    pairs |= _moved(old, new, pairs)
    return Alignment(old, new, dict(sorted(pairs.items())), old_results, new_results)


def _steps(graph: Graph) -> tuple[list[Step], tuple[str, ...]]:
    steps: list[Step] = []

    def on_op(site: Site, values: tuple[str, ...]) -> list[str]:
        assert site.node.op is not None
        steps.append(Step(site.path, site.node.op, values, site.state, site.node.outputs))
        return [site.path if port == 0 else f"{site.path}:{port}" for port in range(len(site.node.outputs))]

    results = interpret(graph, [f"input {port.name}" for port in graph.inputs], on_op)
    return steps, results


class _Similarity:
    """How similar an op of one network is to one of another. Equal ops are compared once."""

    def __init__(self, old: list[Step], new: list[Step]) -> None:
        self.old, self.new = old, new
        numbers: dict[str, int] = {}
        self.old_keys, self.new_keys = ([numbers.setdefault(repr(s.op), len(numbers)) for s in x] for x in (old, new))
        self.old_names, self.new_names = ([step.name for step in steps] for steps in (old, new))
        self.old_lists, self.new_lists = ([step.list for step in steps] for steps in (old, new))
        self._known: dict[tuple[int, int], int] = {}

    def of(self, i: int, j: int) -> int:
        """The similarity of an op of each; 0: they must not correspond."""
        a, b = self.old_keys[i], self.new_keys[j]
        kind = _EQUAL if a == b else self._known.get((a, b))
        if kind is None:
            kind = self._known[a, b] = _kind(self.old[i].op, self.new[j].op)
        same_name = self.old_names[i] == self.new_names[j]
        if not kind and not same_name:
            return 0
        old, new = self.old[i], self.new[j]
        if same_name and old.path == new.path:
            kind = (kind or _OTHER) + _SAME_PATH
        elif not kind:
            return 0
        elif self.new_lists[j] is not None and self.old_lists[i] == self.new_lists[j]:
            kind += _SAME_LIST
        elif same_name:
            kind += _SAME_NAME
        return (kind + (_SAME_SHAPE if old.outputs == new.outputs else 0)) * _TIES + 1

    def is_same(self, i: int, j: int) -> bool:
        """Whether nothing could be more similar."""
        old, new = self.old[i], self.new[j]
        return self.old_keys[i] == self.new_keys[j] and old.path == new.path and old.outputs == new.outputs


def _kind(a: Operation, b: Operation) -> int:
    """The similarity of two ops that are not equal, names and shapes apart."""
    if a.op == b.op:
        fields = type(a).model_fields
        equal = sum(bool(getattr(a, name) == getattr(b, name)) for name in fields)
        return _SAME_OP + _FIELDS * equal // max(1, len(fields))
    one, other = type(a), type(b)
    if one.is_activation() or other.is_activation():
        return _ALIKE if one.is_activation() and other.is_activation() else 0
    for trait in _KINDS:
        if one.trait(trait) is not None or other.trait(trait) is not None:
            return _ALIKE if one.trait(trait) is not None and other.trait(trait) is not None else 0
    return _ALIKE if issubclass(one, Merge) and issubclass(other, Merge) else 0


def _aligned(like: _Similarity, old: tuple[int, int], new: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Pairs (number in `new`, number in `old`) of two ranges."""
    (a, b), (c, d) = old, new
    while a < b and c < d and like.is_same(a, c):
        yield c, a
        a, c = a + 1, c + 1
    while a < b and c < d and like.is_same(b - 1, d - 1):
        b, d = b - 1, d - 1
        yield d, b
    anchors = _anchors(like, range(a, b), range(c, d)) if (b - a) * (d - c) > _MAX_CELLS else []
    if not anchors:
        yield from _best(like, range(a, b), range(c, d))
        return
    for i, j in [*anchors, (b, d)]:
        yield from _aligned(like, (a, i), (c, j))
        if i < b:
            yield j, i
        a, c = i + 1, j + 1


class _Row:
    """The best sums of one op of `old` with the ops of `new` from each position in a band on."""

    __slots__ = ("best", "first")

    def __init__(self, first: int, best: list[int]) -> None:
        self.first, self.best = first, best

    def at(self, j: int) -> int:
        """Before the band, ops of `new` are skipped; behind it, no op corresponds."""
        k = max(0, j - self.first)
        return self.best[k] if k < len(self.best) else 0


def _best(like: _Similarity, old: range, new: range) -> Iterator[tuple[int, int]]:
    """The pairs with the greatest sum of similarities, the earliest of equally good ones.

    Of two long sequences only pairs in a band around the diagonal are looked at.
    """
    width = len(new)
    half = max(_MIN_BAND, _MAX_CELLS // (2 * max(1, len(old))))
    rows = [_Row(0, [0] * (width + 1))]  # rows[-1 - i].at(j): the best sum of the ops from old[i] and new[j] on
    for i in reversed(range(len(old))):
        middle = i * width // len(old)
        first, last = max(0, middle - half), min(width, middle + half)
        row, below, best = [0] * (last - first + 1), rows[-1], 0
        for j in range(last, first - 1, -1):
            after, beyond = below.at(j), below.at(j + 1)
            pair = like.of(old[i], new[j]) if j < width else 0
            best = max(best, after, pair + beyond if pair else 0)
            row[j - first] = best
        rows.append(_Row(first, row))
    i = j = 0
    while i < len(old) and j < width:
        here, below = rows[-1 - i], rows[-2 - i]
        pair = like.of(old[i], new[j])
        if pair and here.at(j) == pair + below.at(j + 1):
            yield new[j], old[i]
            i, j = i + 1, j + 1
        elif here.at(j) == here.at(j + 1):
            j += 1
        else:
            i += 1


def _anchors(like: _Similarity, old: range, new: range) -> list[tuple[int, int]]:
    """Ops that are equal and have equal paths, as many as have the same order: the longest increasing subsequence."""
    places = {like.old[i].path: i for i in old}
    same = [(i, j) for j in new if (i := places.get(like.new[j].path)) is not None and like.is_same(i, j)]
    ends: list[int] = []  # the smallest last number of an increasing subsequence of each length
    last: list[int] = []  # its position in `same`
    before: list[int | None] = []
    for k, (i, _) in enumerate(same):
        length = bisect_left(ends, i)
        ends[length:length + 1], last[length:length + 1] = [i], [k]
        before.append(last[length - 1] if length else None)
    chain: list[tuple[int, int]] = []
    at = last[-1] if last else None
    while at is not None:
        chain.append(same[at])
        at = before[at]
    return chain[::-1]


def _moved(old: Sequence[Step], new: Sequence[Step], pairs: dict[int, int]) -> dict[int, int]:
    """Pairs of ops that are left and have the same path and op, but another order: branches that changed places."""
    kept = set(pairs.values())
    places = {(step.path, step.op.op): i for i, step in enumerate(old) if i not in kept}
    left = ((j, places.get((step.path, step.op.op))) for j, step in enumerate(new) if j not in pairs)
    return {j: i for j, i in left if i is not None}
