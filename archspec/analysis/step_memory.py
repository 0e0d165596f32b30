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
    end beside weights, inputs and the optimizer's state. peak_gradients: the gradients that are there at the peak.
    Backward makes gradients while it frees activations, so the peak rarely has all of both.
    """

    weights: int
    gradients: int
    optimizer_state: int
    activations: int
    inputs: int
    peak: int
    peak_gradients: int
    batch_size: int = 1

    @property
    def parts(self) -> dict[str, int]:
        """What is live at the peak, by name: together the peak. Temporaries count as activations."""
        fixed = self.weights + self.peak_gradients + self.optimizer_state + self.inputs
        return {
            "weights": self.weights, "gradients": self.peak_gradients, "optimizer state": self.optimizer_state,
            "activations": self.peak - fixed, "inputs": self.inputs,
        }

    @property
    def dominant(self) -> list[str]:
        """The largest part, and those that are as large."""
        largest = max(self.parts.values())
        return [name for name, size in self.parts.items() if size and size >= _EQUAL * largest]

    @property
    def activations_from(self) -> int | None:
        """The batch from which on forward keeps more activations than there is of anything else; None if it never does.
        """
        if not self.activations:
            return None
        others = max(self.weights, self.gradients, self.optimizer_state)
        return max(1, ceil(others * self.batch_size / self.activations))

    def text(self, optimizer: str) -> str:
        """`a training step with Adam needs 1.05 GiB: activations dominate`, and a line with the shares of all parts."""
        shown = " · ".join(
            f"{name} {bytes_text(size)} ({_percent(size, self.peak)})" for name, size in self.parts.items() if size
        )
        *others, last = self.dominant
        names = f"{', '.join(others)} and {last}" if others else last
        verb = "dominates" if self.dominant == ["optimizer state"] else "dominate"
        start = self.activations_from
        later = "" if last == "activations" or start is None or start <= self.batch_size else (
            f"; from batch {start:,} on, activations do")
        needs = f"a training step with {optimizer} needs {bytes_text(self.peak)}"
        return f"{needs}: {names} {verb}{later}\n  at the peak: {shown}"

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
        training.peak_gradient_bytes, training.setting.batch_size,
    )


def _percent(part: int, whole: int) -> str:
    """`8 %`, `0.3 %`, `< 0.1 %`."""
    share = 100 * part / whole
    return f"{share:.0f} %" if share >= 1 else f"{share:.1f} %" if share >= 0.05 else "< 0.1 %"
