"""Predicted times: sums, bounds and limits of the models, and rows that were measured on a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from math import log, sqrt
from statistics import NormalDist

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archspec
from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.devices import find_device, known_devices
from archspec.devices.calibration import Calibration, Machine
from archspec.devices.curve import Curve
from archspec.devices.gpu import Circumstances, GpuModel, queue_of, run
from archspec.devices.models import NETWORK, CalibratedModel, CpuSheetModel, SheetModel, fitted
from archspec.devices.predict import BOUNDS, predict
from archspec.devices.work import signature, work_of
from archspec.execution import Kernel, Optimizer, Setting, execute

STEP = Circumstances("tf32", True, True)


def setting(batch: int, precision: str = "tf32", *, nhwc: bool = True, training: bool = True) -> Setting:
    return Setting(batch, training=training, precision=precision, channels_last=nhwc, target="cuda",
                   optimizer=Optimizer("sgd", 0.9))


def step_ms(spec: str, batch: int, precision: str, device: str, *, nhwc: bool = True) -> float:
    kernels = execute(archspec.load(spec).graph, setting(batch, precision, nhwc=nhwc)).kernels
    return predict(kernels, SheetModel(find_device(device)), Circumstances(precision, nhwc, True)).milliseconds


@pytest.mark.parametrize(
    ("spec", "batch", "precision", "nhwc", "measured"),
    [  # one NVIDIA H200, torch 2.11, SGD with momentum, median of CUDA events
        ("lenet", 256, "tf32", True, 1.49), ("resnet18", 128, "tf32", True, 17.2), ("resnet18", 128, "tf32", False, 25.6),
        ("resnet50", 64, "bf16", True, 22.8), ("zoo/resnet50", 256, "bf16", True, 54.9),
        ("zoo/resnet50", 256, "bf16", False, 105.0), ("vgg_small", 128, "tf32", True, 10.6),
    ],
)
def test_a_step_on_an_h200_takes_about_what_was_measured(
    spec: str, batch: int, precision: str, nhwc: bool, measured: float
) -> None:
    assert step_ms(spec, batch, precision, "h200", nhwc=nhwc) == pytest.approx(measured, rel=0.3)


def test_a_faster_gpu_is_faster_where_the_gpu_decides() -> None:
    times = [step_ms("zoo/resnet50", 64, "fp16", device) for device in ("h200", "a100", "rtx3090", "rtx3060", "gtx1650")]
    assert times == sorted(times)
    assert times[-1] > 15 * times[0]


def test_a_small_network_waits_for_the_host_on_any_gpu() -> None:
    found = resources(archspec.load("lenet").graph, setting(16))
    for device in ("h200", "rtx3090"):
        times = predict_times(found, SheetModel(find_device(device)))
        assert times.step is not None
        assert times.step.bound == "launches"


@pytest.mark.parametrize("spec", ["lenet", "zoo/mobilenet_v3_small", "zoo/unet"])
@pytest.mark.parametrize("device", ["h200", "xeon-8480"])
def test_the_layers_and_the_loss_add_up_to_the_step(spec: str, device: str) -> None:
    chosen = find_device(device)
    model = SheetModel(chosen) if chosen.kind == "gpu" else CpuSheetModel(chosen)
    found = resources(archspec.load(spec).graph, setting(4))
    times = predict_times(found, model)
    assert times.step is not None
    for prediction, execution in ((times.step, found.training), (times.forward, found.inference)):
        assert execution is not None
        assert sum(layer.milliseconds for layer in prediction.layers.values()) == pytest.approx(prediction.milliseconds)
        assert 1000 * sum(kernel.seconds for kernel in prediction.kernels) == pytest.approx(prediction.milliseconds)
        assert set(prediction.layers) == {kernel.layer for kernel in execution.kernels}
        assert prediction.low < prediction.milliseconds < prediction.high
        assert sum(prediction.shares.values()) == pytest.approx(1)
        for path, layer in prediction.layers.items():
            bounds = dict.fromkeys(BOUNDS, 0.0)
            for kernel, time in zip(execution.kernels, prediction.kernels, strict=True):
                bounds[time.bound] += time.seconds * (kernel.layer == path)
            assert bounds[layer.bound] == max(bounds.values())
    assert all(layer.backward_ms == 0 for layer in times.forward.layers.values())


@pytest.mark.parametrize(("spec", "batch", "bound"), [("zoo/mobilenet_v3_small", 2, "host"), ("vgg11", 64, "device")])
def test_a_pass_takes_the_time_of_the_slower_of_host_and_device(spec: str, batch: int, bound: str) -> None:
    """Against a simulation of five equal passes, event by event."""
    kernels = execute(archspec.load(spec).graph, setting(batch)).kernels
    model = GpuModel(find_device("h200"), fitted()["parameters"], STEP)
    queue, start_up = queue_of(kernels, model)
    waits, seconds = run(queue, start_up)
    host = free = 0.0
    ends = []
    for _ in range(5):
        host += model.parameters["host.step_us"] * 1e-6
        for kernel in kernels:
            host += model.host_seconds(kernel, work_of(kernel).family)
            free = max(host, free) + model.time(work_of(kernel)).seconds
        ends.append(free)
    assert seconds == pytest.approx(ends[-1] - ends[-2])
    device = sum(enqueued.timed.seconds for enqueued in queue)
    assert sum(waits) + device == pytest.approx(seconds)
    assert seconds == pytest.approx(max(device, host / 5))
    assert (device > host / 5) == (bound == "device")


def test_equal_kernels_are_priced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most blocks of a deep network are the same. All but the layer decides what a kernel takes."""
    kernels = execute(archspec.load("resnet152").graph, setting(2)).kernels
    priced, time = [], GpuModel.time
    monkeypatch.setattr(GpuModel, "time", lambda model, work: priced.append(work) or time(model, work))
    queue_of(kernels, GpuModel(find_device("h200"), fitted()["parameters"], STEP))
    assert len(priced) == len(set(map(signature, kernels))) < len(kernels) / 5
    for field in Kernel._fields:
        other = kernels[0]._replace(**{field: "another"})
        assert (signature(other) == signature(kernels[0])) == (field == "layer")


