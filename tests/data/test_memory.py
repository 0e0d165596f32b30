"""What the machine says of its memory."""

import pytest

from archspec.data import memory

GIB = 1 << 30


def test_the_cpu_has_some_memory_free():
    free = memory.available_bytes("cpu")
    assert free is None or 1 << 20 < free < 1 << 50


def test_meminfo_is_in_kib(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    assert memory._meminfo(tmp_path / "meminfo") == 2 << 20
    assert memory._meminfo(tmp_path / "none") is None


@pytest.mark.parametrize(("limit", "expected"), [("1000", 700), ("200", 0), ("max", None)])
def test_a_control_group_leaves_what_is_not_used(tmp_path, limit, expected):
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text("300\n")
    assert memory._cgroup(tmp_path) == expected


def test_without_a_control_group_there_is_no_limit(tmp_path):
    assert memory._cgroup(tmp_path) is None


def test_the_smaller_of_both_counts(monkeypatch):
    monkeypatch.setattr(memory, "_meminfo", lambda path: 8 * GIB)
    monkeypatch.setattr(memory, "_cgroup", lambda path: 5 * GIB)
    assert memory.available_bytes("cpu") == 5 * GIB


@pytest.mark.parametrize(("free", "nbytes", "expected"), [
    (10 * GIB, 4 * GIB, True), (10 * GIB, 4 * GIB + 1, False), (None, 1 << 60, True)
])
def test_data_may_take_a_share_of_what_is_free(monkeypatch, free, nbytes, expected):
    monkeypatch.setattr(memory, "available_bytes", lambda device: free)
    assert memory.fits(nbytes, "cpu") is expected


def test_cuda_is_asked_for_its_own(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (123, 456))
    assert memory.available_bytes("cuda") == 123


def test_other_devices_do_not_tell():
    assert memory.available_bytes("meta") is None
