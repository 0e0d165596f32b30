"""The benchmarks compare like with like, and take turns as they say."""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.backends.torch import build
from archspec.devices import find_device
from archspec.devices.gpu import Circumstances
from archspec.execution import Optimizer, Setting, execute

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> object:
    """Import a module of benchmarks/, as its scripts do."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def module(name: str) -> ModuleType:
        for path in FOLDER.glob("*.py"):  # another `common` must not answer
            monkeypatch.delitem(sys.modules, path.stem, raising=False)
        return importlib.import_module(name)

    return module


@pytest.mark.parametrize("name", ["lenet", "googlenet", "resnet18"])
def test_the_hand_written_network_is_the_spec_s(load, name: str) -> None:
    forward, networks = load("forward"), importlib.import_module("networks")
    loaded = archspec.load(forward.SPECS.get(name, name))
    ours, by_hand = archspec.build(loaded), getattr(networks, name)()
    forward.copy_weights(ours, by_hand)
    images = torch.randn(2, *loaded.report.input_shape)
    torch.testing.assert_close(ours.eval()(images), by_hand.eval()(images))


def test_contestants_take_turns_and_a_first_round_is_left_out(load) -> None:
    order: list[str] = []
    ticks = iter(range(100))
    times = load("common").alternate(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3, calls=2, clock=lambda: float(next(ticks))
    )
    assert "".join(order) == "aabb" + "bbaa" + "aabb" + "bbaa"
    assert {name: sample.values for name, sample in times.items()} == {"a": (0.5,) * 3, "b": (0.5,) * 3}


def test_ratios_are_taken_within_each_round(load) -> None:
    sample = load("common").Sample
    ratio = sample((2.0, 40.0, 6.0)).over(sample((1.0, 10.0, 3.0)))
    assert ratio.values == (2.0, 4.0, 2.0)
    assert ratio.median == 2.0
    assert ratio.text(digits=2) == "2.00 (2.00–3.60)"


def test_the_analysis_counts_the_same_network(load) -> None:
    contestants = load("analysis").contestants("resnet18")
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build(archspec.load("resnet18").graph)(torch.empty(1, 1, 224, 224))
    assert 2 * contestants["archspec"]() == counter.get_total_flops()
    times = contestants["archspec, memory and time"]()
    assert 0 < times["predicted_forward_ms"] < times["predicted_step_ms"]
    contestants["FlopCounterMode"]()
    contestants["MemTracker"]()


def test_the_doctor_s_benchmark_trains_the_same_network_with_it_and_without(load) -> None:
    """The one turn has its looks, and but for that is the other."""
    overhead = load("doctor_overhead")
    loaded, doctor, runs = archspec.load("lenet"), overhead.Doctor(), {}
    for doctors in ([doctor], []):
        turn = overhead.contestant(loaded, torch.device("cpu"), doctors, data="digits", batch_size=16)
        turn()
        runs[len(doctors)] = turn()
    assert runs[0].state.step == runs[1].state.step == 2 * overhead.EVERY
    assert [sample.step for sample in doctor._history.samples] == [1, 2, 4, 8, 16, 32, 50, 100]
    weights = (run.state.model.state_dict().values() for run in runs.values())
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def cuda_check(load, tmp_path, *parts):
    """`cuda_check.py` over parts of one's own; its JSON and its log."""
    module = load("cuda_check")
    module.PATIENCE_S = 0.5
    check = module.Check(tmp_path, tmp_path)
    check.parts = [module.Part(name, [sys.executable, "-c", code], limit) for name, code, limit in parts]
    for part in check.parts:
        check.run(part)
    check.log.close()
    return json.loads((tmp_path / "cuda_check.json").read_text()), (tmp_path / "cuda_check.log").read_text()


NOTES = "import os, json; open(os.environ['ARCHSPEC_CHECK_RECORDS'], 'a').write(json.dumps({'test': 'a::b', 'outcome': 'passed'}) + '\\n')"


def test_a_part_that_hangs_loses_only_itself(load, tmp_path: Path) -> None:
    """And the processes that it has started end with it; what it has noted is kept."""
    child = "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    hangs = f"{NOTES}\n{child}\nprint('child', p.pid, flush=True)\ntime.sleep(60)"
    found, log = cuda_check(load, tmp_path, ("hangs", hangs, 4), ("fails", "raise SystemExit(3)", 20), ("passes", NOTES, 20))
    assert [(part["name"], part["outcome"], part["exit_code"]) for part in found["parts"]] == [
        ("hangs", "timeout", None), ("fails", "failed", 3), ("passes", "passed", 0),
    ]
    assert found["parts"][0]["records"] == found["parts"][2]["records"] == [{"test": "a::b", "outcome": "passed"}]
    assert found["tests"] == {"passed": 2}
    assert {"archspec", "torch", "python"} <= found["versions"].keys()
    pid = int(log.partition("child ")[2].split()[0])
    with pytest.raises(ProcessLookupError):
        for _ in range(100):  # until it is reaped
            os.kill(pid, 0)
            time.sleep(0.05)


