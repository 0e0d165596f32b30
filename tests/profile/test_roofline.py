"""The roofline: what bounds kernels, and that no layer exceeds the peaks."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.profile.peaks import MIB, Peaks, measure_peaks
from archspec.profile.roofline import raised, roof_of
from archspec.profile.timeline import HostWatch
from tests.profile.helpers import SteadyClock

PEAKS = Peaks("fp32", {"matrices": 100e9}, ((MIB, 50e9), (64 * MIB, 10e9)), 1e-6)


class Kernel(NamedTuple):
    layer: str = "a"
    direction: str = "forward"
    macs: int = 0
    read_bytes: int = 0
    written_bytes: int = 0


@pytest.mark.parametrize(("kernel", "seconds", "bound"), [
    (Kernel(macs=10**9, read_bytes=MIB), 0.02, "compute"),
    (Kernel(macs=10**6, read_bytes=64 * MIB, written_bytes=64 * MIB), 128 * MIB / 10e9, "bandwidth"),
    (Kernel(read_bytes=1024, written_bytes=1024), 1e-6, "launches"),
])
def test_the_longest_need_bounds_a_kernel(kernel, seconds, bound):
    roof = roof_of([kernel], PEAKS)
    assert (roof.total_ms, roof.bound) == (pytest.approx(1000 * seconds), bound)
    assert roof_of([kernel] * 3, PEAKS).total_ms == pytest.approx(3000 * seconds)
    assert (roof.flops, roof.bytes) == (2 * kernel.macs, kernel.read_bytes + kernel.written_bytes)
    assert roof.share_reached(2000 * seconds) == pytest.approx(0.5)


def test_data_that_fit_a_cache_are_faster():
    assert PEAKS.bytes_per_s(1) == PEAKS.bytes_per_s(63 * MIB) == 50e9
    assert PEAKS.bytes_per_s(64 * MIB) == PEAKS.bytes_per_s(2**40) == PEAKS.memory_bytes_per_s == 10e9


kernels = st.builds(Kernel, macs=st.integers(0, 10**10), read_bytes=st.integers(0, 2**30), written_bytes=st.integers(0, 2**30))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.lists(kernels, min_size=1, max_size=4), st.floats(1e-5, 1e3)), max_size=6))
def test_nothing_exceeds_raised_peaks(layers):
    """A layer that is faster than the measured peaks allow is itself a measurement of the machine."""
    peaks = PEAKS
    for each, ms in layers:
        peaks = raised(peaks, each, ms)
    assert peaks.flops >= PEAKS.flops
    for each, ms in layers:
        assert roof_of(each, peaks).share_reached(ms) <= 1 + 2e-6


def test_the_better_of_two_measurements():
    other = Peaks("fp32", {"matrices": 50e9, "elsewhere": 1.0}, ((MIB, 60e9), (64 * MIB, 9e9)), 5e-7)
    assert PEAKS.best_with(other) == Peaks("fp32", {"matrices": 100e9}, ((MIB, 60e9), (64 * MIB, 10e9)), 5e-7)


def test_measuring_takes_the_best_of_shapes_layouts_and_repetitions(monkeypatch):
    monkeypatch.setattr("archspec.profile.peaks.SETS", {"cpu": (MIB // 16, MIB)})
    monkeypatch.setattr("archspec.profile.peaks.SIDES", {"cpu": (8, 16)})
    monkeypatch.setattr("archspec.profile.peaks.CONVOLUTIONS", {"cpu": ((1, 2, 4, 3, 3),)})
    found = measure_peaks("bf16", torch.device("cpu"), HostWatch(SteadyClock(0.5)), repeats=2)
    assert found.products == {  # FLOPs over half a second
        "matrices of 8": 4 * 8**3, "matrices of 16": 4 * 16**3,
        "convolution 3×3, 2 to 3 channels, NCHW": 4 * 16 * 2 * 3 * 9, "convolution 3×3, 2 to 3 channels, NHWC": 4 * 16 * 2 * 3 * 9,
    }
    assert found.bandwidth == ((MIB // 16, MIB / 8), (MIB, 2 * MIB))
    assert found.flops == 4 * 16**3
    assert found.op_s == pytest.approx(0.01)
    assert found.to_json()["flop_per_s"] == 4 * 16**3
