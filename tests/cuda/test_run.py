"""A run on the GPU: near the CPU's figures, without a wait in each step; its weights can be read anywhere."""

import json
import warnings

import pytest
import torch

from archspec.backends.device import device_name
from archspec.train.callbacks import Callback
from archspec.train.loop import train_epoch
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.schedule import rate_schedule
from archspec.train.step import non_finite as guards
from archspec.train.step.gradients import attempt
from archspec.train.step.non_finite import NonFinitePolicy
from archspec.train.step.precision import Settings
from tests.train.helpers import batches, data, network, recipe

from .helpers import CNN, CPU, DEVICE, MLP, needs_gpu, trained


@pytest.mark.parametrize("spec", [MLP, CNN], ids=["mlp", "cnn"])
@pytest.mark.parametrize("fields", [
    {}, {"optimizer": "adamw", "lr": 0.01, "ema": 0.9, "momentum": None},
], ids=["momentum", "adamw"])
def test_a_run_on_a_gpu_is_the_cpu_s_but_for_rounding(spec, fields):
    _, expected = trained(spec, CPU, **fields)
    _, found = trained(spec, **fields)
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, rel=0.05)
    assert found[-1][0] < found[0][0], "it learns"


@pytest.mark.parametrize("options", [
    (), ("--precision", "bf16", "--channels-last"), ("--precision", "fp16"),
], ids=lambda options: " ".join(options) or "auto")
def test_from_the_command_line(cli, specs, device, options):
    """Train, with the doctor, checkpoints and the run folder; then evaluate there and on the CPU."""
    done = cli("train", "cnn.yaml", "--device", device, "--limit-train", 2000, "--limit-test", 500, "--run-dir", "run",
               "--json", *options)
    assert done.code == 0, done.err
    about = json.loads((specs / "run" / "environment.json").read_text())
    assert about["device"]["name"] == device_name(DEVICE)
    last = json.loads((specs / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["train_loss"] < 1.9, "it learns"
    for where in (device, "cpu"):
        again = cli("evaluate", "run", "--device", where, "--limit-test", 500, "--json")
        assert again.code == 0, again.err
        assert json.loads(again.out)["loss"] == pytest.approx(last["test_loss"], rel=0.05)


class Reads(Callback):
    """What no watcher may do: it waits for the device in each step."""

    def on_step(self, run):
        float(run.state.meter.tensors()["losses"][-1])


def waits_of(images, fields, micro_batch, *callbacks):
    """How often an epoch of so many images makes the host wait, as torch itself counts."""
    chosen = recipe(batch_size=4, **fields)
    model, train = network().to(DEVICE), batches(data(images), chosen, device=DEVICE)
    run = Run.create(model, make_optimizer(model, chosen, DEVICE), rate_schedule(chosen, len(train)), DEVICE, chosen, len(train))
    run.state.micro_batch = micro_batch
    guard = NonFinitePolicy(train, attempt)
    run.policy = guard
    guard.on_start(run)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            train_epoch(run, train.batches(0), callbacks)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("called a synchronizing CUDA operation" in str(warning.message) for warning in seen)


@needs_gpu
@pytest.mark.parametrize("micro_batch", [None, 2])
@pytest.mark.parametrize("fields", [{"momentum": 0.9, "schedule": "cosine"}, {"optimizer": "adam"}], ids=str)
def test_no_step_waits_for_the_device(monkeypatch, fields, micro_batch):
    """As often in 3 steps as in 30; the guard, which looks twice a second, looks in the first and the last."""
    monkeypatch.setattr(guards, "CHECK_S", 1e9)
    waits_of(12, fields, micro_batch)  # what is set up at first use
    few, many = (waits_of(images, fields, micro_batch) for images in (12, 120))
    assert few == many > 0
    assert waits_of(120, fields, micro_batch, Reads()) >= many + 30, "a wait in each step would be seen"


@needs_gpu
def test_products_are_in_tf32_only_where_the_run_says_so():
    from archspec.train.step.precision import float32_products

    a, b = (torch.randn(512, 512, dtype=torch.float64, device=DEVICE) for _ in range(2))
    exact = a @ b
    errors = {}
    for precision in ("fp32", "tf32"):
        with float32_products(precision, DEVICE):
            errors[precision] = float((a.float() @ b.float() - exact).abs().max() / exact.abs().max())
    assert errors["fp32"] < 1e-5 < errors["tf32"] < 1e-2


@needs_gpu
@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_lower_precision_comes_near(precision):
    (_, exact), (_, near) = trained(CNN), trained(CNN, settings=Settings(precision))
    assert near != exact
    for a, b in zip(near, exact, strict=True):
        assert a == pytest.approx(b, rel=0.05)
