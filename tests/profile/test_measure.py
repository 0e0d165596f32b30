"""What `measure` runs, how often, on what, and what it refuses."""

from unittest import mock

import pytest
import torch

from archspec.backends import fits
from archspec.diagnostics import SpecError
from archspec.profile import measure
from archspec.profile.memory import TIMES
from archspec.profile.workload import Workload, setting
from tests.fake_cuda import fake_cuda
from tests.profile.helpers import SteadyClock, TickingClock, spec, tiny

CPU = torch.device("cpu")


def refused(*args, **kwargs):
    with pytest.raises(SpecError) as caught:
        measure(*args, **kwargs)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def test_times_are_those_of_the_clock():
    clock = TickingClock(9, 0.002, 0.004, 0.003, 9, 0.010, 0.030, 0.020)
    found = measure(tiny(), batch_size=6, warmup=1, steps=3, clock=clock)
    assert clock.durations == []
    assert found.forward.times_ms == pytest.approx((2, 4, 3))
    assert found.step.times_ms == pytest.approx((10, 30, 20))
    assert (found.forward_ms, found.step_ms) == (pytest.approx(3), pytest.approx(20))
    assert found.forward.images_per_s == pytest.approx(2000)
    assert found.step.images_per_s == pytest.approx(300)
    macs = 6 * (64 * 4 * 9 + 64 * 3 * 4 + 2 * 64 * 7 * 7 + 70)
    assert found.macs == macs
    assert found.gmacs_per_s == pytest.approx(macs / 0.003 / 1e9)


def test_how_often_each_is_run(monkeypatch):
    calls = {"forward": 0, "step": 0}
    for name in calls:
        plain = getattr(Workload, name)

        def counted(self, name=name, plain=plain):
            calls[name] += 1
            assert torch.is_inference_mode_enabled() is False
            return plain(self)

        monkeypatch.setattr(Workload, name, counted)
    measure(tiny(), warmup=2, steps=5, batch_size=2)
    assert calls == dict.fromkeys(calls, TIMES + 2 + 5)


def test_without_a_number_it_repeats_until_a_second_is_filled():
    found = measure(tiny(), batch_size=2, clock=SteadyClock(0.125))
    assert (found.forward.warmup_runs, len(found.forward.times_ms)) == (3, 10)
    found = measure(tiny(), batch_size=2, clock=SteadyClock(0.0625))
    assert (found.forward.warmup_runs, len(found.forward.times_ms)) == (5, 16)


def test_forward_is_inference_and_step_is_training():
    workload = Workload(setting(tiny().graph, 4, "float32", CPU))
    output = workload.forward()
    assert (workload.model.training, output.requires_grad, output.is_inference()) == (False, False, True)
    before = {name: p.clone() for name, p in workload.model.named_parameters()}
    workload.step()
    assert workload.model.training
    assert all(p.grad is not None for p in workload.model.parameters())
    assert any(not torch.equal(p, before[name]) for name, p in workload.model.named_parameters())
    assert len(workload.optimizer.state) == len(before)
    workload.forward()
    assert not workload.model.training


def test_the_step_is_the_textbook_s():
    """Weights after two steps are those of a loop written out."""
    chosen = setting(spec(head=["flatten", {"linear": 10}]).graph, 4, "float32", CPU)
    workload = Workload(chosen)
    workload.optimizer.param_groups[0]["lr"] = 0.1
    weight, bias = (p.detach().clone().requires_grad_() for p in workload.model.parameters())
    optimizer = torch.optim.SGD([weight, bias], lr=0.1, momentum=0.9)
    for _ in range(2):
        workload.step()
        logits = torch.nn.functional.linear(workload.inputs[0].flatten(1), weight, bias)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, workload.labels).backward()
        optimizer.step()
    for found, expected in zip(workload.model.parameters(), (weight, bias), strict=True):
        torch.testing.assert_close(found, expected)


