"""The peak of a training's memory is its own: not that of its starter, nor of a run before it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from archspec.text import bytes_text
from archspec.train import peak_memory
from archspec.train.loop import fit
from archspec.train.peak_memory import PeakMemory, resident_peak
from archspec.train.report.table import summary_text
from archspec.train.summary import EpochResult, mean_images_per_s, peak_memory_bytes
from tests.train.helpers import CPU, batches, data, network, recipe

MiB = 1 << 20
linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is set back by Linux's /proc alone")


def result(speed=100.0, peak=None, epoch=1):
    return EpochResult(epoch, 1.0, 0.5, 1.0, 0.5, speed, 2.0, peak_memory_bytes=peak)


@linux
def test_an_earlier_peak_of_the_process_does_not_count():
    """In a process of its own: one that has trained keeps memory that it has freed."""
    script = """
import torch
from archspec.train.peak_memory import PeakMemory, resident_peak
MiB = 1 << 20
held = lambda mebibytes: torch.full((mebibytes * MiB // 8,), 1.0, dtype=torch.float64)
block = held(200)
before = resident_peak()
del block
memory = PeakMemory(torch.device("cpu"))
start = memory.so_far()
block = held(60)
del block  # the peak stays
print(before, start, memory.so_far())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    before, start, end = map(int, done.stdout.split())
    assert start < before - 150 * MiB
    assert 55 * MiB < end - start < 90 * MiB
    assert PeakMemory(CPU).measured_as == "resident memory of the process: its highest during training, Python and torch included"


@linux
@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_a_process_does_not_begin_with_the_peak_of_its_starter(way):
    script = """
import os, subprocess, sys
from archspec.train.peak_memory import resident_peak
if "child" in sys.argv:
    print(resident_peak())
    sys.exit()
block = bytearray(os.urandom(1)) * (300 << 20)
del block
if "fork" in sys.argv:
    if os.fork() == 0:
        print(resident_peak())
        sys.stdout.flush()
        os._exit(0)
    os.wait()
else:
    print(subprocess.run([sys.executable, "-c", SCRIPT, "child"], capture_output=True, text=True, check=True).stdout)
print(resident_peak())
"""
    code = f"SCRIPT = {script!r}\n{script}"
    done = subprocess.run([sys.executable, "-c", code, way], capture_output=True, text=True, check=True)
    child, parent = (int(word) for word in done.stdout.split())
    assert parent - child > 250 * MiB


def test_where_the_peak_cannot_be_set_back_the_text_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(peak_memory, "_RESET", tmp_path / "none" / "clear_refs")
    assert PeakMemory(CPU).measured_as.startswith("resident memory of the process: its highest since the process started")


@pytest.mark.parametrize(("platform", "unit"), [("darwin", 1), ("freebsd14", 1024)])
def test_units_of_other_systems(tmp_path, monkeypatch, platform, unit):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(peak_memory, "_STATUS", tmp_path / "none")
    monkeypatch.setattr(peak_memory.sys, "platform", platform)
    assert resident_peak() == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def test_a_system_that_tells_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(peak_memory, "_STATUS", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    memory = PeakMemory(CPU)
    assert (memory.so_far(), memory.measured_as) == (None, None)
    assert PeakMemory(torch.device("meta")).so_far() is None


def test_the_sum_of_all_processes():
    class Three:
        alone, size = False, 3

        def sum(self, tensor):
            return tensor * 3

    memory = PeakMemory(CPU, Three())
    if memory.measured_as is not None:
        assert memory.so_far() % 3 == 0
        assert memory.measured_as.startswith("resident memory of all 3 processes: ")


def test_each_epoch_has_the_peak_so_far_and_the_summary_the_highest():
    chosen = recipe(epochs=2)
    test = batches(data(20, split="test", seed=1), chosen, shuffle=False)
    summary = fit(network(), batches(data(), chosen), test, chosen, device=CPU)
    peaks = [row.peak_memory_bytes for row in summary.epochs]
    assert peaks[0] <= peaks[1]
    written = summary.to_json()
    assert written["peak_memory_bytes"] == peaks[1] > 50 * MiB
    assert written["memory_measured_as"].startswith("resident memory of the process")
    assert written["seconds"] == pytest.approx(sum(row.seconds for row in summary.epochs))
    last = summary_text(summary).splitlines()[-1]
    assert last.startswith("2 epochs in ") and f"peak memory {bytes_text(peaks[1])} (resident memory of the process)" in last


def test_a_resumed_run_keeps_the_higher_peak_of_its_starts():
    assert peak_memory_bytes([result(peak=300), result(peak=500), result(peak=200)]) == 500
    assert peak_memory_bytes([result(peak=None), result(peak=200)]) == 200
    assert peak_memory_bytes([result(), result()]) is None


def test_the_mean_speed_is_all_images_over_all_of_their_time():
    # 600 images an epoch: 6 s and 2 s
    assert mean_images_per_s([result(100.0), result(300.0)]) == pytest.approx(1200 / 8)
    assert mean_images_per_s([]) is None


@pytest.mark.parametrize("speeds", [[0.0], [100.0, 0.0], [100.0, -3.0], [float("nan"), 100.0], [100.0, float("nan")], [float("inf")]])
def test_no_mean_of_speeds_that_cannot_be(speeds):
    assert mean_images_per_s([result(speed) for speed in speeds]) is None
