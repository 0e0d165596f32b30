"""How much memory there is, and whether a data set may stay in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

# The rest is for weights, activations and the program itself.
RESIDENT_SHARE: Final = 0.4


def available_bytes(device: torch.device | str) -> int | None:
    """Free memory of a device, in bytes; None where the system does not tell.

    CPU: what Linux counts as available, or less where a control group sets a limit.
    """
    import torch

    device = torch.device(device)
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    known = [n for n in (_meminfo(Path("/proc/meminfo")), _cgroup(Path("/sys/fs/cgroup"))) if n is not None]
    return min(known, default=None)


def fits(nbytes: int, device: torch.device | str) -> bool:
    """Whether `nbytes` are at most RESIDENT_SHARE of the free memory; true where that is not known."""
    free = available_bytes(device)
    return free is None or nbytes <= RESIDENT_SHARE * free


def _meminfo(path: Path) -> int | None:
    """MemAvailable of /proc/meminfo, which is in KiB."""
    for line in _lines(path):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _cgroup(folder: Path) -> int | None:
    """What a version 2 control group leaves; None without a limit."""
    limit, used = (_lines(folder / name) for name in ("memory.max", "memory.current"))
    if not limit or not used or not limit[0].isdigit():
        return None
    return max(0, int(limit[0]) - int(used[0]))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
