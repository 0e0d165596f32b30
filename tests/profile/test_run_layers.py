"""The parts of a measured profile put together: times, kernels of the simulation, peaks, predictions."""

from __future__ import annotations

import pytest
import torch

import archspec
from archspec.profile import profile_layers
from archspec.profile.breakdown import PassTimes
from archspec.profile.peaks import MIB, Peaks
from archspec.profile.prediction import predicted_memory
from archspec.profile.run_layers import NOT_COMPILED, kernels_of, layer_profile
from archspec.profile.timeline import Part
from archspec.profile.workload import setting
from archspec.train.step.precision import Settings
from tests.profile.helpers import SteadyClock, spec, tiny
from tests.profile.test_shared_scopes import TEXT

CPU = torch.device("cpu")
PEAKS = Peaks("fp32", {"matrices": 100e9}, ((MIB, 50e9), (64 * MIB, 10e9)), 1e-6)


@pytest.fixture
def quick(monkeypatch):
    """No peaks are measured, and the clock is the test's."""
    asked = []
    monkeypatch.setattr("archspec.profile.run_layers.measure_peaks", lambda precision, *_, **__: asked.append(precision) or PEAKS)
    return asked


@pytest.mark.parametrize("network", [
    pytest.param(lambda: archspec.load("lenet"), id="lenet"), pytest.param(lambda: archspec.load("unet"), id="unet"),
    pytest.param(lambda: archspec.load(TEXT), id="shared-weights"), pytest.param(tiny, id="tiny"),
])
def test_the_simulation_names_the_same_layers(network):
    graph = network().graph
    paths = {layer.path: layer for layer in network().report.layers()}
    kernels = kernels_of(setting(graph, 2, "float32", CPU))
    assert {kernel.layer for kernel in kernels} <= {"", *paths}
    for direction in ("forward", "backward"):
        working = {kernel.layer for kernel in kernels if kernel.macs and kernel.direction == direction}
        assert working == {path for path, layer in paths.items() if layer.macs}


def test_a_profile_of_a_small_network(quick):
    loaded = tiny()
    found = profile_layers(loaded, batch_size=2, device="cpu", steps=1, clock=SteadyClock(0.001), predicted={"head.linear_1": 7.0})
    assert quick == ["fp32", "fp32"]  # before and after
    assert [layer.path for layer in found.layers] == [layer.path for layer in loaded.report.layers()]
    for layer in found.layers:
        assert (layer.inference_ms, layer.forward_ms) == pytest.approx((1, 1))
        assert layer.predicted_ms == (7.0 if layer.path == "head.linear_1" else None)
        assert (layer.roof is None) == layer.op.startswith("flatten")
    assert sum(map(found.ms, found.layers)) + sum(ms for _, ms in found.rest()) == pytest.approx(found.whole.total_ms)
    assert found.settings == "fp32"
    assert found.name == "training step"


def test_layers_are_not_compiled(quick, monkeypatch):
    monkeypatch.setattr("torch.compile", lambda *_, **__: pytest.fail("compiled"))
    found = profile_layers(tiny(), batch_size=2, device="cpu", steps=1, settings=Settings("bf16", True, compile=True))
    assert (found.settings, found.notes) == ("bf16, channels-last", (NOT_COMPILED,))
    assert quick == ["bf16", "bf16"]


def test_weights_of_another_dtype(quick):
    found = profile_layers(tiny(), batch_size=2, dtype="bfloat16", device="cpu", steps=1)
    assert (found.settings, quick) == ("bfloat16", ["fp32", "fp32"])  # without autocast


def test_a_layer_that_exceeds_the_peaks_raises_them():
    """A convolution in a nanosecond: then this machine can do that."""
    chosen = setting(spec(body=[{"conv2d": {"out_channels": 4, "kernel_size": 3}}, "relu"]).graph, 2, "float32", CPU)
    parts = {Part(kind, path): 1e-6 for kind in ("forward", "backward") for path in ("body.conv2d_1", "body.relu_1")}
    passes = {name: PassTimes(parts, 1.0, 1) for name in ("forward", "step")}
    found = layer_profile(chosen, passes, PEAKS, kernels_of(chosen), (), {})
    assert found.peaks.op_s < PEAKS.op_s or found.peaks.flops > PEAKS.flops
    shares = [layer.roof.share_reached(found.ms(layer)) for layer in found.layers]
    assert all(share <= 1 + 1e-5 for share in shares)
    assert max(shares) == pytest.approx(1, rel=1e-4)


def test_a_network_that_cannot_be_trained(quick):
    found = profile_layers(spec(pool={"max_pool2d": 2}), device="cpu", steps=1, clock=SteadyClock(0.001))
    assert (found.name, found.trains) == ("forward pass", False)
    assert [found.ms(layer) for layer in found.layers] == [pytest.approx(1)]
    assert found.to_json()["pass"] == "forward"


def test_the_predicted_memory_is_the_simulation_s():
    found = predicted_memory(setting(tiny().graph, 8, "float32", CPU))
    assert 0 < found["forward"].peak_bytes < found["step"].peak_bytes
    assert set(predicted_memory(setting(spec(pool={"max_pool2d": 2}).graph, 8, "float32", CPU))) == {"forward"}