def test_peaks_are_what_the_network_needs():
    """784 → 1000 → 10, batch 50: the figures add up to the byte, but for a few scalars."""
    loaded = spec(input=(1, 28, 28), head=["flatten", {"linear": 1000}, {"linear": 10}])
    found = measure(loaded, batch_size=50, warmup=1, steps=1)
    weights, images = 4 * (785 * 1000 + 1001 * 10), 4 * 50 * 784
    assert found.forward.peak_memory_bytes == pytest.approx(weights + images + 4 * 50 * 1010, abs=5000)
    # weights, gradients, momentum; when the gradient of the first weights is there, so is what flows into it
    assert found.step.peak_memory_bytes == pytest.approx(3 * weights + images + 4 * 50 * 1000, rel=0.02)
    assert found.peak_memory_bytes == found.step.peak_memory_bytes
    assert "torch.profiler" in found.memory


@pytest.mark.parametrize("batch_size", [8, 64])
def test_the_memory_check_asks_for_what_is_then_needed(monkeypatch, batch_size):
    asked = []
    plain = fits.check_fits
    monkeypatch.setattr("archspec.backends.step.check_fits", lambda n, *a, **k: asked.append(n) or plain(n, *a, **k))
    loaded = spec(input=(3, 32, 32), body=[
        {"conv2d": {"out_channels": 32, "kernel_size": 3}}, "batch_norm2d", "relu", "flatten", {"linear": 10},
    ])
    found = measure(loaded, batch_size=batch_size, warmup=1, steps=1)
    assert asked[-1] <= found.step.peak_memory_bytes <= 1.2 * asked[-1] + 2**20  # it also needs scratch space


@pytest.mark.parametrize(("stages", "batch_size", "message"), [
    pytest.param({"head": ["flatten", {"linear": 10**16}, {"linear": 2}]}, 1,
                 "a training step with batches of 1 needs about", id="weights"),
    pytest.param({"head": ["flatten", {"linear": 10}]}, 10**12, f"a training step with batches of {10**12} needs about",
                 id="batch"),
    pytest.param({"head": ["flatten", {"linear": 10}]}, 10**40, f"a training step with batches of {10**40} needs about",
                 id="more-than-torch-can-count"),
    pytest.param({"pool": {"max_pool2d": 2}}, 10**12, f"a forward pass with batches of {10**12} needs about",
                 id="no-weights"),
])
def test_what_does_not_fit_is_refused_before_it_is_built(monkeypatch, tmp_path, stages, batch_size, message):
    monkeypatch.setattr(Workload, "__init__", lambda *a: pytest.fail("something was allocated"))
    diagnostic = refused(spec(**stages), batch_size=batch_size, trace=tmp_path / "trace")
    assert diagnostic.code == "BUILD201"
    assert diagnostic.message.startswith(message)
    assert "available" in diagnostic.message
    assert not (tmp_path / "trace").exists()


def test_an_allocation_that_fails_in_spite_of_it_is_told(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(Workload, "forward", full)
    diagnostic = refused(tiny(), batch_size=2)
    assert (diagnostic.code, diagnostic.message) == ("BUILD201", "profiling ran out of memory")


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    diagnostic = refused(tiny(), device="cuda")
    assert diagnostic.code == "BUILD202"
    assert diagnostic.message == "there is no device cuda: this machine has no GPU that torch can use"


def test_on_a_gpu(monkeypatch):
    """The path of a GPU on a CPU in disguise: where it runs, that it waits, whose memory it tells."""
    waits, order = [], []
    clock = TickingClock(*[0.5] * 8)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda device: 0)

    def look():
        order.append("look")
        return clock()

    def wait(device):
        waits.append(device)
        order.append("wait")

    with fake_cuda() as asked, mock.patch.object(torch.cuda, "synchronize", wait):
        found = measure(tiny(), batch_size=2, device="auto", warmup=1, steps=3, clock=look)
    assert (found.device, found.device_name) == ("cuda:0", "Fake GPU")
    assert found.peak_memory_bytes == 2**20  # of the disguise
    assert "max_memory_allocated" in found.memory
    assert "to" in asked
    assert set(waits) == {torch.device("cuda", 0)}
    looks = [k for k, what in enumerate(order) if what == "look"]
    assert len(looks) == 16
    assert all(order[k - 1] == "wait" for k in looks)
    assert found.forward.times_ms == found.step.times_ms == (500, 500, 500)


