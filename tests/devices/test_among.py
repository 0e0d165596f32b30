"""Which data of a pass are in the caches, and how much longer its kernels take than alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import archspec
from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.calibrate.passes import passes
from archspec.calibrate.products import linears
from archspec.calibrate.regression import Point, fit_curve
from archspec.calibrate.sample import Place, in_caches
from archspec.devices.calibration import Calibration, Machine
from archspec.devices.gpu import Circumstances
from archspec.devices.models import CalibratedModel
from archspec.execution import Setting, execute
from tests.calibrate.made import few_kernels

CPU = torch.device("cpu")


def test_data_are_hot_where_a_pass_keeps_less_than_the_caches_hold() -> None:
    """So that the weights of a small network come from the caches, and those of a large one from memory."""
    place, curves = Place(CPU, "fp32"), {}
    layers = [*linears(place, 2, 1e6), *in_caches(linears(place, 2, 1e6), place)]
    points = [Point(s.work, 1e-4 if s.work.hot else 2e-4) for s in layers]
    curves["addmm/fp32"] = fit_curve(points, 1e12, 1e12)
    for samples, seconds in ((passes(place, 1 << 12), 2e-4), (in_caches(passes(place, 1 << 12), place), 1e-4)):
        updates = [s for s in samples if s.name == "sgd"]
        curves[updates[0].curve] = fit_curve([Point(s.work, seconds) for s in updates], 1e12, 1e12)
    kernels = execute(archspec.load("lenet").graph, Setting(2)).kernels
    circumstances, times = Circumstances("fp32", False, True), {}
    kept = sum(kernel.written_bytes for kernel in kernels if kernel.direction == "forward")
    kept += sum(kernel.read_bytes for kernel in kernels if kernel.direction == "optimizer")
    for nbytes in (kept // 4, kept, 1 << 30):
        model = CalibratedModel(Calibration(
            Machine("a CPU", "cpu", 1, "2"), curves, {}, {"fp32": 1000.0}, 1000.0, 1.0, "2026-01-01", cache_bytes=nbytes))
        found = model.times(kernels, circumstances)
        times[nbytes] = {
            name: sum(t.seconds for kernel, t in zip(kernels, found, strict=True) if kernel.name in names)
            for name, names in (("products", ("addmm", "mm")), ("update", ("sgd",)))
        }
        # What calls cost is what is left of a pass beside just these times.
        assert model.known_seconds(kernels, circumstances) == pytest.approx(sum(time.seconds for time in found))
    far, between, near = times.values()
    assert near["update"] == pytest.approx(far["update"] / 2)
    for name in far:
        assert near[name] < 0.7 * far[name]
        assert between[name] == pytest.approx((near[name] * far[name]) ** 0.5, rel=0.05)


def test_in_evaluation_only_weights_are_as_far_back_as_the_last_pass() -> None:
    """Ten layers write where those before them have read, and each has weights of its own."""
    place, curves = Place(CPU, "fp32"), {}
    layers = [*linears(place, 2, 1e6), *in_caches(linears(place, 2, 1e6), place)]
    curves["addmm/fp32"] = fit_curve([Point(s.work, 1e-4 if s.work.hot else 2e-4) for s in layers], 1e12, 1e12)
    for samples, seconds in ((passes(place, 1 << 12), 2e-4), (in_caches(passes(place, 1 << 12), place), 1e-4)):
        relus = [s for s in samples if s.name == "relu"]
        curves[relus[0].curve] = fit_curve([Point(s.work, seconds) for s in relus], 1e12, 1e12)
    network = {"archspec": 1, "input": [256], "stages": {"a": [{"repeat": 10, "sequential": [{"linear": 256}, "relu"]}]}}
    found = resources(archspec.load(network).graph, Setting(2))
    used = max(kernel.read_bytes + kernel.written_bytes for kernel in found.inference.kernels)
    times = {}
    for nbytes in (0, 2 * used, 100 * used):
        model = CalibratedModel(Calibration(
            Machine("a CPU", "cpu", 1, "2"), curves, {}, {"fp32": 1000.0}, 1000.0, 1.0, "2026-01-01", cache_bytes=nbytes))
        predicted = predict_times(found, model)
        assert predicted.step is not None
        for key, each in (("forward", predicted.forward), ("step", predicted.step)):
            for name in ("addmm", "relu"):
                times[nbytes, key, name] = sum(
                    time.seconds for kernel, time in zip(each.ran, each.kernels, strict=True) if kernel.name == name)
    cold, some, hot = ({case[1:]: seconds for case, seconds in times.items() if case[0] == n} for n in (0, 2 * used, 100 * used))
    changed = {case for case in cold if some[case] != pytest.approx(cold[case])}
    assert changed == {("forward", "relu")}
    assert some["forward", "relu"] == pytest.approx(hot["forward", "relu"])
    assert all(hot[case] < 0.7 * cold[case] for case in cold)


def test_only_a_forward_pass_in_the_caches_has_a_factor() -> None:
    """LeNet takes about 300 KB."""
    found, made = resources(archspec.load("lenet").graph, Setting(2)), replace(few_kernels(), factors={})
    for cache, of_forward in ((1 << 30, 3.0), (1 << 10, 1.0)):
        at_hand = replace(made, cache_bytes=cache)
        plain = predict_times(found, CalibratedModel(at_hand))
        times = predict_times(found, CalibratedModel(replace(at_hand, factors={"fp32": 3.0})))
        assert plain.step is not None and times.step is not None
        assert times.forward.milliseconds == pytest.approx(of_forward * plain.forward.milliseconds)
        assert times.step.milliseconds == pytest.approx(plain.step.milliseconds)


def test_kernels_whose_data_are_in_the_caches_have_the_curve_of_the_same_or_a_similar_kind() -> None:
    """Of an evaluation's norm, not that of training; of a ReLU6 that of ReLU."""
    names = ("batch_norm", "batch_norm_hot", "batch_norm_evaluation", "batch_norm_evaluation_hot", "relu", "relu_hot", "add", "add_hot", "addmm")
    curves = {
        f"{name}/fp32": replace(next(iter(few_kernels().curves.values())), points=((0.0,) * size,), weights=(0.0,))
        for name in names for size in [5 if name == "addmm" else 3 if "norm" in name else 2]
    }
    spec = {"archspec": 1, "input": [8, 4, 4], "stages": {"a": ["batch_norm2d", "relu6", "flatten", {"linear": 2}]}}
    found = resources(archspec.load(spec).graph, Setting(2))
    for cache, suffix in ((1 << 30, "_hot"), (1, "")):
        times = predict_times(found, CalibratedModel(replace(few_kernels(), curves=curves, cache_bytes=cache)))
        assert times.step is not None
        for each, norm in ((times.forward, "batch_norm_evaluation"), (times.step, "batch_norm")):
            chosen = {kernel.name: time.curve for kernel, time in zip(each.ran, each.kernels, strict=True) if kernel.direction == "forward"}
            assert (chosen["batch_norm"], chosen["relu6"]) == (f"{norm}{suffix}/fp32", f"relu{suffix}/fp32")
