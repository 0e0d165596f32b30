"""What a run needs, what the machine has, and the refusal between them."""

import pytest
import torch

from archspec.backends import fits
from archspec.backends.fits import (
    available_bytes,
    check_fits,
    report_memory_shortage,
)
from archspec.diagnostics import SpecError

CPU = torch.device("cpu")
MIB = 2**20


def test_refusal_tells_both_figures(monkeypatch):
    monkeypatch.setattr(fits, "available_bytes", lambda device: 2 * 2**30)
    check_fits(2 * 2**30, CPU)
    with pytest.raises(SpecError) as caught:
        check_fits(5 * 2**30 // 2, CPU, what="this")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "BUILD201"
    assert diagnostic.message == "this needs about 2.50 GiB, this machine has 2.00 GiB available"
    with pytest.raises(SpecError, match="the GPU cuda:1 has"):
        check_fits(3 * 2**30, torch.device("cuda", 1))


def test_small_figures_are_in_mib(monkeypatch):
    monkeypatch.setattr(fits, "available_bytes", lambda device: 10 * MIB)
    with pytest.raises(SpecError, match=r"needs about 20\.00 MiB, this machine has 10\.00 MiB"):
        check_fits(20 * MIB, CPU)


def test_where_nothing_is_known_nothing_is_refused():
    assert available_bytes(torch.device("meta")) is None
    check_fits(10**30, torch.device("meta"))


def test_the_machine_has_some_and_not_everything():
    found = available_bytes(CPU)
    assert found is not None
    assert 2**20 < found < 2**50
    with pytest.raises(SpecError):
        check_fits(2**60, CPU)


def test_the_gpus_free_memory_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: asked.append(device) or (123, 456))
    assert available_bytes(torch.device("cuda", 1)) == 123
    assert asked == [torch.device("cuda", 1)]


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_in_", "_in_")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)


V1 = "memory__memory."


@pytest.mark.parametrize(("files", "left"), [
    pytest.param({"memory.max": "1000\n", "memory.current": "700\n", "memory.stat": "anon 1\ninactive_file 200\n"}, 500,
                 id="v2-cache-counts-as-free"),
    pytest.param({"memory.max": "1000\n", "memory.current": "1200\n", "memory.stat": "anon 1\n"}, 0, id="v2-full"),
    pytest.param({"memory.max": "max\n", "memory.current": "1\n", "memory.stat": "anon 1\n"}, None, id="v2-no-limit"),
    pytest.param({f"{V1}limit_in_bytes": "1000", f"{V1}usage_in_bytes": "400", f"{V1}stat": "total_inactive_file 100"},
                 700, id="v1"),
    pytest.param({"memory.max": "a lot\n", "memory.current": "1\n", "memory.stat": "x 1\n"}, None, id="not-a-number"),
    pytest.param({}, None, id="none"),
])
def test_containers_limit(tmp_path, monkeypatch, files, left):
    write(tmp_path, **files)
    monkeypatch.setattr(fits, "_CGROUP", tmp_path)
    assert fits._cgroup_bytes() == left
    system = fits._system_bytes()
    assert available_bytes(CPU) == (pytest.approx(system, rel=0.5) if left is None else left)


def test_linux_tells_what_is_available(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:    4 kB\n")
    monkeypatch.setattr(fits, "_MEMINFO", tmp_path / "meminfo")
    assert fits._system_bytes() == 4096
    monkeypatch.setattr(fits, "_MEMINFO", tmp_path / "absent")
    assert fits._system_bytes() > 2**20


@pytest.mark.parametrize("problem", [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("GET was unable to find an engine to execute this computation"),  # cuDNN
], ids=["cuda", "cpu", "cublas", "cudnn", "c++", "no-engine"])
def test_a_shortage_is_told(problem):
    with pytest.raises(SpecError) as caught, report_memory_shortage("training"):
        raise problem
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("BUILD201", "training ran out of memory")
    assert diagnostic.notes == (str(problem).splitlines()[0],)


def test_torchs_own_shortage_is_known():
    with pytest.raises(SpecError, match="ran out of memory"), report_memory_shortage("this"):
        torch.empty(2**55, dtype=torch.uint8)


def test_other_errors_are_left_alone():
    with pytest.raises(RuntimeError, match="mat1") as caught, report_memory_shortage("training"):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert not isinstance(caught.value, SpecError)


def test_a_limit_of_the_address_space_counts(monkeypatch):
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)
    used = int(fits._STATM.read_text().split()[0]) * resource.getpagesize()
    monkeypatch.setattr(resource, "getrlimit", lambda what: (used + 50 * MIB, limit[1]))
    assert 0 <= available_bytes(CPU) <= 60 * MIB
    monkeypatch.setattr(resource, "getrlimit", lambda what: (resource.RLIM_INFINITY, limit[1]))
    assert available_bytes(CPU) > 60 * MIB
