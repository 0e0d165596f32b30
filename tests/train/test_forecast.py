"""What `archspec train` says beforehand of time and memory, and afterwards of both beside the measured time."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch

import archspec
from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.devices.known import sheet_of
from archspec.devices.predict import Prediction
from archspec.train.fitting import training_setting
from archspec.train.forecast import Forecast, forecast, model_of
from archspec.train.setup import Machine, prepare
from archspec.train.summary import EpochResult, Summary
from tests.calibrate.made import few_kernels
from tests.cli.conftest import Cli, cli

__all__ = ["cli"]

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 8, relu, linear: 10]}
train: {data: digits, lr: 0.1, batch_size: 100, epochs: 2}
"""


def epoch(number: int, images_per_s: float) -> EpochResult:
    return EpochResult(number, 1.0, 0.5, 1.0, 0.5, images_per_s, 1.0)


def test_the_first_epoch_warms_up_and_does_not_count() -> None:
    step = Prediction("a CPU", 10.0, 8.0, 12.5, "compute", {}, (), ())
    found = Forecast(step, 60.0, 30, 3 << 20, 128)
    assert found.text == (
        "predicted on a CPU: 10.0 ms a step (8.00 to 12.5), bound by compute; 60 s an epoch, 30 min in all; "
        "a step needs 3.00 MiB"
    )
    summary = Summary((epoch(1, 100.0), epoch(2, 10_240.0), epoch(3, 10_240.0)))
    assert found.measured_ms(summary) == pytest.approx(12.5)
    assert found.outcome(summary) == "a step took 12.5 ms with loading of data; predicted 10.0 ms (−20 %)"
    assert found.to_json(summary)["measured_step_ms"] == pytest.approx(12.5)


def test_a_step_is_an_update_of_several_passes(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("archspec.devices.calibration.cache_folder", lambda: tmp_path / "cache")
    costs = {"step": 5e6}
    replace(few_kernels(), host_us=costs).save()
    (tmp_path / "tiny.yaml").write_text(SPEC)
    arguments = ("train", "tiny.yaml", "--limit-train", "200", "--limit-test", "100", "--accumulate", "2", "--json")
    data = json.loads(cli(*arguments).out)
    speeds = [epoch["images_per_s"] for epoch in data["epochs"]]
    assert data["predicted"]["measured_step_ms"] == pytest.approx(1000 * 200 / speeds[1])  # two passes of 100 images
    assert data["predicted"]["total_s"] == pytest.approx(10, rel=0.02)  # a step of five seconds an epoch


def test_a_large_accumulation_takes_the_simulation_of_two_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("archspec.devices.calibration.cache_folder", lambda: tmp_path)
    few_kernels().save()
    loaded = archspec.load(SPEC)
    machine = Machine(torch.device("cpu"))
    with closing(prepare(loaded.graph, loaded.recipe().model_copy(update={"accumulate": 13}), machine)) as task:
        whole = resources(loaded.graph, training_setting(loaded.graph, task.recipe, machine))
        passes = []
        running = import_module("archspec.execution.execute")._Running
        loss = running._loss
        monkeypatch.setattr(running, "_loss", lambda *args: passes.append(1) or loss(*args))
        found = forecast(loaded.graph, task)
    model = model_of(machine.device)
    assert found is not None and found.step is not None and whole.training is not None and model is not None
    assert len(passes) == 2
    assert found.peak_bytes == whole.training.peak_bytes
    assert found.step == predict_times(whole, model).step


@pytest.mark.parametrize(("name", "key"), [
    ("NVIDIA H200", "h200"), ("NVIDIA A100-SXM4-80GB", "a100"), ("NVIDIA L4", "l4"), ("NVIDIA L40S", "l40s"),
    ("Tesla T4", "t4"), ("NVIDIA GeForce RTX 3090", "rtx3090"), ("NVIDIA GeForce RTX 3090 Ti", None),
    ("NVIDIA GeForce RTX 4090 Laptop GPU", None), ("NVIDIA L40", None), ("AMD Instinct MI300X", None),
    ("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA GeForce GTX 1650", "gtx1650"), ("Tesla V100-SXM2-32GB", "v100"),
])
def test_a_gpu_is_known_by_the_name_that_its_driver_gives(name: str, key: str | None) -> None:
    found = sheet_of(name)
    assert (found and found.key) == key


def test_a_run_on_a_calibrated_machine_says_what_it_takes(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("archspec.devices.calibration.cache_folder", lambda: tmp_path / "cache")
    (tmp_path / "tiny.yaml").write_text(SPEC)
    arguments = ("train", "tiny.yaml", "--limit-train", "200", "--limit-test", "100")
    done = cli(*arguments)
    assert "predicted on" not in done.err + done.out
    assert re.match(r"a step needs [\d.]+ [KM]iB; after `archspec calibrate` its time is predicted too\n", done.err)
    data = json.loads(cli(*arguments, "--json").out)["predicted"]
    assert (data["step"], data["total_s"]) == (None, None) and data["peak_bytes"] > 0
    made = few_kernels()
    costs = {"step": 5e6}
    replace(made, host_us=costs).save()  # next to no time for the kernels
    done = cli(*arguments)
    assert "an epoch, 20 s in all" in done.err  # two steps of five seconds an epoch
    assert "a step took " in done.out and "predicted 5,0" in done.out
    data = json.loads(cli(*arguments, "--json").out)["predicted"]
    assert data["step"]["ms"] == pytest.approx(5000, rel=0.01)
    assert data["total_s"] == pytest.approx(20, rel=0.02)
    assert data["measured_step_ms"] > 0
    assert data["peak_bytes"] > 0
