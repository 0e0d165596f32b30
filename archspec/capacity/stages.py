"""The cheapest stages to recompute so that a step fits into memory.

A step's peak lies in one of its stages: in its forward pass, where the stages before it have kept their activations,
or in its backward pass, where these are still there and its own too. Recomputing a stage frees what it keeps, beside
its inputs, for all later stages. So each stage needs a certain number of bytes freed before it, and the sets that free
them are found by dynamic programming along the chain of stages, over (bytes freed, price): Chen et al. 2016, "Training
deep nets with sublinear memory cost", section 4, with bytes and prices of the simulated step instead of a fixed cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from archspec.capacity.simulate import Price, Simulated
from archspec.execution import Execution

TRIES: Final = 6  # corrections of the bytes to free, because skip connections reach over stages
MOST: Final = 4096  # choices that are kept at a stage


class _Choice(NamedTuple):
    """Stages to recompute: the bytes that they free, and their price."""

    freed: int
    price: float
    stages: tuple[str, ...]


def stages_to_recompute(simulated: Simulated, memory: int, price: Price) -> tuple[str, ...] | None:
    """The cheapest stages whose recomputation makes the step of `simulated.setting` fit, in order; None if none do.

    price: of an execution; that of a stage is what its recomputation adds. No stage of the answer can be left out.
    """
    plain = simulated.run()
    names = [node.name for node in simulated.graph.nodes]
    if plain.peak_bytes <= memory:
        return ()
    alone = [simulated.run(recompute=frozenset({name})) for name in names]
    frees = [plain.saved_bytes - one.saved_bytes for one in alone]
    prices = [max(price.of(one) - price.of(plain), 0.0) for one in alone]
    peaks, wanted = _peaks(plain, names), memory
    for _ in range(TRIES):
        found = _cheapest(names, frees, prices, [peak - wanted for peak in peaks])
        if found is None:
            break
        over = simulated.peak(recompute=frozenset(found)) - memory
        if over <= 0:
            return _without_idle(simulated, found, prices, memory)
        wanted -= over
    every = tuple(name for name, bytes_ in zip(names, frees, strict=True) if bytes_ > 0)
    fits = simulated.peak(recompute=frozenset(every)) <= memory
    return _without_idle(simulated, every, prices, memory) if fits else None


def _peaks(plain: Execution, names: Sequence[str]) -> list[int]:
    """The peak within each stage, in either direction; the last entry is that of the loss and the optimizer."""
    places = {name: k for k, name in enumerate(names)}
    found = [0] * (len(names) + 1)
    for kernel, live in zip(plain.kernels, plain.timeline, strict=True):
        place = places.get(kernel.layer.partition(".")[0], len(names))
        found[place] = max(found[place], live)
    return found


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


def _without_idle(
    simulated: Simulated, stages: tuple[str, ...], prices: Sequence[float], memory: int
) -> tuple[str, ...]:
    """The stages without those that are not needed, the dearest first."""
    dear = dict(zip([node.name for node in simulated.graph.nodes], prices, strict=True))
    for name in sorted(stages, key=lambda name: -dear[name]):
        fewer = tuple(stage for stage in stages if stage != name)
        if simulated.peak(recompute=frozenset(fewer)) <= memory:
            stages = fewer
    return stages
