"""What the simulation of the same passes says, to stand beside what is measured."""

from __future__ import annotations

from archspec import execution
from archspec.execution import execute
from archspec.profile.measurement import PredictedMemory
from archspec.profile.workload import Setting


def simulated(chosen: Setting, *, training: bool) -> execution.Setting:
    """The setting of the simulation of a training step, or of a forward pass."""
    settings = chosen.settings
    return execution.Setting(
        batch_size=chosen.batch_size, training=training, precision=settings.precision,
        channels_last=settings.channels_last, target="cuda" if chosen.device.type == "cuda" else "cpu",
        optimizer=chosen.optimizer, dtype=chosen.dtype,
    )


def predicted_memory(chosen: Setting) -> dict[str, PredictedMemory]:
    """The memory of each pass: `forward`, and `step` if the network can be trained."""
    passes = {"forward": False} if chosen.no_step is not None else {"forward": False, "step": True}
    runs = {name: execute(chosen.graph, simulated(chosen, training=step)) for name, step in passes.items()}
    return {name: PredictedMemory(run.peak_bytes, run.workspace_bytes) for name, run in runs.items()}
