"""Memory and traffic of a network in training and in inference, from a simulation of both; see `archspec.execution`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from archspec.analysis.step_memory import StepMemory, step_memory
from archspec.execution import Execution, LayerUse, Setting, execute
from archspec.execution.network import Network
from archspec.ir import Graph
from archspec.text import estimates_text


@dataclass(frozen=True, slots=True)
class Resources:
    """What a network needs in a setting.

    inference: a forward pass in evaluation, without gradients. training: a training step with the setting's optimizer;
    None if there is nothing to train.
    """

    setting: Setting
    inference: Execution
    training: Execution | None

    @property
    def main(self) -> Execution:
        """The training step, or the forward pass where nothing is trained."""
        return self.training or self.inference

    @property
    def memory(self) -> StepMemory | None:
        """The parts of a training step's memory; None if there is nothing to train."""
        return None if self.training is None else step_memory(self.training)

    def step_text(self) -> str | None:
        """What a training step needs, what takes most of it, and what is an estimate; None if nothing is trained."""
        if self.memory is None:
            return None
        setting, estimated = self.setting, self.main.estimated
        how: list[str] = [setting.precision] if setting.precision != "fp32" else []
        how += ["NHWC"] if setting.channels_last else []
        text = self.memory.text(setting.optimizer.text + (f" in {' and '.join(how)}" if how else ""))
        return f"{text}\n{estimates_text(estimated)}" if estimated else text

    def totals(self) -> dict[str, Any]:
        """The figures of the whole network, for JSON; of a training step where it is not said otherwise.

        intensity: FLOPs (2 × MACs) for each byte that is read or written.
        """
        kernels = self.main.kernels
        read, written = sum([x.read_bytes for x in kernels]), sum([x.written_bytes for x in kernels])
        macs = sum([x.macs for x in kernels])
        training = self.training
        return {
            "saved_bytes": 0 if training is None else training.saved_bytes,
            "inference_peak_bytes": self.inference.peak_bytes,
            "training_peak_bytes": None if training is None else training.peak_bytes,
            "workspace_bytes": self.main.workspace_bytes,
            "read_bytes": read,
            "written_bytes": written,
            "intensity": round(2 * macs / (read + written), 3) if read + written else 0.0,
            **({} if self.memory is None else self.memory.to_json()),
        }

    def layer(self, path: str) -> dict[str, Any]:
        """The figures of one layer, for JSON; "": of what belongs to no layer. Of `resources(…, by_layer=True)`."""
        use = self.main.layers.get(path, LayerUse())
        moved = use.read_bytes + use.written_bytes
        macs = use.forward_macs + use.backward_macs
        return {
            "saved_bytes": use.saved_bytes, "read_bytes": use.read_bytes, "written_bytes": use.written_bytes,
            "intensity": round(2 * macs / moved, 3) if moved else 0.0,
            "inference_peak_bytes": self.inference.layers.get(path, LayerUse()).peak_bytes,
            "training_peak_bytes": None if self.training is None else use.peak_bytes,
            "workspace_bytes": use.workspace_bytes, "estimated": path in self.main.estimated,
        }


def resources(graph: Graph, setting: Setting, *, by_layer: bool = False) -> Resources:
    """Simulate both passes of a network. by_layer: with each layer's part of the peaks. Imports no torch."""
    network = Network(graph)
    inference = execute(graph, replace(setting, training=False), network, by_layer=by_layer)
    learns = network.weights(setting).learn  # of heads that only training runs, too
    training = execute(graph, replace(setting, training=True), network, by_layer=by_layer) if learns else None
    return Resources(setting, inference, training)