@pytest.mark.parametrize(("stages", "batch_size", "reason"), [
    pytest.param({"pool": {"max_pool2d": 2}}, 4, "the network has no parameters to train", id="no-parameters"),
    pytest.param({"head": ["global_avg_pool2d", "batch_norm2d", "flatten", {"linear": 2}]}, 1,
                 "head.batch_norm2d_1 needs a batch of 2 or more to train: one value per channel has no variance",
                 id="batch-norm-of-one-value"),
])
def test_a_network_that_cannot_be_trained_is_still_timed(stages, batch_size, reason):
    found = measure(spec(**stages), batch_size=batch_size, warmup=1, steps=2)
    assert (found.step, found.step_ms, found.no_step) == (None, None, reason)
    assert len(found.forward.times_ms) == 2
    assert found.peak_memory_bytes == found.forward.peak_memory_bytes > 0
    assert found.to_json()["training_step"] is None
    assert found.to_json()["no_training_step"] == reason


def test_batch_norm_trains_from_two_on():
    head = ["global_avg_pool2d", "batch_norm2d", "flatten", {"linear": 2}]
    assert measure(spec(head=head), batch_size=2, warmup=1, steps=1).step is not None


def test_a_batch_norm_of_one_value_is_refused():
    norm = {"batch_norm2d": {"track_running_stats": False}}
    loaded = spec(input=(4, 8, 8), head=["global_avg_pool2d", norm, "flatten", {"linear": 2}])
    diagnostic = refused(loaded, batch_size=1)
    assert diagnostic.code == "BUILD203"
    assert diagnostic.message.startswith("`head.batch_norm2d_1` has no running statistics")
    assert measure(loaded, batch_size=2, warmup=1, steps=1).step is not None


def test_a_network_that_gives_an_image_has_another_loss():
    assert measure(tiny(), batch_size=2, warmup=1, steps=1).loss == "cross-entropy"
    found = measure(spec(conv={"conv2d": {"out_channels": 2, "kernel_size": 3}}), warmup=1, steps=1)
    assert found.loss == "mean of the outputs"
    assert found.step is not None


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_dtypes(dtype):
    workload = Workload(setting(tiny().graph, 2, dtype, CPU))
    assert {p.dtype for p in workload.model.parameters()} == {getattr(torch, dtype)}
    found = measure(tiny(), batch_size=2, dtype=dtype, warmup=1, steps=1)
    assert found.to_json()["dtype"] == dtype
    assert found.step is not None


def test_half_the_width_needs_half_the_memory():
    loaded = spec(input=(1, 28, 28), head=["flatten", {"linear": 1000}, {"linear": 10}])
    full, half = (
        measure(loaded, dtype=dtype, threads=1, warmup=1, steps=1).forward.peak_memory_bytes for dtype in ("float32", "bfloat16")
    )
    assert half == pytest.approx(full / 2, rel=0.1)  # the scratch space is another, of each thread


def test_threads_and_random_state_are_left_as_they_were():
    before, state = torch.get_num_threads(), torch.get_rng_state()
    found = measure(tiny(), batch_size=2, threads=before + 1, warmup=1, steps=1)
    assert found.threads == before + 1
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)
    assert measure(tiny(), batch_size=2, warmup=1, steps=1).threads == before


def test_json():
    clock = TickingClock(1, 0.002, 0.004, 1, 0.010, 0.030)
    found = measure(tiny(), batch_size=2, warmup=1, steps=2, clock=clock).to_json()
    assert found["format"] == 1
    assert (found["name"], found["input_shape"], found["batch_size"]) == ("tiny", [1, 8, 8], 2)
    assert found["device"]["type"] == "cpu"
    assert found["device"]["name"]
    assert found["forward"].pop("gmacs_per_s") > 0
    for key, median, low, high in (("forward", 3, 2.2, 3.8), ("training_step", 20, 12, 28)):
        figures = found[key]
        assert figures.pop("peak_memory_bytes") > 0
        assert figures.pop("predicted_peak_memory_bytes") > 0
        assert figures.pop("predicted_workspace_bytes") >= 0
        assert figures == {
            "median_ms": pytest.approx(median), "p10_ms": pytest.approx(low), "p90_ms": pytest.approx(high),
            "runs": 2, "warmup_runs": 1, "images_per_s": pytest.approx(2000 / median),
        }
