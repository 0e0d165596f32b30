"""Peak memory: from the profiler's events, from real allocations, from CUDA's counters."""

from unittest import mock

import pytest
import torch

from archspec.profile.memory import MEASURED_AS, TIMES, peak_bytes, peaks_of_events
from tests.fake_cuda import CUDA, fake_cuda

CPU = torch.device("cpu")
MIB = 2**20


def change(time, address, size):
    return {"name": "[memory]", "ph": "i", "ts": time, "args": {"Addr": address, "Bytes": size}}


def span(name, start, end):
    return {"name": f"## {name} ##", "ph": "X", "ts": start, "dur": end - start}


@pytest.mark.parametrize(("changes", "expected"), [
    pytest.param([], (0, 0), id="nothing"),
    pytest.param([(1, 7, 100)], (100, 100), id="made-before-counts"),
    pytest.param([(1, 7, 100), (12, 8, 50), (14, 8, -50)], (150, 100), id="freed-within"),
    pytest.param([(1, 7, 100), (2, 7, -100), (13, 8, 5)], (5, 5), id="freed-before"),
    pytest.param([(1, 7, 100), (12, 7, -100), (23, 7, 30)], (100, 30), id="an-address-used-again"),
    pytest.param([(11, 9, -400), (12, 8, 50)], (50, 50), id="what-was-never-seen-made-is-left-out"),
    pytest.param([(25, 8, 50), (12, 9, 20)], (20, 70), id="events-in-any-order"),
    pytest.param([(12, 8, 50), (19, 8, -50), (35, 9, 900)], (50, 0), id="after-the-passes"),
])
def test_peaks_of_events(changes, expected):
    events = [*(change(*c) for c in changes), span("forward", 10, 20), span("step", 20.5, 30), {"ph": "M", "name": "x"}]
    assert peaks_of_events(events, ["forward", "step"]) == dict(zip(("forward", "step"), expected, strict=True))


def test_peaks_of_real_allocations():
    calls = []

    def make():
        weights = torch.zeros(MIB, dtype=torch.uint8)

        def small():
            calls.append("small")
            torch.zeros(2 * MIB, dtype=torch.uint8)

        def large():
            calls.append("large")
            both = torch.zeros(3 * MIB, dtype=torch.uint8), torch.zeros(4 * MIB, dtype=torch.uint8)
            return len(both) + len(weights)

        return {"small": small, "large": large}

    peaks = peak_bytes(make, CPU)
    assert calls == ["small"] * TIMES + ["large"] * TIMES
    assert peaks["small"] == pytest.approx(3 * MIB, abs=1000)
    assert peaks["large"] == pytest.approx(8 * MIB, abs=1000)


def test_cuda_peaks_are_the_allocator_s_own():
    log = []
    peaks = iter([700, 900])
    with (
        fake_cuda(),
        mock.patch.object(torch.cuda, "memory_allocated", lambda device: log.append("before") or 100),
        mock.patch.object(torch.cuda, "reset_peak_memory_stats", lambda device: log.append("reset")),
        mock.patch.object(torch.cuda, "synchronize", lambda device: log.append("wait")),
        mock.patch.object(torch.cuda, "max_memory_allocated", lambda device: log.append("read") or next(peaks)),
    ):
        found = peak_bytes(lambda: {name: lambda name=name: log.append(name) for name in ("forward", "step")}, CUDA)
    assert found == {"forward": 600, "step": 800}
    assert log == [
        "before", "reset", "forward", "forward", "wait", "read", "reset", "step", "step", "wait", "read",
    ]


def test_a_device_that_tells_nothing():
    meta = torch.device("meta")
    assert peak_bytes(lambda: {"forward": lambda: None}, meta) == {"forward": None}
    assert meta.type not in MEASURED_AS
