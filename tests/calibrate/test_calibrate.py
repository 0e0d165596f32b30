"""A whole calibration, from few kernels to the file, and the times it predicts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from math import exp, log
from pathlib import Path
from statistics import geometric_mean

import pytest
import torch

import archspec
from archspec.calibrate import cache as cache_module
from archspec.calibrate import factor as factor_module
from archspec.calibrate import host
from archspec.calibrate import run as run_module
from archspec.calibrate.attention import attentions
from archspec.calibrate.pace import KERNELS
from archspec.calibrate.passes import image_passes, passes
from archspec.calibrate.products import convolution_shapes, convolutions, products
from archspec.calibrate.regression import Point
from archspec.calibrate.run import _best, calibrate
from archspec.calibrate.sample import Place
from archspec.devices.calibration import (
    SECONDS,
    SECONDS_GPU,
    Calibration,
    Machine,
    load_calibration,
    own_calibration,
    thread_count,
)
from archspec.devices.curve import Curve
from archspec.devices.gpu import Circumstances
from archspec.devices.models import CalibratedModel
from archspec.devices.predict import predict
from archspec.devices.targets import time_model
from archspec.diagnostics import SpecError
from archspec.execution import Optimizer, Setting, execute
from archspec.text import bytes_text
from tests.calibrate.made import few_kernels
from tests.calibrate.ticks import Ticks

CPU = torch.device("cpu")


def test_the_peak_is_no_outlier() -> None:
    assert _best([9.0, 1.0, 2.0, 3.0, 2.5, 2.8, 0.1]) == 2.8
    assert _best([1.0, 2.0, 3.0]) == 2.0


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("archspec.devices.calibration.cache_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def measured() -> Calibration:
    """Of few kernels and of small networks, by a clock of which each reading takes long, so that all run seldom."""
    place = Place(CPU, "fp32")
    samples = [*convolutions(place, convolution_shapes(4, 1e6)), *products(place, 4, 1e6), *passes(place, 1 << 12)]
    tiny = {"archspec": 1, "input": [3, 4, 4], "stages": {"a": ["flatten", {"linear": 10}]}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "_IMAGES", {"activations": ["relu"]})
        patch.setattr(host, "_TOKENS", {"products": [{"linear": 16}]})
        patch.setattr(cache_module, "SIZES", (1 << 20, 2 << 20))
        for name in ("_usual", "_separable", "_late"):
            patch.setattr(factor_module, name, lambda *_: tiny)
        return calibrate(CPU, seconds=1000, clock=Ticks(0.05), samples=samples)


def test_the_networks_that_are_measured_besides_are_valid() -> None:
    bodies = [*((body, [16, 8, 8]) for body in host._IMAGES.values()), *((body, [4, 16]) for body in host._TOKENS.values())]
    stages = [{"archspec": 1, "input": size, "stages": {"a": [*body, *body]}} for body, size in bodies]
    for spec in (*stages, factor_module._usual(16), factor_module._separable(), factor_module._late()):
        assert archspec.check(spec) == ()


@pytest.fixture(scope="module")
def made() -> Calibration:
    """A calibration of few kernels, with made-up times."""
    return few_kernels()


def test_a_calibration_is_kept_for_this_machine(own: Path, measured: Calibration) -> None:
    assert own_calibration() is None
    assert set(measured.curves) == {"convolution/fp32/nchw", "addmm/fp32"}
    assert len(measured.curves["convolution/fp32/nchw"].points) == 8  # of 4 shapes: forward and backward share a curve
    assert set(measured.pace_ms) | {"bf16_product"} == set(KERNELS)
    path = measured.save()
    assert path.parent == own / "calibration"
    assert own_calibration() == own_calibration("cpu") == load_calibration(path) == measured
    assert measured.machine.threads == torch.get_num_threads() == thread_count()
    model = time_model(None)
    assert isinstance(model, CalibratedModel)
    kernels = execute(archspec.load("lenet").graph, Setting(4)).kernels
    assert predict(kernels, model, Circumstances("fp32", False, True)).milliseconds > 0  # kinds without a curve, too
    assert own_calibration("NVIDIA H200") is None


@pytest.mark.parametrize("change", [{"threads": 9}, {"torch": "2.0.0"}, {"cpu": "another"}])
def test_a_calibration_of_another_machine_is_not_used(own: Path, made: Calibration, change: dict[str, object]) -> None:
    replace(made, machine=replace(made.machine, **change)).save()  # type: ignore[arg-type]
    assert own_calibration() is None
    assert time_model(None) is None
    with pytest.raises(SpecError, match="BUILD212"):
        time_model("here")


@pytest.mark.parametrize("damage", [
    lambda data: "{", lambda data: "[]", lambda data: json.dumps(data | {"format": 1}),
    lambda data: json.dumps(data | {"curves": {"a": {}}}), lambda data: json.dumps(data | {"machine": 3}),
    lambda data: json.dumps(data).replace("0.", "NaN", 1), lambda data: "[" * 100_000,
    lambda data: json.dumps(data | {"curves": {name: c | {"length": 0} for name, c in data["curves"].items()}}),
])
def test_a_damaged_calibration_is_as_none(own: Path, made: Calibration, damage: Callable[[dict], str]) -> None:
    path = made.save()
    path.write_text(damage(json.loads(path.read_text())))
    assert load_calibration(path) is None
    assert own_calibration() is None


@pytest.mark.parametrize(("given", "expected"), [([], None), (["--seconds", "7"], 7.0)])
def test_the_command_leaves_the_time_to_the_device(
    monkeypatch: pytest.MonkeyPatch, made: Calibration, own: Path, given: list[str], expected: float | None
) -> None:
    """Of a CPU less than of a GPU: the whole has to take less than two minutes."""
    from click.testing import CliRunner

    from archspec.cli.calibrate import command

    seen: list[object] = []

    def calibrated(*_: object, seconds: float | None, **__: object) -> Calibration:
        seen.append(seconds)
        return made

    monkeypatch.setattr("archspec.calibrate.calibrate", calibrated)
    done = CliRunner().invoke(command, ["--device", "cpu", *given])
    assert done.exit_code == 0, done.output
    assert seen == [expected]
    assert f"[default: {SECONDS:.0f}, on a GPU {SECONDS_GPU:.0f}]" in " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    assert f"caches {bytes_text(round(made.cache_bytes))}" in " ".join(done.output.split())


def law(rate: float) -> Curve:
    return Curve(((0.0,) * 2,), (0.0,), log(2.0), 0.0, 1.0, 0.1, (-20.0, 0.0), rate, 1e9)


def test_a_calibrated_machine_adds_its_overhead_to_curves_and_falls_back_to_similar_ones() -> None:
    """With curves that say: twice the roofline's time."""
    shapes = {"convolution": 10, "addmm": 5, "add": 2}
    curves = {f"{name}/fp32": replace(law(1e9), points=((0.0,) * size,)) for name, size in shapes.items()}
    costs = {"forward/product": 1.0, "forward/convolution": 2.0, "backward/product": 3.0, "parameter": 4.0,
             "pass": 5.0, "step": 100.0, "evaluation/product": 1000.0}
    calibration = Calibration(Machine("a CPU", "cpu", 1, "2"), curves, {}, {}, 1.0, 1.0, "2026-01-01", host_us=costs)
    kernels = execute(archspec.load("lenet").graph, Setting(4, optimizer=Optimizer("sgd", 0.9))).kernels
    found = predict(kernels, CalibratedModel(calibration), Circumstances("fp32", False, True))
    mean = exp(0.1**2 / 2)  # of a factor whose logarithm deviates by 0.1
    work = mean * sum(2 * (k.macs / 1e9 + (k.read_bytes + k.written_bytes) / 1e9 + 1e-9) for k in kernels)
    calls = 2 * 2e-6 + 3 * 1e-6 + 6 * 3e-6 + 10 * 4e-6 + 5e-6 + 1e-4  # of two convolutions, three linear layers
    assert found.milliseconds == pytest.approx(1000 * (work + calls), rel=1e-6)
    alone, together = (exp(1.2816 * (0.25**2 + error**2) ** 0.5) for error in (0.0, 0.1))
    assert found.milliseconds / together < found.low < found.milliseconds / alone  # errors of several curves cancel
    assert found.machine == "a CPU, 1 thread"


