"""What makes a batch fit that does not: each change with its new peak and its price in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import isqrt
from typing import Any, Final, Literal

from archspec.analysis.parts import holds, parts_with, tensors_of
from archspec.capacity.simulate import Price, Simulated
from archspec.capacity.stages import every_part, stages_to_recompute
from archspec.diagnostics import listing
from archspec.execution import Optimizer, Setting
from archspec.ir import Graph, sites
from archspec.ops.traits import Normalises

Low = Literal["bf16", "fp16"]
Kind = Literal["bf16", "fp16", "recompute", "accumulate", "optimizer", "freeze", "together"]
SAME: Final = "the same results"
LISTED: Final = 4  # the most parts of a list without ranges
_TRIED: Final = 1 << 20  # divisors that are tried
ROUGHLY: Final = 1.1  # recomputing every stage may need a little more memory than recomputing the right ones


@dataclass(frozen=True, slots=True)
class Option:
    """A change to recipe or precision.

    recipe: the fields that it sets. precision: another one, or None. peak_bytes: of a training step with it. fits:
    whether that is within the limit. price: of a step, divided by that without the change. effect: on the
    results, in words.
    """

    kind: Kind
    recipe: dict[str, Any] = field(hash=False)
    peak_bytes: int
    fits: bool
    price: float
    effect: str
    precision: str | None = None

    @property
    def text(self) -> str:
        """The change as a recipe and the command line write it, long lists in short: `recompute: [b1, b2.0–b2.4]`."""
        fields = [f"{key}: {value_text(value)}" for key, value in self.recipe.items()]
        return ", ".join([*([f"--precision {self.precision}"] if self.precision else []), *fields])

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kind": self.kind, "recipe": self.recipe, "precision": self.precision, "peak_bytes": self.peak_bytes,
            "fits": self.fits, "relative_price": round(self.price, 4), "effect": self.effect,
        }


def value_text(value: Any) -> str:
    """A value of a recipe. Of a long list of parts, copies of a repeat are ranges: `[b1, b2.0–b2.4]`."""
    if not isinstance(value, (list, tuple)):
        return str(value)
    return f"[{', '.join(value if len(value) <= LISTED else _ranges(value))}]"


def _ranges(parts: Sequence[str]) -> list[str]:
    found: list[list[str]] = []
    for part in parts:
        stem, _, last = part.rpartition(".")
        before, _, number = found[-1][-1].rpartition(".") if found else ("", "", "")
        if stem and stem == before and last.isdecimal() and number.isdecimal() and int(last) == int(number) + 1:
            found[-1].append(part)
        else:
            found.append([part])
    return [run[0] if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in found]


def options_for(
    graph: Graph, setting: Setting, memory: int, price: Price, low: Low | None = "bf16"
) -> list[Option]:
    """The changes that make a step in this setting fit into `memory` bytes, those that do first, the cheapest first.

    low: the precision of autocast that the device computes in, or None. A change that helps and is not enough has
    `fits` False. If none is enough alone, the last option is several at once.
    """
    search = _Search(graph, setting, memory, price, low)
    found = [option for make in search.all() if (option := make()) is not None]
    if not any(option.fits for option in found) and (together := search.together()) is not None:
        found.append(together)
    return sorted(found, key=lambda option: (not option.fits, option.price if option.fits else option.peak_bytes))


class _Search:
    """Finds options. base: the price of a step as it is."""

    def __init__(
        self, graph: Graph, setting: Setting, memory: int, price: Price, low: Low | None = "bf16"
    ) -> None:
        self.graph, self.setting, self.memory, self.price = graph, setting, memory, price
        self.plain = Simulated(graph, setting)
        self.low = None if setting.low else low  # bf16 or fp16 is used already
        self.base = price.of(self.plain.run())
        self.normed = normalises_batch(graph)

    def all(self) -> Iterator[Callable[[], Option | None]]:
        """The searches for one change each."""
        yield from (self.low_precision, self.recomputation, self.accumulation, self.optimizer, self.freezing)

    def _option(self, kind: Kind, effect: str, setting: Setting, **recipe: Any) -> Option:
        run = self.plain.under(setting).run()
        precision = setting.precision if setting.precision != self.setting.precision else None
        price = self.price.of(run) / self.base if self.base else 1.0
        return Option(kind, recipe, run.peak_bytes, run.peak_bytes <= self.memory, price, effect, precision)

    def low_precision(self) -> Option | None:
        """Autocast in 16 bits."""
        if self.low is None:
            return None
        option = self._option(self.low, "results differ by rounding", replace(self.setting, precision=self.low))
        return option if option.peak_bytes < self.plain.peak() else None

    def recomputation(self) -> Option | None:
        """Activation checkpointing of the cheapest stages; of those that lower the peak most if that is not enough."""
        stages = stages_to_recompute(self.plain, self.memory, self.price)
        if stages is None:
            least = self.plain.peak(recompute=every_part(self.graph))
            stages = stages_to_recompute(self.plain, least, self.price)
        if not stages:
            return None
        setting = replace(self.setting, recompute=frozenset(stages))
        return self._option("recompute", SAME, setting, recompute=list(stages))

    def accumulation(self) -> Option | None:
        """Passes of fewer images."""
        passes = fewest_passes(self.plain, self.memory)
        if passes is None:
            return None
        setting = accumulated(self.setting, passes)
        effect = accumulation_effect(setting, self.graph.samples, normed=self.normed)
        return self._option("accumulate", effect, setting,
                            batch_size=setting.batch_size, accumulate=setting.accumulate)

    def optimizer(self) -> Option | None:
        """One that keeps fewer tensors for each parameter: the first that is enough, or the smallest."""
        lighter = [x for x in (Optimizer("sgd", 0.9), Optimizer("sgd")) if x.states < self.setting.optimizer.states]
        option = None
        for optimizer in lighter:
            option = self._option(
                "optimizer", "another course of training", replace(self.setting, optimizer=optimizer),
                optimizer="sgd", momentum=optimizer.momentum,
            )
            if option.fits:
                break
        return option

    def freezing(self) -> Option | None:
        """The fewest stages from the input on that keep their weights."""
        names, tensors = [node.name for node in self.graph.nodes], tensors_of(self.graph)
        for count in range(1, len(names)):
            frozen = names[:count]
            held = frozenset(x.name for x in tensors if any(holds(part, name) for part in frozen for name in x.names))
            both = self.setting.frozen | held  # the recipe's `freeze` is replaced, so what it has is named too
            if both == self.setting.frozen or all(x.name in both for x in tensors if x.learned):
                continue
            listed = parts_with(tensors, both)
            option = self._option(
                "freeze", f"{listing(listed, 4)} {'does' if len(listed) == 1 else 'do'} not learn",
                replace(self.setting, frozen=both), freeze=listed,
            )
            if option.fits:
                return option
        return None

    def together(self) -> Option | None:
        """Recomputation in 16 bits; with passes of fewer images if that is not enough."""
        low = replace(self.setting, precision=self.low or self.setting.precision)
        every = every_part(self.graph)
        for setting in _with_passes(low, _least(self.graph)):
            simulated = self.plain.under(setting)
            if simulated.peak(recompute=every) > ROUGHLY * self.memory:
                continue
            stages = stages_to_recompute(simulated, self.memory, self.price)
            if stages is None:
                continue
            recipe: dict[str, Any] = {"recompute": list(stages)} if stages else {}
            effects = ["results differ by rounding"] if self.low else [SAME]
            if setting.accumulate > low.accumulate:
                recipe |= {"batch_size": setting.batch_size, "accumulate": setting.accumulate}
                effect = accumulation_effect(setting, self.graph.samples, normed=self.normed)
                effects = [effect] if self.normed or not self.low else effects
            chosen = replace(setting, recompute=frozenset(stages))
            return self._option("together", ", ".join(effects), chosen, **recipe)
        return None


def normalises_batch(graph: Graph) -> bool:
    """Whether the output for an image depends, in training, on the other images of the batch."""
    norms = (site.node.op.trait(Normalises) for site in sites(graph) if site.node.op is not None)
    return any(norm is not None and norm.batch for norm in norms)


def accumulation_effect(setting: Setting, samples: str, *, normed: bool) -> str:
    """What accumulation changes in the results."""
    if normed:
        return f"batch norm takes its statistics from {setting.batch_size:,} {samples}"
    return "the same results up to rounding"


def accumulated(setting: Setting, passes: int) -> Setting:
    """The same images per step in `passes` times as many passes."""
    return replace(setting, batch_size=setting.batch_size // passes, accumulate=setting.accumulate * passes)


def divisors(batch_size: int, least: int = 1) -> list[int]:
    """The numbers of equal passes above 1 into which a batch can be divided, with at least `least` images in each.

    All of them for batches up to _TRIED squared; of larger ones those with up to _TRIED passes, or images in each.
    """
    pairs = ((k, batch_size // k) for k in range(1, min(isqrt(batch_size), _TRIED) + 1) if batch_size % k == 0)
    return sorted({k for pair in pairs for k in pair if 1 < k <= batch_size // least})


def fewest_passes(simulated: Simulated, memory: int) -> int | None:
    """The fewest equal passes with which a step fits; None if it does not fit in any."""
    setting = simulated.setting
    known = divisors(setting.batch_size, _least(simulated.graph))
    low, high = 0, len(known)  # known[:low] do not fit, known[high:] do
    while low < high:
        middle = (low + high) // 2
        if simulated.under(accumulated(setting, known[middle])).peak() <= memory:
            high = middle
        else:
            low = middle + 1
    return known[low] if low < len(known) else None


def _least(graph: Graph) -> int:
    """The fewest images of a pass: one has no statistics."""
    return 2 if normalises_batch(graph) else 1


def _with_passes(setting: Setting, least: int) -> Iterator[Setting]:
    yield setting
    for passes in divisors(setting.batch_size, least):
        yield accumulated(setting, passes)
