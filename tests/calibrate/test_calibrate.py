"""Measuring a machine, with a clock of the test's own: what is measured, when it ends, and what comes of the times."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from math import exp, log
from pathlib import Path

import pytest
import torch

import archspec
from archspec.calibrate.measure import Stopwatch, measure
from archspec.calibrate.passes import image_passes, passes
from archspec.calibrate.products import convolution_shapes, convolutions, halton, products
from archspec.calibrate.regression import LENGTHS, NOISES, Point, _solve, fit_curve
from archspec.calibrate.run import calibrate
from archspec.calibrate.sample import Place, Sample
from archspec.devices.calibration import Calibration, Machine, load_calibration, own_calibration, thread_count
from archspec.devices.curve import Curve
from archspec.devices.gpu import Circumstances
from archspec.devices.models import CalibratedModel
from archspec.devices.predict import predict
from archspec.devices.targets import time_model
from archspec.devices.work import Work
from archspec.diagnostics import SpecError
from archspec.execution import Optimizer, Setting, execute

CPU = torch.device("cpu")


class Ticks:
    """A clock on which every reading is `step` seconds after the last."""

    def __init__(self, step: float = 0.001) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def watch(clock: Callable[[], float]) -> Stopwatch:
    return Stopwatch(clock, lambda: None)


def test_a_short_kernel_runs_often_and_its_time_is_that_of_one_run() -> None:
    clock, runs = Ticks(1e-6), []

    def run() -> None:
        runs.append(1)
        clock.now += 5e-6

    assert watch(clock).seconds(run) == pytest.approx(5e-6, rel=0.01)
    assert len(runs) > 100


def test_the_time_of_others_on_the_machine_does_not_count() -> None:
    clock, durations = Ticks(0.0), iter([1.0, 1.0, 0.02, 0.02, 0.5, 0.02, 0.9, 0.02, 0.02, 0.02])

    def run() -> None:
        clock.now += next(durations)

    assert watch(clock).seconds(run) == pytest.approx(0.02)


def test_measuring_stops_at_the_deadline_and_leaves_out_what_cannot_run() -> None:
    clock, seen = Ticks(0.01), []

    def broken() -> Callable[[], object]:
        raise RuntimeError("not implemented for 'Half'")

    work = Work("elementwise", False, 8, 0, 1)
    samples = [Sample("a/fp32", work, lambda: lambda: None), Sample("b/fp32", work, broken)] * 50
    found = measure(samples, watch(clock), deadline=1.0, progress=seen.append)
    assert set(found) == {"a/fp32"}
    assert 0 < len(found["a/fp32"]) < 50
    assert seen == sorted(seen)
    assert clock.now < 1.3


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_sample_runs_and_says_which_bytes_it_moves(precision: str, layout: str) -> None:
    place = Place(CPU, precision, layout)
    samples = [
        *convolutions(place, convolution_shapes(3, 1e6)), *convolutions(place, convolution_shapes(3, 1e6, grouped=True)),
        *products(place, 2, 1e6), *passes(place, 1 << 12), *image_passes(place, 1 << 16),
    ]
    torch.manual_seed(0)
    with torch.no_grad():
        for sample in samples:
            result = sample.make()()
            tensors = [t for t in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(t, torch.Tensor)]
            assert sample.work.nbytes >= sum(t.nbytes for t in tensors), sample.curve
    assert {s.work.groups > 1 for s in samples if s.curve.startswith("grouped")} == {True}
    assert all(s.work.macs == s.work.rows * s.work.columns * s.work.depth * s.work.groups
               for s in samples if s.work.macs and s.work.stride == 1)


def test_shapes_fill_the_space_within_their_limit() -> None:
    assert [halton(k, 2) for k in (1, 2, 3, 4)] == [0.5, 0.25, 0.75, 0.125]
    shapes = convolution_shapes(60, 4e8)
    assert len(set(shapes)) > 55
    assert max(s.macs for s in shapes) <= 4e8
    assert {s.kernel for s in shapes} == {1, 3, 5, 7}
    assert min(s.channels for s in shapes) == 1
    assert any(s.groups == s.channels for s in convolution_shapes(20, 4e8, grouped=True))


def works(count: int) -> list[Work]:
    return [Work("elementwise", False, 4 ** (k % 9 + 4) * (1 + k), 0, 4 ** (k % 7 + 4)) for k in range(count)]


def test_a_curve_finds_the_law_behind_the_times() -> None:
    """A kernel that reaches half of the bandwidth, and less for small sizes."""

    def seconds(work: Work) -> float:
        return 1e-5 + work.nbytes / 5e9

    curve = fit_curve([Point(w, seconds(w)) for w in works(25)], 1e9, 1e10)
    for work in [Work("elementwise", False, 3_000_000, 0, 40_000), Work("elementwise", False, 90_000, 0, 9_000)]:
        assert curve.seconds(work) == pytest.approx(seconds(work), rel=0.1)
    assert curve.deviation < 0.1


def test_the_error_of_a_curve_is_that_of_each_point_predicted_by_the_others() -> None:
    """Against fitting the curve again without the point."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(12, 2, generator=generator).double() * 8, torch.rand(12, generator=generator).double()
    for length in LENGTHS[2:4]:
        for noise in NOISES[:2]:
            def solved(keep: list[int], length: float = length, noise: float = noise) -> tuple[float, torch.Tensor]:
                found = _solve(torch.cdist(x[keep], x[keep]).square(), y[keep], length, noise)
                return found.mean, found.weights

            everything = _solve(torch.cdist(x, x).square(), y, length, noise)
            errors = []
            for k in range(12):
                keep = [j for j in range(12) if j != k]
                mean, weights = solved(keep)
                near = torch.exp(-0.5 * torch.cdist(x[keep], x[k : k + 1]).square() / length**2).flatten()
                errors.append(abs(float(y[k]) - mean - float(near @ weights)))
            # The closed form keeps the mean of all points, so the two differ a little.
            assert everything.error == pytest.approx(float(torch.tensor(errors).quantile(0.683)), rel=0.25)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("archspec.devices.calibration.cache_folder", lambda: tmp_path)
    return tmp_path


