"""Calibrating a real GPU, shortly: every kind of kernel runs, and a network's time comes out near the measured one."""

import time

import pytest
import torch

from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.api import load
from archspec.calibrate import calibrate
from archspec.calibrate.gpu_watch import GpuStopwatch
from archspec.calibrate.passes import image_passes, passes
from archspec.calibrate.products import convolution_shapes, convolutions, products
from archspec.calibrate.sample import Place
from archspec.devices.calibration import load_calibration
from archspec.devices.models import CalibratedModel
from archspec.profile.prediction import simulated
from archspec.profile.timing import Until, time_runs
from archspec.profile.workload import Workload, setting
from archspec.train.step.precision import Settings

from .helpers import CNN, DEVICE, needs_gpu


@needs_gpu
def test_a_network_s_time_is_predicted_within_a_factor(tmp_path, monkeypatch, record_property):
    monkeypatch.setattr("archspec.devices.calibration.cache_folder", lambda: tmp_path)
    samples = [
        sample for precision in ("fp32", "tf32", "bf16") for layout in ("nchw", "nhwc")
        for place in [Place(DEVICE, precision, layout)]
        for sample in (
            *convolutions(place, convolution_shapes(24, 1e10)), *products(place, 12, 1e10),
            *image_passes(place, 1 << 22), *passes(place, 1 << 22),
        )
    ]
    made = calibrate(DEVICE, seconds=60, samples=samples)
    assert load_calibration(made.save()) == made
    for precision in ("fp32", "tf32", "bf16"):
        assert {f"convolution/{precision}/nchw", f"convolution/{precision}/nhwc", f"addmm/{precision}"} < set(made.curves)
    chosen = setting(load(CNN).graph, 256, "float32", DEVICE, Settings("tf32"))
    predicted = predict_times(resources(chosen.graph, simulated(chosen, training=True)), CalibratedModel(made)).step
    runs = time_runs(
        Workload(chosen).step, batch_size=256, synchronise=lambda: torch.cuda.synchronize(DEVICE),
        clock=time.perf_counter, warmup=Until(3), measured=Until(10),
    )
    record_property("predicted_over_measured", round(predicted.milliseconds / runs.median_ms, 2))
    assert predicted.milliseconds == pytest.approx(runs.median_ms, rel=0.7)


@needs_gpu
def test_a_kernel_s_time_does_not_depend_on_the_host(record_property):
    """The same copy with a host that dawdles."""
    x = torch.zeros(1 << 20, device=DEVICE)
    watch = GpuStopwatch(DEVICE, time.perf_counter)

    def slow() -> torch.Tensor:
        end = time.perf_counter() + 5e-5
        while time.perf_counter() < end:
            pass
        return x.clone()

    fast = watch.seconds([x.clone])
    record_property("microseconds", round(1e6 * fast, 2))
    assert watch.seconds([slow]) < fast + 1e-5  # clear of the 50 µs of the host
    assert watch.issued > 5e-5
