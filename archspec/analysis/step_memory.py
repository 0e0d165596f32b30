"""What takes the memory of a training step: weights, gradients, the optimizer's state, or activations."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from archspec.execution import Execution
from archspec.text import bytes_text

_EQUAL: Final = 0.98  # parts of at least this share of the largest one count as equally large


@dataclass(frozen=True, slots=True)
class StepMemory:
    """The parts of a training step's memory, in bytes.

    activations: what the forward pass keeps for backward, its outputs and the loss included: all that is live at its
    end beside weights, inputs and the optimizer's state. The gradients grow while backward frees activations, so the
    peak is less than the sum of the parts, unless temporaries raise it.
    """

    weights: int
    gradients: int
    optimizer_state: int
    activations: int
    inputs: int
    peak: int
    batch_size: int = 1

    @property
    def parts(self) -> dict[str, int]:
        """The parts by name."""
        return {
            "weights": self.weights, "gradients": self.gradients, "optimizer state": self.optimizer_state,
            "activations": self.activations, "inputs": self.inputs,
        }

    @property
    def dominant(self) -> list[str]:
        """The largest part, and those that are as large."""
        largest = max(self.parts.values())
        return [name for name, size in self.parts.items() if size and size >= _EQUAL * largest]

    @property
    def activations_from(self) -> int | None:
        """The batch from which on activations are the largest part; None if they never are."""
        if not self.activations:
            return None
        others = max(self.weights, self.gradients, self.optimizer_state)
        return max(1, ceil(others * self.batch_size / self.activations))

    def text(self, optimizer: str) -> str:
        """`a training step with Adam needs 1.05 GiB: activations dominate`, and a line with the shares of all parts."""
        whole = sum(self.parts.values())
        shown = " · ".join(
            f"{name} {bytes_text(size)} ({_percent(size, whole)})" for name, size in self.parts.items() if size
        )
        *others, last = self.dominant
        names = f"{', '.join(others)} and {last}" if others else last
        verb = "dominates" if self.dominant == ["optimizer state"] else "dominate"
        later = "" if last == "activations" or self.activations_from is None else (
            f", from batch {self.activations_from:,} on activations")
        return f"a training step with {optimizer} needs {bytes_text(self.peak)}: {names} {verb}{later}\n  {shown}"

    def to_json(self) -> dict[str, int]:
        """For JSON: additions to the totals of a static profile."""
        return {
            "weight_bytes": self.weights, "gradient_bytes": self.gradients,
            "optimizer_state_bytes": self.optimizer_state, "kept_activation_bytes": self.activations,
            "input_bytes": self.inputs,
        }


def step_memory(training: Execution) -> StepMemory:
    """The parts of the memory of a simulated training step."""
    last = max(k for k, kernel in enumerate(training.kernels) if kernel.direction == "forward")
    stays = training.weight_bytes + training.state_bytes + training.input_bytes
    return StepMemory(
        training.weight_bytes, training.gradient_bytes, training.state_bytes,
        max(0, training.timeline[last] - stays), training.input_bytes, training.peak_bytes,
        training.setting.batch_size,
    )


def _percent(part: int, whole: int) -> str:
    """`8 %`, `0.3 %`, `< 0.1 %`."""
    share = 100 * part / whole
    return f"{share:.0f} %" if share >= 1 else f"{share:.1f} %" if share >= 0.05 else "< 0.1 %"
