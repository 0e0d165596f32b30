"""The path of a GPU, run on a CPU in disguise: same figures; and nothing in a step waits for the device."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from archspec.api import load
from archspec.train.loop import fit, train_epoch
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.run_dir.environment import environment
from archspec.train.schedule import rate_schedule
from archspec.train.setup import Machine, prepare
from tests.fake_cuda import CUDA, fake_cuda
from tests.train.helpers import CPU, batches, data, network, recipe

SPEC = {
    "archspec": 1, "name": "tiny", "input": [1, 8, 8],
    "stages": {"head": ["flatten", {"linear": 16}, "relu", {"dropout": 0.5}, {"linear": 10}]},
}
WAITS = {torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero, torch.ops.aten.masked_select}


def trained(device, chosen):
    machine = Machine(device, limit_train=100, limit_test=50)
    task = prepare(load(SPEC).graph, chosen, machine)
    summary = fit(task.model, task.train, task.test, chosen, device=device)
    return [(r.train_loss, r.evaluated_loss) for r in summary.epochs], task


@pytest.mark.parametrize("fields", [{"momentum": 0.9}, {"optimizer": "adamw"}], ids=str)
def test_a_run_on_a_gpu(fields):
    chosen = recipe(batch_size=32, **fields)
    expected, _ = trained(CPU, chosen)
    with fake_cuda() as asked:
        found, task = trained(CUDA, chosen)
        about = environment(task)
    assert found == expected
    assert {"to", "zeros"} <= set(asked)  # model, data and meters were sent there
    assert about["device"]["name"] == "Fake GPU"


class Waits(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.overloadpacket in WAITS
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("micro_batch", [None, 2])
@pytest.mark.parametrize("fields", [{"momentum": 0.9, "schedule": "cosine"}, {"optimizer": "adam"}], ids=str)
def test_no_step_waits_for_the_device(fields, micro_batch):
    """Values are read from the device as often in 3 steps as in 30: at the end of the epoch."""
    counts = []
    for images in (12, 120):
        chosen = recipe(batch_size=4, **fields)
        model, train = network(), batches(data(images), chosen)
        run = Run.create(model, make_optimizer(model, chosen, CPU), rate_schedule(chosen, len(train)), CPU, chosen, len(train))
        run.state.micro_batch = micro_batch
        with Waits() as waits:
            train_epoch(run, train.batches(0))
        counts.append(waits.count)
    assert counts[0] == counts[1] > 0
