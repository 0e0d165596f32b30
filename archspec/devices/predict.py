"""The predicted time of a pass: in all, by layer and direction, what bounds it, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import exp
from typing import Any, Final, NamedTuple

from archspec.devices.gpu import Circumstances
from archspec.devices.models import KernelTime, TimeModel
from archspec.devices.work import KernelLike

BOUNDS: Final = ("compute", "bandwidth", "launches")


class LayerTime(NamedTuple):
    """The time of a layer in milliseconds, by direction, and what bounds it."""

    forward_ms: float
    backward_ms: float
    bound: str

    @property
    def milliseconds(self) -> float:
        """Both directions."""
        return self.forward_ms + self.backward_ms


@dataclass(frozen=True)
class Prediction:
    """The time of a forward pass or of a training step.

    machine: in words. milliseconds: of the pass. low, high: 80 % of measured times lie between them. bound: what bounds
    most of the time: compute, bandwidth or launches. shares: the part of the time that each of them bounds. kernels:
    each kernel's part, in order. ran: these kernels.
    """

    machine: str
    milliseconds: float
    low: float
    high: float
    bound: str
    shares: dict[str, float]
    kernels: tuple[KernelTime, ...]
    ran: Sequence[KernelLike] = field(repr=False)

    @cached_property
    def layers(self) -> dict[str, LayerTime]:
        """The time of each layer, by path; "" is the loss and the optimizer."""
        rows: dict[str, list[float]] = {}  # seconds forward and backward, and of each bound
        for kernel, (seconds, bound, _) in zip(self.ran, self.kernels, strict=True):
            row = rows.get(kernel.layer)
            if row is None:
                row = rows[kernel.layer] = [0.0] * (2 + len(BOUNDS))
            row[kernel.direction != "forward"] += seconds
            row[2 + BOUNDS.index(bound)] += seconds
        return {
            path: LayerTime(1000 * forward, 1000 * backward, BOUNDS[bounds.index(max(bounds))])
            for path, (forward, backward, *bounds) in rows.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "machine": self.machine, "ms": round(self.milliseconds, 4), "low_ms": round(self.low, 4),
            "high_ms": round(self.high, 4), "bound": self.bound,
            "shares": {name: round(share, 4) for name, share in self.shares.items()},
        }


def predict(kernels: Sequence[KernelLike], model: TimeModel, circumstances: Circumstances) -> Prediction:
    """Predict the time of a pass from its kernels, in order (`archspec.execution`)."""
    times = model.times(kernels, circumstances)
    milliseconds = 1000 * sum([time.seconds for time in times])
    factor = exp(model.span(times, circumstances))
    sums = _by_bound(times)
    total = sum(sums.values())
    shares = {name: seconds / total if total else 0.0 for name, seconds in sums.items()}
    return Prediction(
        _place(model, circumstances), milliseconds, milliseconds / factor, milliseconds * factor,
        max(BOUNDS, key=sums.__getitem__), shares, tuple(times), kernels,
    )


def _place(model: TimeModel, circumstances: Circumstances) -> str:
    """The machine in words, and which precision it computes in instead, if it lacks units for this one."""
    wanted, used = circumstances.precision, model.computes_in(circumstances.precision)
    return model.name if used == wanted else f"{model.name} (without {wanted}: it computes in {used})"


def _by_bound(times: Iterable[KernelTime]) -> dict[str, float]:
    sums = dict.fromkeys(BOUNDS, 0.0)
    for seconds, bound, _ in times:
        sums[bound] += seconds
    return sums