def test_a_batch_norm_of_few_channels_in_nchw_leaves_a_large_gpu_idle() -> None:
    """One block of threads works on one channel there."""
    def ms(channels: int, device: str, *, nhwc: bool) -> float:
        nbytes, geometry = 1 << 30, (64, channels, (1 << 22) // channels)
        kernel = Kernel("", "batch_norm", "forward", "float32", nbytes, nbytes, geometry=geometry, nhwc=nhwc)
        model = GpuModel(find_device(device), fitted()["parameters"], Circumstances("tf32", nhwc, True))
        return model.time(work_of(kernel)).seconds

    for device in ("h200", "gtx1650"):
        assert ms(16, device, nhwc=True) == ms(1024, device, nhwc=True)
    assert ms(16, "h200", nhwc=False) > 3 * ms(1024, "h200", nhwc=False)
    assert ms(16, "gtx1650", nhwc=False) < 2 * ms(1024, "gtx1650", nhwc=False)


def test_a_convolution_between_transposes_runs_in_nhwc_whatever_the_setting() -> None:
    """ConvNeXt permutes to channels last for its layer norms, so cuDNN never transposes for its depthwise layers."""
    for nhwc in (False, True):
        kernels = execute(archspec.load("zoo/convnext_tiny").graph, setting(2, nhwc=nhwc)).kernels
        grouped = [kernel for kernel in kernels if len(kernel.geometry) > 4 and kernel.geometry[3] > 1]
        assert grouped
        assert all(kernel.nhwc for kernel in grouped)


@pytest.mark.parametrize(("channels", "dtype", "padded"), [
    (1, "bfloat16", 8), (1, "float32", 4), (3, "float32", 4), (12, "bfloat16", 16), (64, "bfloat16", 64),
])
def test_tensor_cores_read_channels_in_blocks_of_16_bytes(channels: int, dtype: str, padded: int) -> None:
    macs = 32 * 28 * 28 * 64 * channels * 9
    kernel = Kernel("", "convolution", "forward", dtype, 1, 1, macs, 0, (32, channels, 64, 1, 28, 28, 3, 3, 1, 1, 1, 1))
    device = find_device("h200")
    ideal = GpuModel(device, fitted()["parameters"], STEP).ideal(work_of(kernel))
    peak = device.peak_flops("bf16" if dtype == "bfloat16" else "tf32")
    assert ideal.compute == pytest.approx(2 * macs * padded / channels / peak)


sizes = st.integers(1, 4096)


@pytest.mark.parametrize("device", [key for key, device in known_devices().items() if device.kind == "gpu"])
@given(rows=sizes, columns=sizes, depth=sizes, dtype=st.sampled_from(["float32", "bfloat16"]))
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
def test_no_kernel_exceeds_the_datasheet(device: str, rows: int, columns: int, depth: int, dtype: str) -> None:
    chosen = find_device(device)
    macs, nbytes = rows * columns * depth, 4 * rows * depth
    kernel = Kernel("", "mm", "forward", dtype, nbytes, 0, macs, 0, (1, rows, columns, depth))
    timed = GpuModel(chosen, fitted()["parameters"], STEP).time(work_of(kernel))
    # GeForce cards run above the clock of the datasheet.
    assert timed.seconds >= 2 * macs / (1.6 * max(chosen.peak_flops(p) for p in ("fp16", "tf32")))
    assert timed.seconds > nbytes / (1.3 * chosen.bandwidth)


@pytest.mark.parametrize("spec", ["lenet", "zoo/convnext_tiny"])
def test_a_larger_batch_takes_longer(spec: str) -> None:
    times = [step_ms(spec, batch, "bf16", "l4") for batch in (16, 64, 256, 1024)]
    assert times == sorted(times)
    assert times[-1] < 64 * times[0]


@pytest.mark.parametrize(
    ("kernel", "family"),
    [
        (("convolution", 10, (8, 16, 32, 1, 4, 4, 3, 3, 1, 1, 1, 1)), "conv"),
        (("convolution_backward_weight", 10, (8, 16, 16, 16, 4, 4, 3, 3, 1, 1, 1, 1)), "grouped_conv_weight"),
        (("batch_norm_backward", 0, ()), "norm_backward"), (("max_pool2d_backward", 0, ()), "pool"),
        (("convolution_backward_bias", 0, ()), "reduce"), (("addmm", 6, (1, 1, 2, 3)), "product"),
        (("an_op_of_a_plugin", 0, ()), "elementwise"), (("an_op_of_a_plugin", 27, ()), "product"), (("adam", 0, (3,)), "update"),
    ],
)
def test_a_kernel_belongs_to_a_family(kernel: tuple[str, int, tuple[int, ...]], family: str) -> None:
    name, macs, geometry = kernel
    assert work_of(Kernel("", name, "forward", "float32", 8, 8, macs, 0, geometry)).family == family


def test_a_convolution_comes_to_a_matrix_product_of_as_many_macs() -> None:
    for kernel in execute(archspec.load("zoo/resnext50_32x4d").graph, setting(2)).kernels:
        work = work_of(kernel)
        if work.pixels and work.stride == 1:
            assert work.rows * work.columns * work.depth * work.groups == kernel.macs, kernel


def test_a_cpu_by_its_datasheet_takes_the_longer_of_its_products_and_its_bytes() -> None:
    """A roofline (Williams, Waterman & Patterson 2009), in which a multiply-add is two FLOPs."""
    device, macs, nbytes = find_device("xeon-8480"), 10**12, 10**11

    def seconds(nbytes: int, macs: int) -> float:
        kernel = Kernel("", "mm", "forward", "float32", nbytes, 0, macs, 0, (1, 64, 64, 64))
        (time,) = CpuSheetModel(device).times([kernel], Circumstances("fp32", False, False))
        return time.seconds - device.launch_us * 1e-6

    products, moved = seconds(0, macs), seconds(nbytes, 0)
    assert products == pytest.approx(2 * macs / (CpuSheetModel.COMPUTE * device.peak_flops("fp32")))
    assert moved == pytest.approx(nbytes / (CpuSheetModel.MEMORY * device.bandwidth))
    assert seconds(nbytes, macs) == pytest.approx(max(products, moved))
    assert 0.1 < products / moved < 10


def kernels_of(*body: object, **fields: object) -> list[Kernel]:
    spec = {"archspec": 1, "input": [8, 12, 12], "stages": {"body": list(body)}}
    return execute(archspec.load(spec).graph, Setting(2, **fields)).kernels  # type: ignore[arg-type]


def test_a_convolution_says_how_far_its_taps_are_apart() -> None:
    for name, size in (("conv2d", 2), ("conv_transpose2d", 2)):
        for dilation in (1, 3):
            op = {name: {"out_channels": 4, "kernel_size": 3, "dilation": dilation}}
            works = [work_of(kernel) for kernel in kernels_of(op) if kernel.macs]
            assert works
            assert {(work.dilation, work.taps, work.stride) for work in works} == {(dilation**size, 9, 1)}


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_gradient_of_an_image_has_a_row_for_each_of_its_pixels(stride: int) -> None:
    body = [{"conv2d": {"out_channels": 8, "kernel_size": 1}}, {"conv2d": {"out_channels": 4, "kernel_size": stride, "stride": stride}}]
    (work,) = [work_of(kernel) for kernel in kernels_of(*body) if kernel.name == "convolution_backward_input"]
    assert (work.rows, work.columns, work.depth) == (2 * 12 * 12, 8, 4 * stride**2)


def test_a_sum_keeps_its_neighbours_where_it_adds_rows() -> None:
    """So the gradient of a linear layer's bias is as quick as one of NHWC, also between images in NCHW."""
    rows = [kernel for kernel in kernels_of("flatten", {"linear": 5}) if kernel.name == "sum"]
    assert [kernel.nhwc for kernel in rows] == [True]
    convolution = {"conv2d": {"out_channels": 8, "kernel_size": 1}}
    scaled = convolution, {"layer_scale": 0.1}, convolution
    assert [kernel.nhwc for kernel in kernels_of(*scaled) if kernel.name == "sum"] == [False]
    assert [kernel.nhwc for kernel in kernels_of(*scaled, channels_last=True) if kernel.name == "sum"] == [True]


def test_the_fitted_parameters_say_which_command_fitted_them() -> None:
    data = fitted()
    assert data["command"].startswith("python benchmarks/fit_devices.py ")
    assert all(value > 0 for value in data["parameters"].values())
    assert set(data["devices"]) <= set(known_devices())
    assert 0 < data["span"]["step"] < 0.5


def test_a_profile_with_a_target_has_times_and_imports_no_torch() -> None:
    code = """
import sys
from archspec.cli import run
status = run(["profile", "lenet", "--static", "--target", "h200", "--json"])
sys.exit(status or "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    data = json.loads(done.stdout)
    assert data["totals"]["predicted_step_ms"] > data["totals"]["predicted_forward_ms"] > 0
    assert all(layer["predicted_ms"] >= 0 and layer["bound"] in ("compute", "bandwidth", "launches", None)
               for layer in data["layers"])


def test_a_profile_shows_times_of_a_target(cli: Callable[..., object]) -> None:
    done = cli("profile", "lenet", "--static", "--target", "RTX 3060", "--precision", "bf16")
    assert "predicted on NVIDIA GeForce RTX 3060, batch of 1, bf16" in done.out  # type: ignore[attr-defined]
    assert "bound by launches" in done.out  # type: ignore[attr-defined]


@pytest.mark.parametrize(("device", "precision", "words"), [
    ("t4", "bf16", "NVIDIA T4 (without bf16: it computes in fp32)"), ("t4", "fp16", "NVIDIA T4"),
    ("v100", "tf32", "NVIDIA V100 SXM2 32GB (without tf32: it computes in fp32)"),
])
def test_a_device_without_a_precision_says_so(device: str, precision: str, words: str) -> None:
    kernels = execute(archspec.load("lenet").graph, setting(4, precision)).kernels
    found = predict(kernels, SheetModel(find_device(device)), Circumstances(precision, True, True))
    assert found.machine == words


@pytest.mark.parametrize("device", ["cpu", "a GPU"])
@pytest.mark.parametrize(("nbytes", "call_us", "bound"), [
    (1_000, 0.0, "launches"), (1_000_000, 0.0, "bandwidth"), (1_000_000, 85.0, "bandwidth"), (1_000_000, 120.0, "launches"),
    (120_000, 0.0, "bandwidth"), (120_000, 5.0, "launches"),
])
def test_what_is_neither_products_nor_bytes_is_launches_on_any_calibrated_device(
    device: str, nbytes: int, call_us: float, bound: str
) -> None:
    """A kernel takes 10 µs without work and 1 µs for 10 kB; the call takes its time beside that on a CPU, before it on a GPU."""
    curve = Curve((), (), 0.0, 0.0, 1.0, 0.0, (0.0, 0.0), 1e12, 1e10, 1e-5)
    made = Calibration(Machine("a CPU", device, 1, "2"), {"add/fp32": curve}, {}, {"fp32": 1.0}, 10.0, 1.0, "a day",
                       host_us={"evaluation/elementwise": call_us if device == "cpu" else call_us + 10 + nbytes / 1e4})
    kernel = Kernel("a", "add", "forward", "float32", nbytes, 0)
    (time,) = CalibratedModel(made).times([kernel], Circumstances("fp32", False, False))
    assert time.seconds == pytest.approx(1e-5 + nbytes / 1e10 + call_us * 1e-6)
    assert time.bound == bound


@pytest.mark.parametrize("deviation", [0.0, 0.2, 1.0])
def test_eighty_of_a_hundred_times_lie_within_the_span(deviation: float) -> None:
    """Where the errors of a network and of a kernel's curve are normally distributed, and add up."""
    curve = Curve((), (), 0.0, 0.0, 1.0, deviation, (0.0, 0.0), 1e12, 1e10)
    made = Calibration(Machine("a CPU", "cpu", 1, "2"), {"add/fp32": curve}, {}, {"fp32": 1.0}, 10.0, 1.0, "a day")
    kernels = [Kernel("a", "add", "forward", "float32", 10**6, 0)] * 3
    found = predict(kernels, CalibratedModel(made), Circumstances("fp32", False, False))
    errors = NormalDist(0, sqrt(NETWORK**2 + deviation**2))
    low, high = (errors.cdf(log(time / found.milliseconds)) for time in (found.low, found.high))
    assert high - low == pytest.approx(0.8, abs=1e-4)
