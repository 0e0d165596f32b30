"""The measured profile of a network's layers, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from archspec.profile.breakdown import PassTimes
from archspec.profile.roofline import Roof

if TYPE_CHECKING:
    from archspec.profile.peaks import Peaks

WORTH_IT: Final = 0.03  # a smaller saving may be noise


@dataclass(frozen=True, slots=True)
class LayerTime:
    """One op. Times are in milliseconds, of the whole batch.

    inference_ms: of a forward pass in evaluation. forward_ms, backward_ms: in a training step; 0 without one.
    roof: the shortest time of its kernels in the step, or in evaluation if there is no step; None if its work is not
    known. predicted_ms: what was predicted for the same.
    """

    path: str
    op: str
    inference_ms: float = 0.0
    forward_ms: float = 0.0
    backward_ms: float = 0.0
    roof: Roof | None = None
    predicted_ms: float | None = None

    @property
    def step_ms(self) -> float:
        """Forward and backward in a training step."""
        return self.forward_ms + self.backward_ms


@dataclass(frozen=True, slots=True)
class Trial:
    """Other settings, tried in turns with the measured ones on the same network.

    saving: the share of the pass that they save, the median of the rounds; below 0 if they are slower. sure: whether
    they were faster in three of four rounds. problem: why they could not be tried.
    """

    name: str
    saving: float = 0.0
    sure: bool = False
    problem: str | None = None

    @property
    def helps(self) -> bool:
        """Whether the saving is more than noise."""
        return self.problem is None and self.sure and self.saving >= WORTH_IT


@dataclass(frozen=True, slots=True)
class LayerProfile:
    """The time of every layer.

    passes: `forward`, and `step` if the network can be trained. peaks: of this machine. notes: what a reader must know.
    """

    layers: tuple[LayerTime, ...]
    passes: Mapping[str, PassTimes]
    settings: str
    peaks: Peaks | None = None
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def trains(self) -> bool:
        """Whether it has a training step; otherwise everything is about the forward pass."""
        return "step" in self.passes

    @property
    def whole(self) -> PassTimes:
        """The pass whose shares are shown: the training step, or the forward pass if there is none."""
        return self.passes["step" if self.trains else "forward"]

    @property
    def name(self) -> str:
        """The name of that pass in texts."""
        return "training step" if self.trains else "forward pass"

    def ms(self, layer: LayerTime) -> float:
        """The time of a layer in that pass."""
        return layer.step_ms if self.trains else layer.inference_ms

    def share(self, ms: float) -> float:
        """The share of that pass."""
        return ms / self.whole.total_ms if self.whole.total_ms else 0.0

    def rest(self) -> Iterator[tuple[str, float]]:
        """What belongs to no layer, in milliseconds; with the layers it adds up to the whole pass."""
        whole = self.whole
        yield "between layers, forward", whole.between("forward")
        if self.trains:
            yield "between layers, backward", whole.between("backward")
            yield "loss", whole.of("loss")
            yield "optimizer", whole.of("optimizer")
            yield "other", whole.of("other")
        yield "hooks", whole.of("measuring")

    def best_trial(self) -> Trial | None:
        """The settings that save most; None if none of them helps."""
        return max((t for t in self.trials if t.helps), key=lambda t: t.saving, default=None)

    def to_json(self) -> dict[str, Any]:
        """The versioned form, a part of `--json`."""
        return {
            "pass": "training_step" if self.trains else "forward",
            "settings": self.settings,
            "total_ms": self.whole.total_ms,
            "unmeasured_ms": self.whole.plain_ms,
            "cost_of_measuring": self.whole.cost_of_measuring,
            "runs": self.whole.runs,
            "layers": [self.row(layer) for layer in self.layers],
            "rest_ms": dict(self.rest()),
            "notes": list(self.notes),
            "peaks": None if self.peaks is None else self.peaks.to_json(),
            "trials": [
                {"settings": t.name, "saving": None if t.problem else t.saving, "helps": t.helps, "problem": t.problem}
                for t in self.trials
            ],
        }

    def row(self, layer: LayerTime) -> dict[str, Any]:
        """A layer as plain data, the same in JSON and CSV."""
        ms, roof = self.ms(layer), layer.roof
        seconds = ms / 1000
        return {
            "path": layer.path, "op": layer.op, "inference_ms": layer.inference_ms, "forward_ms": layer.forward_ms,
            "backward_ms": layer.backward_ms, "ms": ms, "share": self.share(ms), "predicted_ms": layer.predicted_ms,
            "flop_per_s": roof.flops / seconds if roof and seconds else None,
            "bytes_per_s": roof.bytes / seconds if roof and seconds else None,
            "roof_ms": roof.total_ms if roof else None,
            "share_of_roof": roof.share_reached(ms) if roof else None,
            "bound": roof.bound if roof else None,
        }
