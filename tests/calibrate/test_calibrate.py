"""Measuring a machine, with a clock of the test's own: what is measured, when it ends, and what comes of the times."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import dist, exp, log
from pathlib import Path
from random import Random

import pytest
import torch

import archspec
from archspec.calibrate.attention import attentions
from archspec.calibrate.measure import Pace, Stopwatch, measure
from archspec.calibrate.passes import image_passes, passes
from archspec.calibrate.products import Shape, convolution_shapes, convolutions, halton, late_shapes, linears, products
from archspec.calibrate.regression import LENGTHS, NOISES, Point, _solve, fit_curve
from archspec.calibrate.rounds import GROUP, measure_in_rounds
from archspec.calibrate.run import _best, calibrate
from archspec.calibrate.sample import Place, Sample
from archspec.devices.calibration import Calibration, Machine, load_calibration, own_calibration, thread_count
from archspec.devices.curve import Curve, features, kind_of
from archspec.devices.gpu import Circumstances
from archspec.devices.models import CalibratedModel
from archspec.devices.predict import predict
from archspec.devices.targets import time_model
from archspec.devices.work import Work, work_of
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

    assert watch(clock).seconds([run]) == pytest.approx(5e-6, rel=0.01)
    assert len(runs) > 100


def test_the_time_is_one_that_nothing_disturbed() -> None:
    clock, durations = Ticks(0.0), iter([1.0, 1.0, 1.0, 0.02, 0.5, 0.03, 0.02])

    def run() -> None:
        clock.now += next(durations)

    assert watch(clock).seconds([run]) == pytest.approx(0.02)


def test_runs_take_turns_and_keep_their_results_for_a_round() -> None:
    """So that no run finds the memory of the last one in the caches, nor gets its freed memory again."""
    clock, order, alive = Ticks(0.01), [], set()

    class Result:
        def __init__(self, name: str) -> None:
            self.name = name
            order.append(name)
            alive.add(id(self))

        def __del__(self) -> None:
            alive.discard(id(self))

    def turn(name: str) -> Callable[[], object]:
        def run() -> Result:
            assert len(alive) >= min(len(order), 2)
            return Result(name)

        return run

    watch(clock).seconds([turn(name) for name in "abc"])
    assert "".join(order).startswith("abcabcabc")


@pytest.mark.parametrize("in_rounds", [False, True])
def test_times_are_those_of_the_undisturbed_machine(in_rounds: bool) -> None:
    """A machine that becomes half as fast in the middle: equal kernels have equal times."""
    clock = Ticks(0.0)
    slow = iter([1.0] * (4000 if not in_rounds else 1600) + [2.0] * 1_000_000)

    def run() -> None:
        clock.now += 1e-3 * next(slow)

    pace = Pace(watch(clock), CPU)
    pace.runs = [run]
    samples = [Sample("a", "a/fp32", Work("elementwise", False, 8, 0, 1), lambda: run)] * (10 * GROUP)
    found = (
        measure_in_rounds(samples, clock, 1e9, pace=pace) if in_rounds else measure(samples, watch(clock), 1e9, pace=pace)
    )
    times = [p.seconds for p in found["a/fp32"]]
    assert sum(t == pytest.approx(1e-3, rel=0.02) for t in times) >= 0.9 * len(times)  # some lie on the change
    assert next(slow) == 2.0
    assert pace.usual() == pytest.approx(1e-3)


def test_a_run_waits_for_the_undisturbed_machine() -> None:
    clock, speed = Ticks(0.0), iter([2.0] * 60 + [1.0] * 100_000)
    pace = Pace(watch(clock), CPU)

    def run() -> None:
        clock.now += 1e-3 * next(speed)

    pace.runs, pace.seen = [run], [1e-3] * 40
    assert pace.seconds(watch(clock), run) == pytest.approx(1e-3, rel=0.01)
    always = Pace(watch(clock), CPU)
    always.runs, always.seen = [lambda: setattr(clock, "now", clock.now + 2e-3)], [1e-3] * 40
    ended = always.seconds(watch(clock), always.runs[0])  # it does not end: the time is that at the usual pace
    assert ended == pytest.approx(1e-3, rel=0.01)


def test_kernels_of_a_size_take_turns() -> None:
    """As in a network, another kernel runs before each, and small ones follow small ones."""
    clock, order = Ticks(0.01), list[int]()
    pace = Pace(watch(clock), CPU)
    pace.runs = [lambda: None]

    def sample(size: int) -> Sample:
        return Sample("a", "a/fp32", Work("elementwise", False, size, 0, 1), lambda: lambda: order.append(size))

    sizes = list(range(1, 2 * GROUP + 1))
    Random(0).shuffle(sizes)
    points = measure_in_rounds([sample(size) for size in sizes], clock, 1e9, pace=pace)["a/fp32"]
    assert sorted(p.work.nbytes for p in points) == sorted(sizes)
    small = order[: order.index(GROUP + 1)]
    assert set(small) == set(range(1, GROUP + 1))
    rounds = [small[k : k + GROUP] for k in range(0, len(small), GROUP)]
    assert len(rounds) >= 5
    assert all(row == sorted(row) for row in rounds)


def test_backward_of_a_convolution_is_one_run_but_for_a_first_layer() -> None:
    """Its two products share copies: a run of both is not that of one and then of the other."""
    place = Place(CPU, "bf16")
    for channels, gradients in ((8, 2), (3, 1)):
        _, backward = convolutions(place, [Shape(1, channels, 8, 8, 3, 1, 1)])
        with torch.no_grad():
            found = backward.make()()
        assert isinstance(found, (tuple, list))
        assert sum(y is not None for y in found) == backward.parts == gradients
    clock = Ticks(0.01)
    pace = Pace(watch(clock), CPU)
    (alone,), (half,) = (
        measure_in_rounds([replace(backward, make=lambda: lambda: None, parts=parts)], clock, 1e9, pace=pace).popitem()[1]
        for parts in (1, 2)
    )
    assert half.seconds == pytest.approx(alone.seconds / 2, rel=0.01)


def test_the_turns_of_a_kernel_cover_more_than_the_caches() -> None:
    made: list[int] = []

    def make() -> Callable[[], object]:
        made.append(1)
        return lambda: None

    counts = []
    for nbytes in (1, 1 << 20, 1 << 23, 1 << 30):
        made.clear()
        clock = Ticks(0.01)
        work = Work("elementwise", False, nbytes, 0, 1)
        measure([Sample("a", "a/fp32", work, make)], watch(clock), 1e9, pace=Pace(watch(clock), CPU), apart=1 << 24)
        counts.append(len(made))
    assert counts == [16, 16, 2, 1]


def test_the_peak_is_no_outlier() -> None:
    assert _best([9.0, 1.0, 2.0, 3.0, 2.5, 2.8, 0.1]) == 2.8
    assert _best([1.0, 2.0, 3.0]) == 2.0


def test_measuring_stops_at_the_deadline_and_leaves_out_what_cannot_run() -> None:
    clock, seen = Ticks(0.01), []

    def broken() -> Callable[[], object]:
        raise RuntimeError("not implemented for 'Half'")

    work = Work("elementwise", False, 8, 0, 1)
    samples = [Sample("a", "a/fp32", work, lambda: lambda: None), Sample("b", "b/fp32", work, broken)] * 50
    found = measure(samples, watch(clock), deadline=1.0, progress=seen.append, pace=Pace(watch(clock), CPU))
    assert set(found) == {"a/fp32"}
    assert 0 < len(found["a/fp32"]) < 50
    assert seen == sorted(seen)
    assert clock.now < 1.8
    clock = Ticks(0.01)
    found = measure_in_rounds(samples, clock, deadline=2.0, progress=seen.append, pace=Pace(watch(clock), CPU))
    assert set(found) == {"a/fp32"}
    assert 0 < len(found["a/fp32"]) < 50


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_sample_runs_and_says_which_bytes_it_moves(precision: str, layout: str) -> None:
    place = Place(CPU, precision, layout)
    samples = [
        *convolutions(place, convolution_shapes(3, 1e6)), *convolutions(place, convolution_shapes(3, 1e6, grouped=True)),
        *products(place, 2, 1e6), *passes(place, 1 << 12), *image_passes(place, 1 << 16), *list(attentions(place))[:4],
    ]
    torch.manual_seed(0)
    with torch.no_grad():
        for sample in samples:
            result = sample.make()()
            tensors = [t for t in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(t, torch.Tensor)]
            assert sample.work.nbytes >= sum(t.nbytes for t in tensors), sample.curve
    kinds = {(s.curve.partition("_")[0], s.work.groups > 1, s.work.channels == 1) for s in samples if s.work.pixels}
    assert {("grouped", True, False), ("depthwise", True, True)} >= {k for k in kinds if k[1]} > set()
    assert all(s.work.macs == s.work.rows * s.work.columns * s.work.depth * s.work.groups
               for s in samples if s.work.macs and s.work.stride == 1 and "attention" not in s.name)


def test_shapes_fill_the_space_within_their_limit() -> None:
    assert [halton(k, 2) for k in (1, 2, 3, 4)] == [0.5, 0.25, 0.75, 0.125]
    shapes = convolution_shapes(60, 4e8)
    assert len(set(shapes)) > 55
    assert max(s.macs for s in shapes) <= 4e8
    assert {s.kernel for s in shapes} == {1, 3, 5, 7}
    assert min(s.channels for s in shapes) == 1
    grouped = convolution_shapes(20, 4e8, grouped=True)
    assert any(s.groups == s.channels for s in grouped)
    assert {s.kernel for s in grouped} == {3, 5, 7}
    late = late_shapes(40, 4e8)
    assert len(late) == 40
    assert max(s.macs for s in late) <= 4e8
    assert sum(s.channels >= 256 and s.output <= 7 and s.kernel == 3 for s in late) >= 5
    assert any(s.side == 1 for s in late)
    large = convolution_shapes(5, 3.2e9, least=4e8)
    assert all(4e8 <= s.macs <= 3.2e9 for s in large)


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


def test_beyond_the_largest_measured_size_the_efficiency_stays() -> None:
    """Not the mean one: large kernels are the efficient ones."""
    sizes = [1 << power for power in range(10, 21)]
    points = [Point(Work("elementwise", False, n, 0, n), 1e-5 + n / 5e9) for n in sizes]
    curve = fit_curve(points, 1e9, 1e10)
    largest, beyond = (curve.seconds(Work("elementwise", False, n, 0, n)) for n in (1 << 20, 1 << 30))
    assert beyond == pytest.approx(1024 * largest, rel=0.01)


def test_forward_and_backward_of_a_convolution_and_the_windows_of_depthwise_ones_lie_apart() -> None:
    samples = {s.name: s.work for s in convolutions(Place(CPU, "fp32"), [Shape(1, 8, 8, 8, 3, 1, 1)])}
    places = [features(work) for work in samples.values()]
    assert len(set(places)) == 2
    assert dist(*places) >= 2
    assert {kind_of(name, work) for name, work in samples.items()} == {"convolution"}

    def forward(kernel: int, groups: int) -> tuple[float, ...]:
        shape = Shape(1, 8, 8, 8, kernel, 1, groups)
        return features(next(s.work for s in convolutions(Place(CPU, "fp32"), [shape]) if s.name == "convolution"))

    assert dist(forward(3, 8), forward(5, 8)) > 2 * dist(forward(3, 1), forward(5, 1))


def test_linear_layers_are_measured_as_torch_lays_out_their_matrices() -> None:
    """Each product is that of a layer's forward pass, or of a gradient of its input or weight."""
    samples = list(linears(Place(CPU, "fp32"), 6, 1e6))
    assert len(samples) == 18
    for forward, back, weight in zip(*(samples[k::3] for k in range(3)), strict=True):
        layer = torch.nn.Linear(forward.work.depth, forward.work.columns)
        x = torch.ones(forward.work.rows, forward.work.depth, requires_grad=True)
        with torch.no_grad():
            assert forward.make()().shape == layer(x).shape  # type: ignore[attr-defined]
            assert back.make()().shape == x.shape  # type: ignore[attr-defined]
            assert weight.make()().shape == layer.weight.shape  # type: ignore[attr-defined]
        kernels = execute(archspec.load({
            "archspec": 1, "input": [forward.work.depth], "stages": {"a": [{"linear": forward.work.columns}, "relu", {
                "linear": forward.work.depth}]},
        }).graph, Setting(forward.work.rows)).kernels
        known = {(w.rows, w.columns, w.depth) for w in map(work_of, kernels) if w.macs}
        assert {(s.work.rows, s.work.columns, s.work.depth) for s in (forward, weight)} <= known


