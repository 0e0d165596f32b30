"""Peak memory of a training: what torch's allocator hands out on a GPU, the resident memory of the process on a CPU."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import torch

from archspec.train.distributed.process_group import ALONE, ProcessGroup

_STATUS: Final = Path("/proc/self/status")
_RESET: Final = Path("/proc/self/clear_refs")
_PEAK: Final = re.compile(rb"^VmHWM:\s*(\d+) kB$", re.MULTILINE)


class PeakMemory:
    """Measures the peak from its creation. measured_as: `WHAT: details`, for people; None if there is no figure.

    On Linux the peak of a process is VmHWM. ru_maxrss would be wrong: a new process inherits the peak of its parent,
    and it cannot be reset for a second run in the same process.
    """

    def __init__(self, device: torch.device, group: ProcessGroup = ALONE) -> None:
        self._device, self._group = device, group
        self.measured_as = self._begin("the process" if group.alone else f"all {group.size} processes")

    def _begin(self, of: str) -> str | None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return f"torch.cuda.max_memory_allocated of {of}: its highest during training"
        if self._device.type != "cpu" or resident_peak() is None:
            return None
        since = "during training" if _reset() else "since the process started"
        return f"resident memory of {of}: its highest {since}, Python and torch included"

    def so_far(self) -> int | None:
        """*The peak in bytes, summed over all processes. Collective, see `ProcessGroup`."""
        mine = torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else resident_peak()
        if self.measured_as is None or mine is None:
            return None
        return int(self._group.sum(torch.tensor([mine])))


def resident_peak() -> int | None:
    """The peak resident memory of this process in bytes; None if the system does not report it."""
    with suppress(OSError):
        if found := _PEAK.search(_STATUS.read_bytes()):
            return int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others KiB


def _reset() -> bool:
    """Reset the peak to what the process holds now (proc(5)); False if that is not possible."""
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True
