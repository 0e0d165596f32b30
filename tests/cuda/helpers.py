"""Which device the tests here run on, their small networks, and processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from archspec.api import load
from archspec.data.places import find
from archspec.data.registry import DATASETS
from archspec.train.loop import fit
from archspec.train.setup import Machine, prepare
from archspec.train.step.precision import Settings
from tests.train.helpers import recipe

ROOT = Path(__file__).parents[2]
# ARCHSPEC_CHECK_DEVICE=cpu rehearses on a machine without a GPU whatever does not need one.
DEVICE = torch.device(os.environ.get("ARCHSPEC_CHECK_DEVICE", "cuda:0"))
CPU = torch.device("cpu")
REHEARSAL = DEVICE.type == "cpu"
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
NO_GPU = "no GPU: tests/cuda was left out (ARCHSPEC_CHECK_DEVICE=cpu rehearses what does not need one)"
needs_gpu = pytest.mark.skipif(REHEARSAL, reason="a rehearsal on the CPU")
DATA = "fashion-mnist" if find(DATASETS["fashion-mnist"], "train") else "digits"

MLP = {
    "archspec": 1, "name": "mlp", "input": [1, 8, 8],
    "stages": {"head": ["flatten", {"linear": 32}, "relu", {"linear": 10}]},
    "train": {"data": DATA, "lr": 0.1, "momentum": 0.9, "batch_size": 50, "epochs": 3},
}
CNN = {
    **MLP, "name": "cnn", "input": [1, 16, 16],
    "stages": {
        # Without the bias: the norm takes it away, and Adam would make large steps of what rounding leaves of its gradient.
        "body": [{"conv2d": {"out_channels": 16, "kernel_size": 3, "padding": 1, "bias": False}}, "batch_norm2d",
                 "relu", {"max_pool2d": 2}, {"conv2d": {"out_channels": 32, "kernel_size": 3, "padding": 1}}, "relu"],
        "head": ["global_avg_pool2d", "flatten", {"linear": 10}],
    },
}


def there_is_a_device() -> bool:
    """Whether DEVICE can be used."""
    return REHEARSAL or torch.cuda.is_available()


def trained(spec, device=None, settings=None, callbacks=(), resume=None, images=500, **fields):
    """A network after its run, and (train loss, test loss) of each epoch. fields: of the recipe; None leaves one out."""
    wanted = {**spec["train"], **fields}
    chosen = recipe(**{name: value for name, value in wanted.items() if value is not None})
    machine = Machine(device or DEVICE, limit_train=images, limit_test=200, settings=settings or Settings())
    task = prepare(load(spec).graph, chosen, machine)
    summary = fit(task.model, task.train, task.test, chosen, device=machine.device, settings=machine.settings,
                  callbacks=callbacks, resume=resume)
    return task.model, [(row.train_loss, row.evaluated_loss) for row in summary.epochs]


def start(*command, **options) -> subprocess.Popen[str]:
    """`python COMMAND` in a process of its own that finds archspec and the tests."""
    return subprocess.Popen(
        [sys.executable, *map(str, command)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, **LOOPBACK, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        **options,
    )


def finish(process: subprocess.Popen[str], seconds: float = 120) -> tuple[str, str]:
    """What a process printed, (stdout, stderr), once it has ended well."""
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert process.returncode == 0, f"{out}\n{err}"
    return out, err