def test_the_first_input_of_a_kernel_is_in_memory_that_others_share() -> None:
    place = Place(CPU, "fp32")
    found = []
    for _ in range(2):
        place.warm()
        found.append([place.tensor(8).data_ptr() for _ in range(2)])
    assert found[0][0] == found[1][0]
    assert len({found[0][0], found[0][1], found[1][1]}) == 3


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


@cache
def few_kernels() -> Calibration:
    """By a clock of which each reading takes long: every kernel and every network takes as long, and runs seldom."""
    place = Place(CPU, "fp32")
    samples = [*convolutions(place, convolution_shapes(4, 1e6)), *products(place, 4, 1e6), *passes(place, 1 << 12)]
    return calibrate(CPU, seconds=1000, clock=Ticks(0.5), samples=samples)


@pytest.fixture(scope="module")
def made() -> Calibration:
    """A calibration of few kernels."""
    return few_kernels()


def test_a_calibration_is_kept_for_this_machine(own: Path, made: Calibration) -> None:
    assert own_calibration() is None
    assert set(made.curves) == {"convolution/fp32/nchw", "addmm/fp32"}
    assert len(made.curves["convolution/fp32/nchw"].points) == 8  # of 4 shapes: forward and backward share a curve
    assert made.pace_ms > 0
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


