"""What takes the memory of a training step: weights, gradients, the optimizer's state, or activations."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.execution import Execution
from archspec.text import bytes_text, percent_text


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

    @property
    def parts(self) -> dict[str, int]:
        """The parts by name, the largest first."""
        named = {
            "activations": self.activations, "weights": self.weights, "gradients": self.gradients,
            "optimizer state": self.optimizer_state, "inputs": self.inputs,
        }
        return dict(sorted(named.items(), key=lambda part: -part[1]))

    def text(self, optimizer: str) -> str:
        """`a training step with Adam needs 1.05 GiB; activations dominate with 890.12 MiB (72.1 %), then weights …`."""
        parts = [(name, size) for name, size in self.parts.items() if size]
        whole = sum(self.parts.values())
        (first, most), *others = parts
        verb = "dominates" if first == "optimizer state" else "dominate"
        rest = ", ".join(f"{name} {bytes_text(size)}" for name, size in others)
        return (f"a training step with {optimizer} needs {bytes_text(self.peak)}: {first} {verb} with "
                f"{bytes_text(most)} ({percent_text(most, whole)})" + (f"; {rest}" if rest else ""))

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
    )
