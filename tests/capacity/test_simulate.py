"""A step of many passes, from a simulation of two."""

from __future__ import annotations

from dataclasses import replace

import pytest

import archspec
from archspec.capacity import WORK, of_passes, predicted_time
from archspec.capacity.options import options_for
from archspec.capacity.simulate import Simulated
from archspec.devices import find_device
from archspec.devices.models import CpuSheetModel, SheetModel
from archspec.execution import Optimizer, Setting, execute
from archspec.execution.network import Network

PLAIN = Setting(batch_size=3)
ADAM = Setting(batch_size=5, precision="bf16", target="cuda", optimizer=Optimizer("adam"), ema=True)
NHWC = Setting(batch_size=2, channels_last=True, recompute=frozenset({"body"}))
SPEC = """\
archspec: 1
input: [3, 16, 16]
stages:
  stem: [conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, batch_norm2d, relu, max_pool2d: 2]
  body: [residual: 8, residual: [16, 2]]
  head: [global_avg_pool2d, flatten, dropout, linear: 10]
"""


@pytest.mark.parametrize("passes", [1, 2, 3, 7])
@pytest.mark.parametrize("setting", [PLAIN, ADAM, NHWC], ids=["plain", "adam", "nhwc"])
def test_a_step_of_many_passes_is_that_of_two_and_more_of_the_second(setting: Setting, passes: int) -> None:
    graph = archspec.load(SPEC).graph
    two = execute(graph, replace(setting, accumulate=min(passes, 2)))
    assert of_passes(two, passes) == execute(graph, replace(setting, accumulate=passes))


def test_a_step_in_which_nothing_learns_has_equal_passes() -> None:
    graph = archspec.load("archspec: 1\ninput: [6]\nstages: {a: [linear: 4, relu]}\n").graph
    setting = Setting(batch_size=3, frozen=frozenset({"a.linear_1.weight", "a.linear_1.bias"}))
    two, five = (execute(graph, replace(setting, accumulate=passes)) for passes in (2, 5))
    assert not any(kernel.direction == "backward" for kernel in five.kernels)
    assert of_passes(two, 5) == five


@pytest.mark.parametrize("passes", [1, 2, 3, 16])
@pytest.mark.parametrize("device", ["h100", "xeon-8480"])
@pytest.mark.parametrize("setting", [PLAIN, ADAM, NHWC], ids=["plain", "adam", "nhwc"])
def test_memory_and_price_of_many_passes_are_those_of_the_whole_step(setting: Setting, device: str, passes: int) -> None:
    graph, chosen = archspec.load(SPEC).graph, find_device(device)
    setting = replace(setting, target=chosen.target)
    whole = execute(graph, replace(setting, accumulate=passes))
    found = Simulated(graph, setting).run(accumulate=passes)
    assert (found.peak_bytes, found.input_bytes) == (whole.peak_bytes, whole.input_bytes)
    assert max(found.timeline) == max(whole.timeline)
    model = SheetModel(chosen) if chosen.kind == "gpu" else CpuSheetModel(chosen)
    for price in (WORK, predicted_time(model)):
        assert price.of(found) == pytest.approx(price.of_passes(whole))


def test_the_changes_of_a_network_share_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    init = Network.__init__
    monkeypatch.setattr(Network, "__init__", lambda self, graph: made.append(1) or init(self, graph))
    setting = Setting(batch_size=64, optimizer=Optimizer("adam"))
    found = options_for(archspec.load(SPEC).graph, setting, 4 << 20, WORK)
    assert {option.kind for option in found} >= {"accumulate", "optimizer", "freeze"}
    assert made == [1]