def law(rate: float) -> Curve:
    return Curve(((0.0,) * 2,), (0.0,), log(2.0), 1.0, 0.1, rate, 1e9)


def test_a_calibrated_machine_adds_its_overhead_to_curves_and_falls_back_to_similar_ones() -> None:
    """With curves that say: twice the roofline's time, and half more in a network."""
    shapes = {"convolution": 8, "addmm": 4, "add": 2}
    curves = {f"{name}/fp32": replace(law(1e9), points=((0.0,) * size,)) for name, size in shapes.items()}
    overhead = {"forward": 1.0, "training": 2.0, "backward": 3.0, "parameter": 4.0, "step": 100.0}
    calibration = Calibration(Machine("a CPU", "cpu", 1, "2"), curves, overhead, {"fp32": 1.5}, {}, 1.0, 1.0, "2026-01-01")
    kernels = execute(archspec.load("lenet").graph, Setting(4, optimizer=Optimizer("sgd", 0.9))).kernels
    found = predict(kernels, CalibratedModel(calibration), Circumstances("fp32", False, True))
    mean = exp(0.1**2 / 2)  # of a factor whose logarithm deviates by 0.1
    work = mean * 1.5 * sum(2 * (k.macs / 1e9 + (k.read_bytes + k.written_bytes) / 1e9 + 1e-9) for k in kernels)
    calls = sum({"forward": 2e-6, "backward": 3e-6, "optimizer": 10 * 4e-6}[k.direction] for k in kernels
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
        *passes(Place(CPU, precision), 1 << 12), *attentions(Place(CPU, precision)))}
    sizes = {"convolution": 8, "addmm": 4, "attention": 4}
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
