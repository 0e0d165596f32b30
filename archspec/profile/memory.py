"""Measures the peak memory of a pass in torch's allocator, on CUDA or on the CPU."""

from __future__ import annotations

import json
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from archspec.profile.quiet import quiet_profiler

# Twice, because the second training step also has the state of the optimizer in memory, which the first one creates.
TIMES: Final = 2
MEASURED_AS: Final = {
    "cuda": "torch.cuda.max_memory_allocated: weights, images, activations, gradients, workspaces",
    "cpu": "allocations seen by torch.profiler: weights, images, activations, gradients, scratch of torch's allocator",
}

Passes = Mapping[str, Callable[[], object]]


def peak_bytes(make: Callable[[], Passes], device: torch.device) -> dict[str, int | None]:
    """The peak of each pass in bytes, including everything that `make` allocates.

    make: builds what is measured, and returns its passes in the order in which they run, each twice. The peaks are
    None on a device whose allocator reports nothing.
    """
    if device.type == "cuda":
        return dict(_cuda_peaks(make, device))
    if device.type == "cpu":
        return dict(_cpu_peaks(make))
    return dict.fromkeys(make())


def _cuda_peaks(make: Callable[[], Passes], device: torch.device) -> dict[str, int]:
    before = torch.cuda.memory_allocated(device)
    peaks = {}
    for name, run in make().items():
        torch.cuda.reset_peak_memory_stats(device)
        for _ in range(TIMES):
            run()
        torch.cuda.synchronize(device)
        peaks[name] = torch.cuda.max_memory_allocated(device) - before
    return peaks


def _cpu_peaks(make: Callable[[], Passes]) -> dict[str, int]:
    """Allocate and free everything while the profiler runs, which must see an allocation to know its size."""
    quiet_profiler()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as seen:
        names = _run_marked(make())
    return peaks_of_events(_events(seen), names)


def _run_marked(passes: Passes) -> list[str]:
    for name, run in passes.items():
        with record_function(_mark(name)):
            for _ in range(TIMES):
                run()
    return list(passes)


def _mark(name: str) -> str:
    return f"## {name} ##"


def _events(seen: profile) -> list[dict[str, Any]]:
    """The profiler's events in Chrome's format, the only public one with individual allocations."""
    with tempfile.TemporaryDirectory(prefix="archspec-") as folder:
        file = Path(folder) / "memory.json"
        seen.export_chrome_trace(str(file))
        found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    return found


def peaks_of_events(events: Sequence[Mapping[str, Any]], passes: Iterable[str]) -> dict[str, int]:
    """The peak of allocated memory during each pass, in bytes, from Chrome trace events."""
    times, totals = _timeline(events)
    spans = {event["name"]: (event["ts"], event["ts"] + event["dur"]) for event in events if event.get("ph") == "X"}
    peaks = {}
    for name in passes:
        start, end = spans[_mark(name)]
        first, last = bisect_left(times, start), bisect_right(times, end)
        peaks[name] = max(totals[first : last + 1])
    return peaks


def _timeline(events: Iterable[Mapping[str, Any]]) -> tuple[list[float], list[int]]:
    """The times at which memory was allocated or freed, and the total before the first of them and after each.

    Memory whose allocation the profiler did not see is ignored.
    """
    changes = sorted(
        ((event["ts"], event["args"]["Addr"], event["args"]["Bytes"]) for event in events
         if event.get("name") == "[memory]"),
        key=lambda change: change[0],
    )
    blocks: dict[int, int] = {}
    times, totals = [], [0]
    for time, address, size in changes:
        if size > 0:
            blocks[address] = size
        times.append(time)
        totals.append(totals[-1] + (size if size > 0 else -blocks.pop(address, 0)))
    return times, totals
