"""`train --fit`: changes a recipe so that a step fits, with results as close as possible."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from archspec.analysis import smallest_batch
from archspec.capacity.largest import largest_batch
from archspec.capacity.options import (
    accumulated,
    accumulation_effect,
    fewest_passes,
    normalises_batch,
    value_text,
)
from archspec.capacity.simulate import WORK, Price, Simulated
from archspec.capacity.stages import every_part, stages_to_recompute
from archspec.diagnostics import SpecError, error
from archspec.execution import Setting
from archspec.ir import Graph
from archspec.text import bytes_text


@dataclass(frozen=True, slots=True)
class Fitting:
    """What was changed so that a step fits: fields of the recipe. before, after: the peaks in bytes. price: of a
    step, divided by that without the changes. unit: of the price.
    """

    changes: dict[str, Any]
    before: int
    after: int
    price: float
    effect: str
    unit: str = WORK.unit

    @property
    def text(self) -> str:
        """A line for the user."""
        if not self.changes:
            return f"fits: a step needs about {bytes_text(self.after)}"
        named = ", ".join(f"{key}: {value_text(value)}" for key, value in self.changes.items())
        more = f", {100 * (self.price - 1):.0f} % more {self.unit}" if self.price > 1.005 else ""
        return (f"to fit: {named}; a step needs about {bytes_text(self.after)} instead of {bytes_text(self.before)}"
                f"{more}; {self.effect}")


def fitted(graph: Graph, setting: Setting, memory: int, price: Price = WORK) -> Fitting:
    """The changes of the recipe with which a step in this setting fits into `memory` bytes.

    Without batch norm the batch is divided into passes, which costs no work. With batch norm, whose statistics would
    change, stages are recomputed; so they are where passes of one image are not enough.
    Raises SpecError BUILD201 if that is not enough.
    """
    plain = Simulated(graph, setting)
    before = plain.peak()
    if before <= memory:
        return Fitting({}, before, before, 1.0, "")
    if not normalises_batch(graph) and (passes := fewest_passes(plain, memory)) is not None:
        chosen = accumulated(setting, passes)
        changes = {"batch_size": chosen.batch_size, "accumulate": chosen.accumulate}
        return _fitting(plain, chosen, changes, price, accumulation_effect(chosen, graph.samples, normed=False))
    stages = stages_to_recompute(plain, memory, price)
    if stages is None:
        raise _too_large(plain, memory)
    chosen = replace(setting, recompute=frozenset(stages))
    return _fitting(plain, chosen, {"recompute": list(stages)}, price, "the results stay the same")


def _fitting(plain: Simulated, chosen: Setting, changes: dict[str, Any], price: Price, effect: str) -> Fitting:
    run, base = plain.under(chosen).run(), plain.run()
    ratio = price.of(run) / price.of(base) if price.of(base) else 1.0
    return Fitting(changes, base.peak_bytes, run.peak_bytes, ratio, effect, price.unit)


def _too_large(plain: Simulated, memory: int) -> SpecError:
    """SpecError BUILD201 with the largest batch that fits when every stage is recomputed."""
    graph, setting, before = plain.graph, plain.setting, plain.peak()
    simulated = plain.under(replace(setting, recompute=every_part(graph)))
    least = smallest_batch(graph, training=True)
    largest = largest_batch(lambda size: simulated.peak(batch_size=size), memory, least)
    hint = f"use --batch-size {largest}" if largest else _without_a_batch(simulated, memory, least)
    return error(
        "BUILD201", f"a step with batches of {setting.batch_size} needs about {bytes_text(before)}, with every part "
        f"recomputed {bytes_text(simulated.peak())}: --fit allows {bytes_text(memory)}", hint=hint,
    )


def _without_a_batch(simulated: Simulated, memory: int, least: int) -> str:
    """The remedy where not even the smallest batch fits: bf16 if that is enough, otherwise a smaller network."""
    if simulated.setting.precision in ("fp32", "tf32") and simulated.peak(precision="bf16") <= memory:
        return "use --precision bf16"
    return f"lower the network's width: even a batch of {least} needs {bytes_text(simulated.peak(batch_size=least))}"
