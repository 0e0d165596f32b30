"""Checks whether something fits into memory before it is allocated, and explains out-of-memory errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archspec.diagnostics import SpecError, error
from archspec.text import bytes_text

if TYPE_CHECKING:
    import torch

_SHORTAGES: Final = (
    "DefaultCPUAllocator: ", "std::bad_alloc", "CUDA error: out of memory",
    "STATUS_ALLOC_FAILED", "ALLOCATION_FAILED",  # cuBLAS, cuDNN
    "unable to find an engine to execute this computation",  # no cuDNN kernel had enough memory for its workspace
)
SMALLER: Final = "lower the batch size or the network's width"
_CGROUP: Final = Path("/sys/fs/cgroup")
_MEMINFO: Final = Path("/proc/meminfo")
_STATM: Final = Path("/proc/self/statm")


def check_fits(needed_bytes: int, device: torch.device, *, what: str = "training", hint: str = SMALLER) -> None:
    """Raise SpecError BUILD201 if `device` does not have this much memory available. Allocates nothing.

    If the available memory is not known, there is no error. what: names the use of the memory in the message.
    """
    available = available_bytes(device)
    if available is None or needed_bytes <= available:
        return
    place = f"the GPU {device}" if device.type == "cuda" else "this machine"
    raise error(
        "BUILD201",
        f"{what} needs about {bytes_text(needed_bytes)}, {place} has {bytes_text(available)} available",
        hint=hint,
    )


def is_shortage(problem: RuntimeError) -> bool:
    """Whether an exception of torch means that memory ran out, by its type or its text."""
    import torch

    return isinstance(problem, torch.OutOfMemoryError) or any(words in str(problem) for words in _SHORTAGES)


@contextmanager
def report_memory_shortage(what: str) -> Iterator[None]:
    """Turn torch's out-of-memory errors within the block into SpecError BUILD201."""
    try:
        yield
    except RuntimeError as problem:
        if not is_shortage(problem):
            raise
        raise shortage(what, problem, hint=SMALLER) from problem


def shortage(what: str, problem: RuntimeError, *, hint: str) -> SpecError:
    """SpecError BUILD201 for `what` (`training`), from torch's exception `problem`."""
    notes = [str(problem).splitlines()[0][:200]]
    return error("BUILD201", f"{what} ran out of memory", notes=notes, hint=hint)


def available_bytes(device: torch.device) -> int | None:
    """The memory that can be allocated on `device` now, in bytes; None if it is not known.

    On a CPU, the minimum of what the system, the container (cgroup) and `ulimit -v` leave.
    """
    if device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    known = [size for size in (_system_bytes(), _cgroup_bytes(), _limit_bytes()) if size is not None]
    return min(known, default=None)


def _system_bytes() -> int | None:
    """MemAvailable on Linux, the physical memory on other systems."""
    if _MEMINFO.exists():
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf, and some systems lack these names
        return None


def _limit_bytes() -> int | None:
    """The address space that `ulimit -v` leaves to this process."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        used = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError, ValueError):
        return None
    return None if limit == resource.RLIM_INFINITY else max(0, limit - used)


def _cgroup_bytes() -> int | None:
    """What the limit of the container leaves (cgroups version 2, or else 1). Page cache counts as free."""
    for limit, usage, stat, cache in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat",
            "total_inactive_file",
        ),
    ):
        try:
            most, used, lines = ((_CGROUP / name).read_text() for name in (limit, usage, stat))
            if most.strip() != "max":
                cached = dict(line.split(maxsplit=1) for line in lines.splitlines()).get(cache, 0)
                return max(0, int(most) - int(used) + int(cached))
        except (OSError, ValueError):
            continue
    return None
