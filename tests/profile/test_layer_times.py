"""The time of every layer: to which layer an interval belongs, that all of them add up, on a clock that the test drives."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

import archspec
from archspec.backends.torch import build
from archspec.profile.breakdown import PassTimes, faster_half, summed_up
from archspec.profile.layer_hooks import timed_layers
from archspec.profile.layers import layer_times
from archspec.profile.timeline import BACKWARD, FORWARD, MEASURING, OTHER, HostWatch, Part, Timeline, watch_of
from archspec.profile.timing import Until
from archspec.profile.workload import Workload, setting
from tests.fake_cuda import CUDA, fake_cuda
from tests.profile.helpers import SteadyClock, spec, tiny
from tests.profile.test_shared_scopes import TEXT
from tests.profile.test_trace import hooks

CPU = torch.device("cpu")
TWICE = Until(2)


def work(loaded, batch_size=2):
    return Workload(setting(loaded.graph, batch_size, "float32", CPU))


class WorkClock:
    """Stands still, unless a module works: then `spend` moves it."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def spend(self, model, path, forward, backward):
        """The forward pass of the layer takes `forward` seconds, its backward pass `backward`."""
        module = model.get_submodule(path)
        plain = module.forward

        class Slow(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                self.now += forward
                return x.clone()

            @staticmethod
            def backward(ctx, gradient):
                self.now += backward
                return gradient

        module.forward = lambda *inputs: Slow.apply(plain(*inputs))


def test_each_layer_gets_its_own_time():
    workload, clock = work(tiny()), WorkClock()
    spent = {"stem.conv2d_1": (1.0, 2.0), "mix.left.conv2d_1": (0.5, 0.25), "mix.concat": (0.0, 3.0), "head.linear_1": (4.0, 8.0)}
    for path, (forward, backward) in spent.items():
        clock.spend(workload.model, path, forward, backward)
    found = layer_times(workload, HostWatch(clock), until=TWICE, clock=SteadyClock(1))["step"]
    forward, backward = found.layers("forward"), found.layers("backward")
    for path in forward:
        expected = tuple(1000 * seconds for seconds in spent.get(path, (0, 0)))
        assert (forward[path], backward.get(path, 0)) == pytest.approx(expected), path
    assert found.between("forward") == found.between("backward") == found.of("measuring") == found.of("loss") == 0
    assert found.total_ms == pytest.approx(found.plain_ms) == pytest.approx(18_750)
    assert found.cost_of_measuring == pytest.approx(0)


@pytest.mark.parametrize("network", [
    pytest.param(tiny, id="tiny"), pytest.param(lambda: archspec.load(TEXT), id="shared-weights"),
    pytest.param(lambda: spec(pool={"max_pool2d": 2}), id="without-training"),
])
def test_the_parts_add_up_and_every_layer_has_one(network):
    """A clock that ticks at each look: every interval between two looks is one tick, and belongs to one part."""
    loaded, ticks = network(), SteadyClock(0.001)
    looks = []

    def clock():
        looks.append(1)
        return ticks()

    for name, found in layer_times(work(loaded), HostWatch(clock), until=Until(1), clock=SteadyClock(1)).items():
        assert set(found.layers("forward")) == {layer.path for layer in loaded.report.layers()}, name
        assert found.total_ms == pytest.approx(sum(found.parts.values()))
        assert found.total_ms == pytest.approx(round(found.total_ms))  # whole ticks, none lost
        everything = sum(found.of(kind) for kind in ("forward", "backward", "loss", "optimizer", "other", "measuring"))
        assert everything == pytest.approx(found.total_ms)
        assert found.cost_of_measuring == pytest.approx(found.total_ms - 1)  # the plain pass is one tick
        assert found.of("measuring") == pytest.approx(2 * len(found.layers("forward")))
    assert looks


def test_shared_weights_are_timed_where_they_run():
    """Each run of shared weights has its own backward time, under its own path."""
    loaded = archspec.load(TEXT)
    workload, clock = work(loaded), WorkClock()
    clock.spend(workload.model, "tower.conv2d_1", 1.0, 2.0)
    clock.spend(workload.model, "head.linear_1.0", 4.0, 8.0)
    found = layer_times(workload, HostWatch(clock), until=TWICE, clock=SteadyClock(1))["step"]
    slow = {path: (ms, found.layers("backward")[path]) for path, ms in found.layers("forward").items() if ms}
    assert slow == {
        **dict.fromkeys(["tower.conv2d_1", "twin.conv2d_1", "small.conv2d_1"], (1000, 2000)),
        **dict.fromkeys(["head.linear_1.0", "head.linear_1.1", "head.linear_1.2"], (4000, 8000)),
    }


def test_loss_and_optimizer_have_parts():
    workload, clock = work(tiny()), WorkClock()
    plain = workload.optimizer.step

    def slow():
        clock.now += 5
        plain()

    workload.optimizer.step = slow
    found = layer_times(workload, HostWatch(clock), until=TWICE, clock=SteadyClock(1))["step"]
    assert found.of("optimizer") == found.total_ms == 5000


def test_hooks_are_removed_and_results_stay():
    model = build(tiny().graph).eval()
    x = torch.randn(2, 1, 8, 8)
    before = model(x)
    timeline = Timeline(HostWatch(SteadyClock(1)))
    with timed_layers(model, timeline):
        assert hooks(model)
        assert torch.equal(model(x), before)
    assert hooks(model) == []
    gradients = []
    for timed in (False, True):
        model.zero_grad()
        if timed:
            with timed_layers(model, timeline):
                model(x).sum().backward()
        else:
            model(x).sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_a_layer_that_works_in_place_keeps_its_backward():
    """Its output is its input, so the node before it must be looked up before it runs."""
    model = build(spec(body=[{"conv2d": {"out_channels": 2, "kernel_size": 3}}, "relu"]).graph)
    model.get_submodule("body.relu_1").inplace = True
    ticks = Timeline(HostWatch(SteadyClock(1)))
    with timed_layers(model, ticks):
        ticks.switch(FORWARD)
        y = model(torch.randn(1, 1, 8, 8))
        ticks.switch(BACKWARD)
        y.sum().backward()
    found = ticks.finish()
    assert found[Part("backward", "body.relu_1")] == found[Part("backward", "body.conv2d_1")] == 1


def test_a_forward_that_raises_leaves_no_layer_open():
    model = nn.Sequential(build(tiny().graph))
    timeline = Timeline(HostWatch(SteadyClock(1)))
    with pytest.raises(RuntimeError), timed_layers(model, timeline):
        model(torch.randn(1, 5, 8, 8))
    assert hooks(model) == []
    timeline.finish()
    assert timeline.finish() == {}


# -- the timeline ------------------------------------------------------------------------------------------------


def test_time_belongs_to_the_last_part_switched_to():
    timeline = Timeline(HostWatch(SteadyClock(1)))
    timeline.switch(FORWARD)
    with timeline.scope(Part("loss")):
        timeline.switch(MEASURING)
        timeline.switch(FORWARD)
    assert timeline.finish() == {FORWARD: 2, Part("loss"): 1, MEASURING: 1, OTHER: 1}


class FakeEvent:
    """An event of a GPU that reads the test's clock when its work is done: at `synchronize`."""

    now, waiting = 0.0, []

    def __init__(self, *, enable_timing):
        assert enable_timing
        self.at = None

    def record(self, stream):
        FakeEvent.now += 1
        FakeEvent.waiting.append((self, FakeEvent.now))

    def elapsed_time(self, other):
        return 1000 * (other.at - self.at)


def finish_events(device):
    for event, at in FakeEvent.waiting:
        event.at = at
    FakeEvent.waiting.clear()


def test_on_a_gpu_events_measure(monkeypatch):
    """The host does not wait between two layers: an event has no time before the end of the pass."""
    monkeypatch.setattr(FakeEvent, "waiting", [])
    monkeypatch.setattr("torch.cuda.current_stream", lambda device: None)
    with fake_cuda():
        monkeypatch.setattr("torch.cuda.Event", FakeEvent)
        monkeypatch.setattr("torch.cuda.synchronize", finish_events)
        workload = Workload(setting(tiny().graph, 2, "float32", CUDA))
        found = layer_times(workload, watch_of(CUDA, SteadyClock(1)), until=Until(1), clock=SteadyClock(1))["step"]
    assert set(found.layers("forward")) == {layer.path for layer in tiny().report.layers()}
    assert set(found.layers("forward").values()) == {1000}
    assert found.cost_of_measuring == found.total_ms / 1000 - 1


def test_a_host_does_not_wait():
    watch = watch_of(CPU, SteadyClock(1))
    watch.wait()
    assert watch.seconds(watch.mark(), watch.mark()) == 1


# -- summing up --------------------------------------------------------------------------------------------------


def test_the_slower_half_is_left_out():
    assert faster_half([5, 1, 9]) == [1, 0]
    assert faster_half([3]) == [0]
    a, b = Part("forward", "a"), Part("forward", "b")
    found = summed_up([{a: 1, b: 1}, {a: 2, b: 1}, {a: 90, b: 0}, {a: 3, b: 3}], [1, 70, 3, 80])
    assert found == PassTimes({a: 1500, b: 1000}, 2000, 4)
    assert found.total_ms == 2500
    assert found.cost_of_measuring == pytest.approx(0.25)


def test_layers_that_run_twice_in_a_pass_are_summed():
    """A part may begin several times: the nodes of one layer's backward pass are several."""
    timeline = Timeline(HostWatch(SteadyClock(1)))
    for _ in range(3):
        timeline.switch(Part("backward", "a"))
        timeline.switch(BACKWARD)
    assert Counter(timeline.finish()) == {Part("backward", "a"): 3, BACKWARD: 3}
