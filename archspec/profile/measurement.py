"""The results of a measurement, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from archspec.profile.timing import Runs

MEASUREMENT_FORMAT: Final = 1


class PredictedMemory(NamedTuple):
    """The memory of a pass: the peak of its tensors, and the most scratch that libraries may take beside them."""

    peak_bytes: int
    workspace_bytes: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """How fast a network runs on one device, and how much memory it needs there.

    forward: in eval mode, without a graph for backward. step: forward, loss, backward and update; None if the network
    cannot be trained with this batch, for the reason in `no_step`. macs: multiply-adds of one forward pass of the
    batch, counted, not measured. loss, optimizer: of the training step. memory: the meaning of the peaks, and how they
    were measured. trace: the trace file, if any. settings: precision, layout and kernels, as in training.
    predicted: the memory of each pass, `forward` and `step`, by simulation.
    """

    name: str
    input_shape: tuple[int, ...]
    batch_size: int
    dtype: str
    device: str
    device_name: str
    threads: int
    torch_version: str
    macs: int
    forward: Runs
    step: Runs | None
    no_step: str | None
    loss: str
    optimizer: str
    memory: str
    trace: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    predicted: Mapping[str, PredictedMemory] = field(default_factory=dict)

    @property
    def forward_ms(self) -> float:
        """The median time of a forward pass, in milliseconds."""
        return self.forward.median_ms

    @property
    def step_ms(self) -> float | None:
        """The median time of a training step, in milliseconds; None if there is none."""
        return self.step.median_ms if self.step else None

    @property
    def peak_memory_bytes(self) -> int | None:
        """The larger of the two peaks, in bytes; None if memory was not measured."""
        peaks = [runs.peak_memory_bytes for runs in (self.forward, self.step) if runs]
        return max((peak for peak in peaks if peak is not None), default=None)

    @property
    def gmacs_per_s(self) -> float:
        """The speed of the forward pass, in 10⁹ multiply-adds per second."""
        return self.forward.per_s(self.macs) / 1e9

    def to_json(self) -> dict[str, Any]:
        """The versioned form of `--json`."""
        return {
            "format": MEASUREMENT_FORMAT,
            "name": self.name,
            "input_shape": list(self.input_shape),
            "batch_size": self.batch_size,
            "dtype": self.dtype,
            "device": {"type": self.device, "name": self.device_name},
            "threads": self.threads,
            "torch": self.torch_version,
            "forward": self._json("forward", self.forward) | {"gmacs_per_s": self.gmacs_per_s},
            "training_step": self._json("step", self.step) if self.step else None,
            "no_training_step": self.no_step,
            "loss": self.loss,
            "optimizer": self.optimizer,
            "settings": dict(self.settings),
            "memory": self.memory,
            "trace": self.trace,
        }

    def _json(self, name: str, runs: Runs) -> dict[str, Any]:
        known = self.predicted.get(name)
        return _runs_json(runs) | {
            "predicted_peak_memory_bytes": None if known is None else known.peak_bytes,
            "predicted_workspace_bytes": None if known is None else known.workspace_bytes,
        }


def _runs_json(runs: Runs) -> dict[str, Any]:
    return {
        "median_ms": runs.median_ms,
        "p10_ms": runs.p10_ms,
        "p90_ms": runs.p90_ms,
        "runs": len(runs.times_ms),
        "warmup_runs": runs.warmup_runs,
        "images_per_s": runs.images_per_s,
        "peak_memory_bytes": runs.peak_memory_bytes,
    }
