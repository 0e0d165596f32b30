"""What a measurement says, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from archspec.profile.timing import Runs

MEASUREMENT_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Measurement:
    """How fast a network runs on one device, and how much memory it needs there.

    forward: in eval mode, nothing kept for a backward pass. step: forward, loss, backward and update; None where
    the network cannot be trained with this batch, then `no_step` says why.
    macs: multiply-adds of one forward pass of the batch, counted, not measured.
    loss, optimizer: what the training step used. memory: what the peaks are, and how they were measured.
    trace: the file that was written, if one was asked for.
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

    @property
    def forward_ms(self) -> float:
        """Median time of a forward pass."""
        return self.forward.median_ms

    @property
    def step_ms(self) -> float | None:
        """Median time of a training step; None where there is none."""
        return self.step.median_ms if self.step else None

    @property
    def peak_memory_bytes(self) -> int | None:
        """The larger of the two peaks; None where no memory was measured."""
        peaks = [runs.peak_memory_bytes for runs in (self.forward, self.step) if runs]
        return max((peak for peak in peaks if peak is not None), default=None)

    @property
    def gmacs_per_s(self) -> float:
        """Speed of the forward pass, in 10⁹ multiply-adds a second."""
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
            "forward": _runs_json(self.forward) | {"gmacs_per_s": self.gmacs_per_s},
            "training_step": _runs_json(self.step) if self.step else None,
            "no_training_step": self.no_step,
            "loss": self.loss,
            "optimizer": self.optimizer,
            "memory": self.memory,
            "trace": self.trace,
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
