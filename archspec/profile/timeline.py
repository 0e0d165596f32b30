"""Records where the time of a pass goes: at every moment it belongs to exactly one part, so the parts add up to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple, Protocol

import torch

from archspec.profile.timing import Clock

Kind = Literal["forward", "backward", "loss", "optimizer", "other", "measuring"]


class Part(NamedTuple):
    """A part of a pass. path: of the layer; empty for what happens between layers."""

    kind: Kind
    path: str = ""


FORWARD: Final = Part("forward")
BACKWARD: Final = Part("backward")
OTHER: Final = Part("other")
MEASURING: Final = Part("measuring")  # the work of the hooks themselves


class Watch(Protocol):
    """Takes marks in the order of the device's work."""

    def mark(self) -> Any:
        """A mark at the present moment."""

    def seconds(self, start: Any, end: Any) -> float:
        """The time between two marks, after `wait`."""

    def wait(self) -> None:
        """Wait until the device has reached all marks."""


class HostWatch:
    """Marks of the clock: for a CPU, whose ops are done when their call returns."""

    def __init__(self, clock: Clock) -> None:
        self.mark = clock

    def seconds(self, start: float, end: float) -> float:
        """See `Watch`."""
        return end - start

    def wait(self) -> None:
        """See `Watch`."""


class CudaWatch:
    """Events between the kernels of a GPU, which the host does not wait for."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def mark(self) -> torch.cuda.Event:
        """See `Watch`."""
        event: torch.cuda.Event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event

    def seconds(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        """See `Watch`. An event has a resolution of about half a microsecond."""
        return float(start.elapsed_time(end)) / 1000

    def wait(self) -> None:
        """See `Watch`."""
        torch.cuda.synchronize(self._device)


def watch_of(device: torch.device, clock: Clock) -> Watch:
    """The watch for a device."""
    return CudaWatch(device) if device.type == "cuda" else HostWatch(clock)


class Timeline:
    """The parts of a pass in order, with a mark at the start of each."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._marks: list[tuple[Part, Any]] = []

    def switch(self, part: Part) -> None:
        """From now on time belongs to `part`."""
        self._marks.append((part, self._watch.mark()))

    @contextmanager
    def scope(self, part: Part) -> Iterator[None]:
        """Within the block time belongs to `part`, after it to no part in particular."""
        self.switch(part)
        try:
            yield
        finally:
            self.switch(OTHER)

    def finish(self) -> dict[Part, float]:
        """The seconds of each part from the first mark until now; begins anew."""
        self.switch(OTHER)
        self._watch.wait()
        found: defaultdict[Part, float] = defaultdict(float)
        for (part, start), (_, end) in pairwise(self._marks):
            found[part] += self._watch.seconds(start, end)
        self._marks.clear()
        return dict(found)
