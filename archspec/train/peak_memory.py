"""The most memory that a training needs: of a GPU what torch's allocator hands out, on a CPU what the process holds."""

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
    """Measures from the moment it is made. measured_as: `WHAT: details`, for people; None where there is no figure.

    On Linux the peak of a process is VmHWM. Not ru_maxrss: a process that another one starts begins with the peak of
    its starter there, and nothing sets it back for a second run in one process.
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
        """*The peak in bytes, the sum over all processes. Collective, see `ProcessGroup`."""
        mine = torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else resident_peak()
        if self.measured_as is None or mine is None:
            return None
        return int(self._group.sum(torch.tensor([mine])))


def resident_peak() -> int | None:
    """The most memory that this process has held, in bytes; None where the system does not tell."""
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
    """Let the peak begin with what the process holds now (proc(5)); False where that is not possible."""
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True