def test_every_kernel_of_the_shipped_specs_has_a_curve(made: Calibration) -> None:
    """A full calibration has all curves: here they are made up, and the kernels are those of the tape."""
    names = {sample.curve for precision in ("fp32", "bf16") for layout in ("nchw", "nhwc") for sample in (
        *convolutions(Place(CPU, precision, layout), convolution_shapes(2, 1e6)),
        *convolutions(Place(CPU, precision, layout), convolution_shapes(2, 1e6, grouped=True)),
        *image_passes(Place(CPU, precision, layout), 1 << 16), *products(Place(CPU, precision), 1, 1e6),
        *passes(Place(CPU, precision), 1 << 12), *attentions(Place(CPU, precision)))}
    sizes = {"convolution": 10, "addmm": 5, "attention": 4}
    curves = {
        name: replace(law(1e9), points=((0.0,) * next((n for part, n in sizes.items() if part in name), 2),)) for name in names
    }
    model = CalibratedModel(replace(made, curves=curves))
    for spec in ("zoo/mobilenet_v3_small", "zoo/convnext_tiny", "zoo/densenet121"):
        for precision in ("fp32", "bf16"):
            kernels = execute(archspec.load(spec).graph, Setting(2, precision=precision)).kernels
            times = model.times(kernels, Circumstances(precision, False, True))
            for kernel, time in zip(kernels, times, strict=True):
                if kernel.macs:
                    assert ("convolution" in time.curve) == ("convolution" in kernel.name)
                    grouped = "convolution" in kernel.name and kernel.geometry[3] > 1
                    assert (time.curve.startswith(("grouped", "depthwise"))) == grouped
                elif kernel.name in ("batch_norm", "batch_norm_backward", "layer_norm", "relu", "gelu_backward", "max_pool2d"):
                    assert time.curve.startswith(f"{kernel.name}/")