def few_kernels() -> Calibration:
    place = Place(CPU, "fp32")
    samples = [*convolutions(place, convolution_shapes(4, 1e6)), *products(place, 4, 1e6), *passes(place, 1 << 12)]
    return calibrate(CPU, seconds=1000, clock=Ticks(0.01), samples=samples)


@pytest.fixture(scope="module")
def made() -> Calibration:
    """A calibration of few kernels, by a clock of which each reading takes 10 ms: every kernel takes as long."""
    return few_kernels()


def test_a_calibration_is_kept_for_this_machine(own: Path, made: Calibration) -> None:
    assert own_calibration() is None
    assert {"convolution/fp32/nchw", "convolution_backward_weight/fp32/nchw", "addmm/fp32"} == {
        name for name in made.curves if "input" not in name
    }
    path = made.save()
    assert path.parent == own / "calibration"
    assert own_calibration() == own_calibration("cpu") == load_calibration(path) == made
    assert made.machine.threads == torch.get_num_threads() == thread_count()
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
    lambda data: "{", lambda data: "[]", lambda data: json.dumps(data | {"format": 2}),
    lambda data: json.dumps(data | {"curves": {"a": {}}}), lambda data: json.dumps(data | {"machine": 3}),
    lambda data: json.dumps(data).replace("0.", "NaN", 1), lambda data: "[" * 100_000,
    lambda data: json.dumps(data | {"curves": {name: c | {"length": 0} for name, c in data["curves"].items()}}),
])
def test_a_damaged_calibration_is_as_none(own: Path, made: Calibration, damage: Callable[[dict], str]) -> None:
    path = made.save()
    path.write_text(damage(json.loads(path.read_text())))
    assert load_calibration(path) is None
    assert own_calibration() is None


def law(rate: float) -> Curve:
    return Curve(((0.0,) * 2,), (0.0,), log(2.0), 1.0, 0.1, rate, 1e9)


def test_a_calibrated_machine_adds_its_overhead_to_curves_and_falls_back_to_similar_ones() -> None:
    """With curves that say: twice the roofline's time, and half more in a network."""
    shapes = {"convolution": 6, "addmm": 3, "add": 2}
    curves = {
        f"{name}/fp32": replace(law(1e9), points=((0.0,) * size,)) for name, size in shapes.items()
    } | {"grouped_convolution/fp32": replace(law(1e9), points=((0.0,) * 6,)),
         "convolution_backward_input/fp32": replace(law(1e9), points=((0.0,) * 6,)),
         "convolution_backward_weight/fp32": replace(law(1e9), points=((0.0,) * 6,))}
    overhead = {"forward": 1.0, "training": 2.0, "backward": 3.0, "step": 100.0}
    calibration = Calibration(Machine("a CPU", "cpu", 1, "2"), curves, overhead, {"fp32": 1.5}, {}, 1.0, 1.0, "2026-01-01")
    kernels = execute(archspec.load("lenet").graph, Setting(4, optimizer=Optimizer("sgd", 0.9))).kernels
    found = predict(kernels, CalibratedModel(calibration), Circumstances("fp32", False, True))
    work = 1.5 * sum(2 * (k.macs / 1e9 + (k.read_bytes + k.written_bytes) / 1e9 + 1e-9) for k in kernels)
    calls = sum({"forward": 2e-6, "backward": 3e-6, "optimizer": 0}[k.direction] for k in kernels
                if k.name != "convolution_backward_bias")
    assert found.milliseconds == pytest.approx(1000 * (work + calls + 1e-4), rel=1e-6)
    alone, together = (exp(1.2816 * (0.25**2 + error**2) ** 0.5) for error in (0.0, 0.1))
    assert found.milliseconds / together < found.low < found.milliseconds / alone  # errors of several curves cancel
    assert found.machine == "a CPU, 1 thread"


def test_every_kernel_of_the_shipped_specs_has_a_curve(made: Calibration) -> None:
    """A full calibration has all curves: here they are made up, and the kernels are those of the tape."""
    names = {sample.curve for precision in ("fp32", "bf16") for layout in ("nchw", "nhwc") for sample in (
        *convolutions(Place(CPU, precision, layout), convolution_shapes(2, 1e6)),
        *convolutions(Place(CPU, precision, layout), convolution_shapes(2, 1e6, grouped=True)),
        *image_passes(Place(CPU, precision, layout), 1 << 16), *products(Place(CPU, precision), 1, 1e6),
        *passes(Place(CPU, precision), 1 << 12))}
    sizes = {"convolution": 6, "addmm": 3}
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
                    assert ("grouped" in time.curve) == (len(kernel.geometry) > 4 and kernel.geometry[3] > 1)
                elif kernel.name in ("batch_norm", "batch_norm_backward", "layer_norm", "relu", "gelu_backward", "max_pool2d"):
                    assert time.curve.startswith(f"{kernel.name}/")