def test_what_no_time_is_left_for_is_left_out(load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("cuda_check")
    monkeypatch.setattr(module, "TOTAL_S", 1.0)
    check = module.Check(tmp_path, tmp_path)
    part = module.Part("late", [sys.executable, "-c", ""], 60)
    check.parts = [part]
    check.run(part)
    check.log.close()
    assert (part.outcome, part.exit_code) == ("left out", None)


def test_there_is_a_part_for_each_file_of_tests_cuda_and_none_runs_beyond_8_minutes(load) -> None:
    module = load("cuda_check")
    files = {path.stem.removeprefix("test_") for path in (FOLDER.parent / "tests" / "cuda").glob("test_*.py")}
    assert {part.name for part in module.test_parts()} == files
    assert set(module.ALONE) <= files
    assert module.TOTAL_S + 2 * module.PATIENCE_S <= 480
    for part in module.throughput_parts():
        assert f'"{part.command[2]}": ' in (FOLDER / "train_throughput.py").read_text()


def test_without_a_gpu_one_test_says_so_and_nothing_else_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in [name for name in sys.modules if name.startswith("tests.cuda.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delenv("ARCHSPEC_CHECK_DEVICE", raising=False)
    conftest = importlib.import_module("tests.cuda.conftest")
    files = {path.name for path in (FOLDER.parent / "tests" / "cuda").glob("test_*.py")}
    assert files - set(conftest.collect_ignore) == {"test_machine.py"}
    with pytest.raises(pytest.skip.Exception, match="no GPU"):
        importlib.import_module("tests.cuda.test_machine").test_the_gpu(None)


def test_all_tests_for_a_gpu_can_be_rehearsed_without_one() -> None:
    """All of them import."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", "tests/cuda"],
        env={**os.environ, "ARCHSPEC_CHECK_DEVICE": "cpu", "PYTEST_ADDOPTS": ""}, cwd=FOLDER.parent, capture_output=True, text=True,
        timeout=120, check=False,
    )
    assert done.returncode == 0, done.stdout
    for path in (FOLDER.parent / "tests" / "cuda").glob("test_*.py"):
        assert f"tests/cuda/{path.name}::" in done.stdout


def test_late_steps_runs_one_network_with_subnormal_numbers_and_one_without(load, monkeypatch: pytest.MonkeyPatch) -> None:
    late = load("late_steps")
    monkeypatch.setattr(late, "TURNS", 10)
    monkeypatch.setattr(late, "IMAGES", 64)
    monkeypatch.setattr(late, "COMMON", {"data": "digits", "batch_size": 16})
    options = argparse.Namespace(network="lenet", precision="fp32", steps=10)
    rows = late.compare("adamw-ema", options)
    assert [row[:2] for row in rows] == [["adamw-ema", "zero"], ["adamw-ema", "kept"]]
    assert all(len(row) == 9 for row in rows)


def test_scale_validates_specs_that_differ_and_loads_networks_of_100_000_ops(load, tmp_path: Path) -> None:
    scale = load("scale")
    scale.write_specs(tmp_path, 3)
    assert {archspec.load(path).report.output_shape for path in tmp_path.iterdir()} == {(2,), (3,), (4,)}
    assert scale.validate(tmp_path) > 0
    assert scale.load(scale.LARGE["a repeat in a repeat"]) > 0


def test_population_varies_lenet_relu(load) -> None:
    assert load("population").variants(3) == 3


def test_the_fit_times_passes_as_the_package_does(load) -> None:
    """In arrays, with parameters unlike the fitted ones."""
    fit, networks = load("fit_devices"), ("lenet", "zoo/mobilenet_v3_small")
    rows = []
    for network, precision, nhwc, training, device in itertools.product(
        networks, ("fp32", "bf16"), (False, True), (False, True), ("h200", "rtx3090")
    ):
        setting = Setting(8, training=training, precision=precision, channels_last=nhwc, target="cuda",
                          optimizer=Optimizer("sgd", 0.9))
        kernels = execute(archspec.load(network).graph, setting).kernels
        rows.append(fit.Row(network, "", find_device(device), Circumstances(precision, nhwc, training), kernels, 1.0, 8))
    guess = {name: value for name, (value, _) in fit.PRIOR.items()} | fit.FIXED
    for factor in (1.0, 1.3):
        fit.check(rows, {name: value * factor for name, value in guess.items()})


def test_the_fit_finds_the_parameters_that_made_the_times(load) -> None:
    """Times of a model with a slower memory and a faster host: what they decide is found, and predicted well."""
    fit = load("fit_devices")
    guess = {name: value for name, (value, _) in fit.PRIOR.items()} | fit.FIXED
    true = {**guess, "memory": 0.5, "host.forward_us": 12.0}
    rows = []
    for network, batch in (("lenet", 8), ("vgg11", 32), ("resnet18", 64)):
        setting = Setting(batch, precision="tf32", target="cuda")
        kernels = execute(archspec.load(network).graph, setting).kernels
        row = fit.Row(network, "", find_device("h200"), Circumstances("tf32", False, True), kernels, 1.0, batch)
        seconds = fit.KernelArrays([(row.device, row.circumstances, kernels)]).seconds(true)[0]
        rows.append(row._replace(milliseconds=1000 * seconds))
    problem = fit.Fit(rows, guess, {"memory": 10.0, "host.forward_us": 10.0})  # priors that say nothing
    found = problem.fit(guess)
    assert found["memory"] == pytest.approx(0.5, rel=0.02)
    assert found["host.forward_us"] == pytest.approx(12, rel=0.02)
    assert abs(problem.left_out(guess)).max() < 0.2
