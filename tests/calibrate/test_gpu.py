"""Measuring a GPU: kernels on its own clock, and the host's part, on a GPU of the test's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from math import exp

import pytest
import torch

import archspec
from archspec.calibrate import gpu_watch, host
from archspec.calibrate.gpu_watch import GpuStopwatch
from archspec.calibrate.host import Timed, host_costs, least_squares
from archspec.calibrate.products import convolution_shapes, convolutions, products
from archspec.calibrate.run import calibrate
from archspec.calibrate.sample import Place, Run
from archspec.devices.calibration import Calibration, Machine, host_call, host_calls, load_calibration
from archspec.devices.curve import Curve
from archspec.devices.gpu import Circumstances
from archspec.devices.models import CalibratedModel
from archspec.devices.predict import predict
from archspec.execution import Optimizer, Setting, execute
from tests.fake_cuda import CUDA, fake_cuda


class Gpu:
    """A GPU that runs kernels one after the other, each not before the host has enqueued it."""

    def __init__(self) -> None:
        self.host = self.free = 0.0

    def __call__(self) -> float:
        return self.host

    def kernel(self, host: float, device: float) -> Callable[[], None]:
        def run() -> None:
            self.host += host
            self.free = max(self.host, self.free) + device

        return run

    def synchronize(self, device: object = None) -> None:
        self.host = max(self.host, self.free)

    def event(self, *, enable_timing: bool) -> Event:
        assert enable_timing
        return Event(self)


class Event:
    def __init__(self, gpu: Gpu) -> None:
        self.gpu, self.at = gpu, 0.0

    def record(self) -> None:
        self.at = self.gpu.free = max(self.gpu.host, self.gpu.free)

    def elapsed_time(self, other: Event) -> float:
        return 1000 * (other.at - self.at)


class WallEvent(Event):
    """Of a GPU that is as far as the host is."""

    def __init__(self, *, enable_timing: bool) -> None:
        self.at = 0.0

    def record(self) -> None:
        self.at = time.perf_counter()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    made = Gpu()
    monkeypatch.setattr("torch.cuda.Event", made.event)
    monkeypatch.setattr("torch.cuda.synchronize", made.synchronize)
    monkeypatch.setattr("torch.mm", lambda a, b, out: made.kernel(5e-6, 3e-4)())
    monkeypatch.setattr(gpu_watch, "_SIDE", 2)
    return made


@pytest.mark.parametrize(("host", "device"), [(1e-5, 2e-6), (1e-5, 1e-3), (4e-4, 1e-6), (2e-5, 0.5)])
def test_the_time_of_a_kernel_is_the_device_s_however_slow_the_host_is(gpu: Gpu, host: float, device: float) -> None:
    watch = GpuStopwatch(torch.device("cpu"), gpu)
    before = gpu.host
    assert watch.seconds([gpu.kernel(host, device)] * 3) == pytest.approx(device)
    assert watch.issued == pytest.approx(host)
    assert gpu.host - before < 20 * device + 0.05  # what measuring takes


def test_costs_come_back_from_sums_and_none_is_negative() -> None:
    costs = {"a": 3.0, "b": 0.0, "c": 10.0}
    counts = [{"a": 1, "c": 1}, {"a": 4, "b": 2, "c": 1}, {"b": 5, "c": 2}, {"a": 2, "b": 7, "c": 1}]
    times = [sum(n * costs[k] for k, n in row.items()) for row in counts]
    assert least_squares([Timed(*row, 0.0) for row in zip(counts, times, strict=True)]) == pytest.approx(costs, abs=1e-6)
    known = [Timed(row, time + 50, 50.0) for row, time in zip(counts, times, strict=True)]
    assert least_squares(known) == pytest.approx(costs, abs=1e-6)
    less = [Timed(row, time - 0.5 * row.get("b", 0), 0.0) for row, time in zip(counts, times, strict=True)]
    assert least_squares(less)["b"] == 0


def test_a_pass_that_is_predicted_too_slow_does_not_decide_what_calls_cost() -> None:
    """Nothing is left of it beside its kernels; the others still show that each call costs 10 µs."""
    passes = [Timed({"a": n}, 100.0 + 10 * n, 100.0) for n in range(1, 20)]
    assert least_squares(passes)["a"] == pytest.approx(10)
    assert least_squares([*passes, Timed({"a": 5}, 150.0, 160.0)])["a"] > 8


def test_the_calls_of_a_pass_are_those_of_torch() -> None:
    """A gradient of a convolution is one call, and each parameter has its own part of the update."""
    kernels = execute(archspec.load("lenet").graph, Setting(4, target="cuda", optimizer=Optimizer("sgd", 0.9))).kernels
    calls = host_calls(kernels, training=True)
    assert calls == {
        "pass": 1, "step": 1, "parameter": 10, "forward/convolution": 2, "backward/convolution": 2, "forward/pool": 2,
        "backward/pool": 2, "forward/product": 3, "backward/product": 6, "forward/elementwise": 8,
        "backward/elementwise": 9,
    }
    assert {host_call(k, training=False) for k in kernels if k.direction == "forward"} == {
        "evaluation/convolution", "evaluation/pool", "evaluation/product", "evaluation/elementwise"}


def law(rate: float) -> Curve:
    return Curve(((0.0,) * 2,), (0.0,), 0.0, 0.0, 1.0, 0.0, (-20.0, 0.0), rate, 1e9, 1e-6)


@pytest.mark.parametrize("slow", ["host", "device"])
def test_a_calibrated_gpu_takes_the_time_of_the_slower_of_host_and_device(slow: str) -> None:
    shapes = {"convolution": 10, "addmm": 5, "add": 2}
    curves = {
        f"{name}/{precision}": replace(law(rate), points=((0.0,) * size,))
        for name, size in shapes.items() for precision, rate in (("fp32", 1e8), ("tf32", 1e9))
    }
    kernels = execute(archspec.load("lenet").graph, Setting(4, target="cuda", optimizer=Optimizer("sgd", 0.9))).kernels
    calls = host_calls(kernels, training=True)
    cost = 1e5 if slow == "host" else 1e-3
    calibration = Calibration(
        Machine("a CPU", "a GPU", 1, "2"), curves, {}, {}, 1.0, 1.0, "2026-01-01",
        host_us=dict.fromkeys(calls, cost),
    )
    model = CalibratedModel(calibration)
    found = {p: predict(kernels, model, Circumstances(p, False, True)) for p in ("fp32", "tf32")}
    device = {
        p: 1000 * sum(
            k.macs / (rate if k.macs else 1e9) + (k.read_bytes + k.written_bytes) / 1e9 + 1e-6 for k in kernels)
        for p, rate in (("fp32", 1e8), ("tf32", 1e9))
    }
    host = cost * calls.total() / 1000
    for precision, prediction in found.items():
        expected = host if slow == "host" else device[precision]
        assert prediction.milliseconds == pytest.approx(expected, rel=0.01)
        assert (prediction.bound == "launches") == (slow == "host")
        assert 1 < prediction.high / prediction.milliseconds < exp(0.4)


def test_a_gpu_is_calibrated_from_its_kernels_to_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """The whole way, on the CPU in disguise, with one of the host's networks."""
    monkeypatch.setattr("archspec.devices.calibration.cache_folder", lambda: tmp_path)
    monkeypatch.setattr(gpu_watch, "_SIDE", 2)
    monkeypatch.setattr("archspec.calibrate.run._SMALL", 0.0)
    monkeypatch.setattr(host, "DEPTHS", (1, 3))
    monkeypatch.setattr(host, "_IMAGES", {"convolutions": host._IMAGES["convolutions"]})
    monkeypatch.setattr(host, "_TOKENS", {})
    monkeypatch.setattr(host, "_WORDS", {})
    with fake_cuda():
        monkeypatch.setattr("torch.cuda.Event", WallEvent)
        samples = [
            sample for precision in ("fp32", "tf32", "bf16") for place in [Place(CUDA, precision)]
            for sample in (*convolutions(place, convolution_shapes(2, 1e6)), *products(place, 4, 1e6))
        ]
        made = calibrate(CUDA, seconds=1000, samples=samples)
    assert load_calibration(made.save()) == made
    assert made.machine.device == "Fake GPU"
    assert set(made.curves) == {
        kind for p in ("fp32", "tf32", "bf16")
        for kind in (f"convolution/{p}/nchw", f"host/convolution/{p}/nchw", f"addmm/{p}")}
    assert made.factors == {}
    assert {"pass", "step", "parameter", "forward/convolution", "backward/copy"} < set(made.host_us)


def test_the_host_s_networks_have_calls_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "DEPTHS", (1, 2))
    calibration = Calibration(Machine("", "a GPU", 1, ""), {}, {}, {}, 1.0, 1.0, "")

    asked = set()

    def seconds(run: Run, precision: str) -> float:
        run()
        asked.add(precision)
        return 1e-3

    found = host_costs(torch.device("cpu"), seconds, CalibratedModel(calibration))
    kinds = {"attention", "convolution", "copy", "elementwise", "embedding", "norm", "pool", "product"}
    assert set(found) == {"pass", "step", "parameter", *(
        f"{way}/{kind}" for way in ("evaluation", "forward", "backward") for kind in kinds)}
    assert asked == {"fp32", "bf16"}
