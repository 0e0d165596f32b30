"""One process with nccl, started by torchrun: what it saw, as JSON, for test_processes.py."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import torch
import torch.distributed as dist
from torch import nn

from archspec.train.callbacks import Callback
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.storage import newest
from archspec.train.distributed.fsdp import shard, whole
from archspec.train.distributed.launch import group_of, join_group
from archspec.train.loop import fit
from tests.cuda.helpers import DEVICE
from tests.layers import conv, sequence
from tests.train.helpers import batches, data, recipe


def network(norm=False):
    """On the CPU."""
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        norms = ["batch_norm2d"] if norm else []
        return sequence((1, 8, 8), conv(4, 3), *norms, "relu", "flatten", {"linear": 4})


class Losses(Callback):
    def __init__(self):
        self.losses = []

    def on_epoch(self, run):
        self.losses += run.state.meter.losses().tolist()


def trained(model, chosen, group, *callbacks, resume=None):
    train, test = (batches(images, chosen, device=DEVICE) for images in (data(41), data(23, split="test", seed=1)))
    losses = Losses()
    summary = fit(model, train, test, chosen, device=DEVICE, group=group, callbacks=[losses, *callbacks], resume=resume)
    return {
        "losses": losses.losses[-5:], "epochs": [[r.train_loss, r.evaluated_loss] for r in summary.epochs],
        "weights": {name: tensor.tolist() for name, tensor in whole(model.state_dict(), group).items()},
    }


def sharded(group, folder):
    """Equal to the network that is not spread; saved, and gone on with."""
    split, seen = replace(group, sharded=True), {}
    for name, fields in {
        "normed": {"momentum": 0.9},
        "clipped": {"optimizer": "adamw", "lr": 0.01, "clip_grad_norm": 0.5, "decay_norm_and_bias": False,
                    "weight_decay": 0.1},
    }.items():
        chosen, norm = recipe(**fields), name == "normed"
        saves = Checkpointer(folder / name, every=Every(7, None, None), keep=9)
        seen[name] = {
            "plain": trained(network(norm).to(DEVICE), chosen, group),
            "spread": trained(shard(network(norm), DEVICE), chosen, split, saves),
        }
        rmtree(max((folder / name).iterdir()))  # of the end
        found = newest(folder / name).saved
        seen[name]["step"] = found.state.step
        seen[name]["resumed"] = trained(shard(network(norm), DEVICE), chosen, split, resume=found)
    return seen


def exchanged(group):
    """DDP over nccl, with one process: gradients are those of the network alone."""
    x, y = torch.randn(6, 1, 8, 8, device=DEVICE), torch.arange(6, device=DEVICE) % 4
    gradients = []
    for join in (False, True):
        model = network().to(DEVICE)
        nn.functional.cross_entropy((group.data_parallel(model) if join else model)(x), y).backward()
        gradients.append([p.grad for p in model.parameters()])
    total = torch.full((3,), 2.0, device=DEVICE)
    dist.all_reduce(total)
    return {"sum": total.tolist(),
            "off_by": max(float((a - b).abs().max()) for a, b in zip(*gradients, strict=True))}


def main():
    folder = Path(sys.argv[1])
    with join_group(group_of(os.environ), DEVICE) as group:
        seen = {
            "world": [group.rank, group.size], "exchanged": exchanged(group), "sharded": sharded(group, folder),
            "backend": str(dist.distributed_c10d._get_default_group()._get_backend(DEVICE).name()),
        }
        (folder / "seen.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
