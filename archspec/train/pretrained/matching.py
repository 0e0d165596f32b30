"""Matches the tensors of a file with those of a network, by name or by order and shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import prod
from typing import Final

from archspec.analysis.weights import weights
from archspec.ir import Graph

COUNTER: Final = "num_batches_tracked"  # of batch norm; older files lack it, and no result depends on it
_FLOATS: Final = frozenset({"F64", "F32", "F16", "BF16"})
_BYTES: Final = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Name, shape and type of a tensor that is not read yet. dtype: in the notation of safetensors, `F32`."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "F32"

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return prod(self.shape) * _BYTES.get(self.dtype, 1)

    @property
    def counts(self) -> bool:
        """Whether it only counts batches."""
        return self.name.rpartition(".")[2] == COUNTER

    def suits(self, other: TensorInfo) -> bool:
        """Whether its values can become the other's: equal shapes, and both of them floating-point or neither."""
        return self.shape == other.shape and (self.dtype in _FLOATS) == (other.dtype in _FLOATS)


Couple = tuple[TensorInfo, TensorInfo]  # of the network, and of the file


@dataclass(frozen=True, slots=True)
class Match:
    """The match between a network and a file.

    pairs: name in the network → name in the file. misfits: the same for tensors whose shapes or types differ. missing:
    tensors of the network that the file lacks. unused: tensors of the file that the network lacks. None of these
    contain batch counters.
    """

    pairs: Mapping[str, str]
    misfits: Mapping[str, str]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether every tensor has its counterpart."""
        return not (self.misfits or self.missing or self.unused)


def tensors_in(graph: Graph) -> list[TensorInfo]:
    """The tensors of a network in the order of its `state_dict`."""
    kinds = {"int64": "I64", "float32": "F32"}
    return [TensorInfo(name, tuple(spec.shape), kinds.get(spec.dtype, "F32")) for name, spec in weights(graph)]


def by_name(network: Sequence[TensorInfo], file: Sequence[TensorInfo]) -> Match:
    """Match tensors with equal names."""
    found = {tensor.name: tensor for tensor in file}
    couples = [(tensor, found[tensor.name]) for tensor in network if tensor.name in found and not tensor.counts]
    return _judged(network, file, couples)


def by_order(network: Sequence[TensorInfo], file: Sequence[TensorInfo]) -> Match:
    """Match tensors at the same position, regardless of their names. Batch counters are ignored.

    There are two definitions of the position; the one that pairs more tensors is used, or the first if equal:
    - the n-th of all. If the numbers of tensors differ, they are counted from the start up to the first pair with
      different shapes, and in the same way from the end; so an additional head is skipped, and what follows matches.
    - the n-th of its shape, for shapes that both have equally often. It does not depend on the order of a module's own
      tensors (a layer scale, a class token), which PyTorch always lists before those of its layers.
    """
    ours, theirs = ([tensor for tensor in tensors if not tensor.counts] for tensors in (network, file))
    ways = (_by_position(ours, theirs), _by_shape(ours, theirs))
    return max((_judged(network, file, couples) for couples in ways), key=lambda match: len(match.pairs))


def _by_position(ours: Sequence[TensorInfo], theirs: Sequence[TensorInfo]) -> list[Couple]:
    if len(ours) == len(theirs):
        return list(zip(ours, theirs, strict=True))
    first = _same(zip(ours, theirs, strict=False))
    rest = zip(reversed(ours[len(first):]), reversed(theirs[len(first):]), strict=False)
    return [*first, *reversed(_same(rest))]


def _same(couples: Iterable[Couple]) -> list[Couple]:
    """The couples before the first one that does not match."""
    return list(takewhile(lambda couple: couple[1].suits(couple[0]), couples))


def _by_shape(ours: Sequence[TensorInfo], theirs: Sequence[TensorInfo]) -> list[Couple]:
    """Pair the n-th of each shape that both have equally often; then pair the others by order, if equally many."""
    mine, other = _grouped(ours), _grouped(theirs)
    shared = [shape for shape, tensors in mine.items() if len(tensors) == len(other.get(shape, ()))]
    couples = [couple for shape in shared for couple in zip(mine[shape], other[shape], strict=True)]
    left = [[t for t in tensors if t.shape not in shared] for tensors in (ours, theirs)]
    if [len(t.shape) for t in left[0]] == [len(t.shape) for t in left[1]]:
        couples += zip(*left, strict=True)
    return couples


def _grouped(tensors: Sequence[TensorInfo]) -> dict[tuple[int, ...], list[TensorInfo]]:
    groups: dict[tuple[int, ...], list[TensorInfo]] = {}
    for tensor in tensors:
        groups.setdefault(tensor.shape, []).append(tensor)
    return groups


def _judged(
    network: Sequence[TensorInfo], file: Sequence[TensorInfo], couples: Sequence[Couple]
) -> Match:
    pairs = {mine.name: other.name for mine, other in couples if other.suits(mine)}
    misfits = {mine.name: other.name for mine, other in couples if not other.suits(mine)}
    known, used = {mine.name for mine, _ in couples}, {other.name for _, other in couples}
    return Match(
        pairs, misfits,
        tuple(tensor.name for tensor in network if tensor.name not in known and not tensor.counts),
        tuple(tensor.name for tensor in file if tensor.name not in used and not tensor.counts),
    )
