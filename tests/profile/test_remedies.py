"""Other settings, tried on the same network: which ones, and what is said of their saving."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from archspec.profile import remedies
from archspec.profile.layer_profile import Trial
from archspec.profile.remedies import candidates, try_remedies
from archspec.profile.timeline import HostWatch
from archspec.profile.timing import Until
from archspec.profile.workload import Workload, setting
from archspec.train.step.precision import Settings
from tests.fake_cuda import CUDA, fake_cuda
from tests.profile.helpers import SteadyClock, spec, tiny

CPU = torch.device("cpu")
POOLED = {"body": [{"conv2d": {"out_channels": 4, "kernel_size": 3, "padding": 1}}, {"avg_pool2d": 2}, "flatten", {"linear": 10}]}


def names(loaded, settings=None, dtype="float32"):
    return [name for name, *_ in candidates(setting(loaded.graph, 2, dtype, CPU, settings))]


def test_what_is_tried():
    assert names(spec(head=["flatten", {"linear": 10}])) == ["channels-last", "bf16"]
    assert names(spec(input=(8,), head=[{"linear": 10}])) == ["bf16"]  # no images, no layout
    assert names(spec(**POOLED)) == ["channels-last", "own-kernels", "bf16"]
    assert names(spec(**POOLED), Settings("bf16", channels_last=True, own_kernels=True)) == []
    assert names(tiny(), dtype="bfloat16") == ["channels-last"]
    with fake_cuda():
        assert [name for name, *_ in candidates(setting(tiny().graph, 2, "float32", CUDA))] == ["channels-last", "bf16"]
        plain = setting(tiny().graph, 2, "float32", CUDA, Settings("fp32"))
        assert [name for name, *_ in candidates(plain)] == ["channels-last", "tf32", "bf16"]


@pytest.fixture
def speeds(monkeypatch):
    """Seconds of a step by settings, instead of what steps take. A network in bf16 takes 0.6 s, say."""
    now = [0.0]
    seconds: dict[str, float] = {}

    def run(workload, *_):
        chosen = workload._settings
        key = "+".join(filter(None, [chosen.precision, "nhwc" * chosen.channels_last, "own" * chosen.own_kernels]))
        now[0] += seconds[key]

    monkeypatch.setattr(Workload, "step", run)
    return seconds, HostWatch(lambda: now[0])


def test_the_saving_is_measured_and_what_helps_is_combined(speeds):
    seconds, watch = speeds
    seconds |= {"fp32": 1.0, "fp32+nhwc": 0.82, "fp32+own": 1.1, "bf16": 0.6, "bf16+nhwc": 0.4}
    found = try_remedies(setting(spec(**POOLED).graph, 2, "float32", CPU), watch, until=Until(4), clock=SteadyClock(1))
    assert {trial.name: round(trial.saving, 6) for trial in found} == {
        "channels-last": 0.18, "own-kernels": -0.1, "bf16": 0.4, "channels-last + bf16": 0.6,
    }
    assert {trial.name for trial in found if trial.helps} == {"channels-last", "bf16", "channels-last + bf16"}


def test_a_saving_that_is_not_steady_is_noise(speeds, monkeypatch):
    seconds, watch = speeds
    seconds |= {"fp32": 1.0, "fp32+nhwc": 1.0, "bf16": 1.0}
    savings = iter([[0.5, -0.5, 0.4, -0.1, 0.3], [0.01] * 5])
    monkeypatch.setattr(remedies, "_savings", lambda *_: next(savings))
    loaded = spec(head=["flatten", {"linear": 10}])
    found = try_remedies(setting(loaded.graph, 2, "float32", CPU), watch)
    assert [(trial.saving, trial.helps) for trial in found] == [(0.3, False), (0.01, False)]


def test_what_runs_out_of_memory_is_said(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(remedies, "_savings", full)
    found = try_remedies(setting(tiny().graph, 2, "float32", CPU), HostWatch(SteadyClock(1)))
    assert found == tuple(Trial(name, problem="it runs out of memory") for name in ("channels-last", "bf16"))


def test_trials_run_what_they_say():
    """On the real network: each setting computes in its own layout and precision."""
    chosen = setting(spec(**POOLED).graph, 2, "float32", CPU)
    for name, key, value in candidates(chosen):
        workload = Workload(replace(chosen, settings=replace(chosen.settings, **{key: value})))
        seen = {}
        hook = workload.model.get_submodule("body.conv2d_1").register_forward_hook(lambda m, x, y: seen.update(y=y))  # noqa: B023
        workload.step()
        hook.remove()
        assert (seen["y"].dtype is torch.bfloat16) == (name == "bf16")
        assert seen["y"].is_contiguous(memory_format=torch.channels_last) == (name == "channels-last")
    found = try_remedies(chosen, HostWatch(SteadyClock(1)), until=Until(1), clock=SteadyClock(1))
    assert [trial.name for trial in found] == ["channels-last", "own-kernels", "bf16"]
    assert all(trial.saving == 0 and not trial.helps for trial in found)
