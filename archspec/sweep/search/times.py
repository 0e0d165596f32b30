"""Measures the time of a network for one image, on the device where the trials of a search train."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archspec.atomic_files import write_text
from archspec.diagnostics import SpecError
from archspec.files import read_regular

if TYPE_CHECKING:
    from archspec.sweep.expand import Trial

NAME: Final = "times.json"
FORMAT: Final = 1
RUNS: Final = 20  # forward passes, of which the median counts, after 5 for warm-up
MAX_BYTES: Final = 1 << 24

Forward = Callable[["Trial"], float]  # the milliseconds of a forward pass of one image


class Times:
    """Milliseconds of a forward pass of one image in float32, measured once per network.

    They are stored in the sweep folder, so that a restarted search makes the same decisions. They are measured again
    if device or threads are different.
    """

    def __init__(self, folder: Path, device: str, threads: int, forward: Forward | None = None) -> None:
        self._path, self._threads = folder / NAME, threads
        self._forward = forward or (lambda trial: _measured(trial, device, threads))
        self.device = _device_name(device)
        self._known: dict[str, float | None] = self._read()

    def of(self, trial: Trial) -> float | None:
        """The time of a trial's network; None if it cannot run here, which its training will report."""
        from archspec.ir.digest import graph_digest

        key = graph_digest(trial.loaded.graph)
        if key not in self._known:
            try:
                self._known[key] = self._forward(trial)
            except SpecError:
                self._known[key] = None
            write_text(self._path, json.dumps(self._about() | {"milliseconds": self._known}) + "\n")
        return self._known[key]

    def _about(self) -> dict[str, object]:
        return {"format": FORMAT, "device": self.device, "threads": self._threads}

    def _read(self) -> dict[str, float | None]:
        try:
            data = json.loads(read_regular(self._path, MAX_BYTES))
            times = data.pop("milliseconds")
            sound = data == self._about() and all(value is None or 0 < value < math.inf for value in times.values())
            return dict(times) if sound else {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}


def _measured(trial: Trial, device: str, threads: int) -> float:
    from archspec.profile import measure

    return measure(trial.loaded, batch_size=1, device=device, threads=threads, steps=RUNS, warmup=5).forward.median_ms


def _device_name(device: str) -> str:
    from archspec.backends.device import cpu_name, device_name, pick_device

    picked = pick_device(device)
    return cpu_name() if picked.type == "cpu" else device_name(picked)