def test_the_median_of_a_networks_passes_counts(made: Calibration, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {"archspec": 1, "input": [4], "stages": {"a": [{"linear": 3}]}}
    for name in ("_usual", "_separable", "_late"):
        monkeypatch.setattr(factor_module, name, lambda *_: tiny)
    plain = factor_module.Networks(CPU, ("fp32",))
    for seconds in (0.12e-3, 1.8e-3, 0.1e-3):
        monkeypatch.setattr(factor_module, "undisturbed", lambda *_, seconds=seconds: seconds)
        plain.measure(factor_module.Pace(Ticks(0.05)))
    expected = {"fp32": geometric_mean([0.12e-3 / network.predicted_seconds(made) for network in plain._networks])}
    assert all(0.5 < factor < 4 for factor in expected.values())
    assert plain.factors(made) == pytest.approx(expected)


def test_networks_are_measured_before_between_and_after_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    done: list[float] = []
    samples = list(range(7))

    def kernels(share: list[int], deadline: float, progress: Callable[[float], None], *, pace: object) -> dict[str, list[Point]]:
        seen.append(share)
        progress(0.5)
        return {"a": [Point(work, 1.0) for work in share]}  # type: ignore[arg-type]

    monkeypatch.setattr(run_module.Networks, "__init__", lambda self, *_: None)
    monkeypatch.setattr(run_module.Networks, "measure", lambda *_: seen.append("networks"))
    monkeypatch.setattr(run_module.Networks, "factors", lambda *_: {"fp32": 1.5})
    monkeypatch.setattr(run_module, "measure_in_rounds", kernels)
    monkeypatch.setattr(run_module, "_calibration", lambda machine, points: few_kernels())
    monkeypatch.setattr(run_module, "cache_bytes", lambda clock: 1)
    monkeypatch.setattr(run_module, "host_costs", lambda *_: {})
    found = calibrate(CPU, seconds=10, clock=Ticks(0.05), progress=done.append, samples=samples)  # type: ignore[arg-type]
    assert [x for x in seen if x == "networks"] == ["networks"] * 3
    assert seen[::2] == ["networks"] * 3
    assert sorted([*seen[1], *seen[3]]) == samples  # type: ignore[misc]
    assert done == [0.25, 0.75]
    assert found.factors == {"fp32": 1.5}
