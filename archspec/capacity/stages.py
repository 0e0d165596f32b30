"""The cheapest stages to recompute so that a step fits into memory.

A step's peak lies in one of its stages: in its forward pass, where the stages before it have kept their activations,
or in its backward pass, where these are still there and its own too. Recomputing a stage frees what it keeps, beside
its inputs, for all later stages. So each stage needs a certain number of bytes freed before it, and the sets that free
them are found by dynamic programming along the chain of stages, over (bytes freed, price): Chen et al. 2016, "Training
deep nets with sublinear memory cost", section 4, with bytes and prices of the simulated step instead of a fixed cost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from archspec.capacity.simulate import Price, Simulated
from archspec.execution import Execution
from archspec.ir import Graph

TRIES: Final = 6  # corrections of the bytes to free, because skip connections reach over stages
MOST: Final = 4096  # choices that are kept at a stage


class _Choice(NamedTuple):
    """Stages to recompute: the bytes that they free, and their price."""

    freed: int
    price: float
    stages: tuple[str, ...]


def stages_to_recompute(simulated: Simulated, memory: int, price: Price) -> tuple[str, ...] | None:
    """The cheapest stages whose recomputation makes the step of `simulated.setting` fit, in order; None if none do.

    Where whole stages are not enough, their parts are searched too: the copies of a repeat, the blocks of a sequence.
    price: of an execution; that of a stage is what its recomputation adds. No stage of the answer can be left out. The
    answer is instead of what the setting recomputes.
    """
    if simulated.setting.recompute:
        simulated = simulated.under(replace(simulated.setting, recompute=frozenset()))
    if simulated.peak() <= memory:
        return ()
    stages, parts = _chain(simulated.graph, deep=False), _chain(simulated.graph, deep=True)
    found = _Search(simulated, stages, price).cheapest(memory)
    return found if found is not None or parts == stages else _Search(simulated, parts, price).cheapest(memory)


def every_part(graph: Graph) -> frozenset[str]:
    """The paths of all parts: recomputing them needs the least memory, or little more."""
    return frozenset(part.path for part in _chain(graph, deep=True))


class _Part(NamedTuple):
    """A stage, or a part of one. kind: equal for copies, which have the same figures."""

    path: str
    kind: object


def _chain(graph: Graph, prefix: str = "", *, deep: bool) -> list[_Part]:
    """The stages in order; with `deep`, repeats and sequences of blocks as their parts."""
    found: list[_Part] = []
    for node in graph.nodes:
        path, target = f"{prefix}{node.name}", node.target
        if deep and isinstance(target, Graph) and target.kind in ("repeat", "sequence") and target.is_chain and sum(
            isinstance(inner.target, Graph) for inner in target.nodes
        ) > 1:
            found += _chain(target, f"{path}.", deep=True)
        else:
            found.append(_Part(path, (id(target), graph.arguments(node)) if isinstance(target, Graph) else path))
    return found


class _Search:
    """A search along one chain of parts. alone: the figures of a step that recomputes one of them, for each kind."""

    def __init__(self, simulated: Simulated, chain: Sequence[_Part], price: Price) -> None:
        self.simulated, self.chain, self.price = simulated, chain, price
        plain, alone = simulated.run(), dict[object, tuple[int, float]]()
        for part in chain:
            if part.kind not in alone:
                one = simulated.run(recompute=frozenset({part.path}))
                alone[part.kind] = plain.saved_bytes - one.saved_bytes, max(price.of(one) - price.of(plain), 0.0)
        self.frees = [alone[part.kind][0] for part in chain]
        self.prices = [alone[part.kind][1] for part in chain]
        self.peaks = _peaks(plain, [part.path for part in chain])

    def cheapest(self, memory: int) -> tuple[str, ...] | None:
        """The cheapest parts with which the step fits; None if none do."""
        names, wanted = [part.path for part in self.chain], memory
        for _ in range(TRIES):
            found = _cheapest(names, self.frees, self.prices, [peak - wanted for peak in self.peaks])
            if found is None:
                break
            over = self._peak(found) - memory
            if over <= 0:
                return self._without_idle(found, memory)
            wanted -= over
        every = tuple(name for name, freed in zip(names, self.frees, strict=True) if freed > 0)
        return self._without_idle(every, memory) if self._peak(every) <= memory else None

    def _peak(self, parts: Collection[str]) -> int:
        return self.simulated.peak(recompute=frozenset(parts))

    def _without_idle(self, parts: tuple[str, ...], memory: int) -> tuple[str, ...]:
        """Those that are needed, the dearest first. Of copies, the last one decides whether another can be left out."""
        dear = {part.path: (cost, part.kind) for part, cost in zip(self.chain, self.prices, strict=True)}
        needed = set[object]()
        for name in sorted(parts, key=lambda name: -dear[name][0]):
            fewer = tuple(part for part in parts if part != name)
            if dear[name][1] in needed:
                continue
            if self._peak(fewer) <= memory:
                parts = fewer
            else:
                needed.add(dear[name][1])
        return parts


def _peaks(plain: Execution, paths: Sequence[str]) -> list[int]:
    """The peak within each part, in either direction; the last entry is that of the loss and the optimizer."""
    places, found = {path: k for k, path in enumerate(paths)}, [0] * (len(paths) + 1)
    known: dict[str, int] = {}
    for kernel, live in zip(plain.kernels, plain.timeline, strict=True):
        if kernel.layer not in known:
            known[kernel.layer] = _place(kernel.layer, places)
        place = known[kernel.layer]
        found[place] = max(found[place], live)
    return found


def _place(layer: str, places: Mapping[str, int]) -> int:
    """The number of the part that a layer lies in; after the last one for the loss."""
    while layer and layer not in places:
        layer = layer.rpartition(".")[0]
    return places.get(layer, len(places))


def _cheapest(
    names: Sequence[str], frees: Sequence[int], prices: Sequence[float], needs: Sequence[int]
) -> tuple[str, ...] | None:
    """The cheapest stages that free `needs[k]` bytes before stage k, for each k; of equal ones the fewest."""
    choices = [_Choice(0, 0.0, ())]
    for name, freed, price, need in zip(names, frees, prices, needs, strict=False):
        choices = [choice for choice in choices if choice.freed >= need]
        if freed > 0:
            choices += [_Choice(c.freed + freed, c.price + price, (*c.stages, name)) for c in choices]
            choices = _best(choices)
    fine = [choice for choice in choices if choice.freed >= needs[-1]]
    return min(fine, key=lambda choice: (choice.price, len(choice.stages))).stages if fine else None


def _best(choices: list[_Choice]) -> list[_Choice]:
    """Those of which no other frees as much for the same price or less."""
    choices.sort(key=lambda choice: (-choice.freed, choice.price, len(choice.stages)))
    kept: list[_Choice] = []
    for choice in choices:
        if not kept or (choice.price, len(choice.stages)) < (kept[-1].price, len(kept[-1].stages)):
            kept.append(choice)
    return kept[-MOST:] if len(kept) <= MOST else kept[:: -(-len(kept) // MOST)]
