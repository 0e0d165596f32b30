"""Two processes that train together, started by torchrun: what each of them saw, as JSON, for test_distributed.py."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from archspec.data.augment import Augmentation
from archspec.data.batches import BatchOptions, ResidentBatches
from archspec.data.splits import hold_out
from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.storage import newest
from archspec.train.distributed.fsdp import shard, whole
from archspec.train.distributed.launch import join_group, world_of
from archspec.train.loop import evaluate, fit
from archspec.train.report.confusion import Tally
from archspec.train.signals import Stop, Stopped
from tests.train.helpers import CPU, PLAN, data, network, recipe

FOLDER = Path(sys.argv[1]) if __name__ == "__main__" else Path()
TRAIN, TEST = data(41), data(23, split="test", seed=1)  # of batches of 10 and 2 processes: the last step has 1 image
KEEP = {"momentum": 0.9, "schedule": "cosine", "ema": 0.9}


def plain_network():
    """Without batch norm or dropout: what it computes of an image does not depend on the others."""
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))


class Losses(Callback):
    def __init__(self):
        self.losses = []

    def on_epoch(self, run):
        self.losses += run.state.meter.losses().tolist()


def batches(chosen, world, images=TRAIN, **options):
    made = BatchOptions(
        chosen.batch_size // world.size, images.split == "train", CPU, seed=chosen.seed, rank=world.rank,
        world=world.size, **options,
    )
    return ResidentBatches(images, PLAN, made)


def trained(model, chosen, world, *callbacks, stop=None, resume=None, micro_batch=None, parts=(TRAIN, None), **options):
    """What can be compared of a run: the steps' losses, the epochs' figures, the weights, the confusion matrix."""
    losses, test, (images, held) = Losses(), batches(chosen, world, TEST), parts
    tally = Tally()

    class Pieces(Callback):
        def on_start(self, run):
            run.state.micro_batch = micro_batch

    summary = fit(
        model, batches(chosen, world, images, **options), test, chosen, device=CPU, world=world, stop=stop,
        resume=resume, callbacks=[losses, Pieces(), *callbacks],
        validation=None if held is None else batches(chosen, world, held),
    )
    evaluate(model, test, CPU, tally=tally, world=world)
    weights = whole(model.state_dict(), world)
    return {
        "losses": losses.losses[-8:],
        "epochs": [[r.train_loss, r.train_accuracy, r.evaluated_loss, r.evaluated_accuracy] for r in summary.epochs],
        "norms": [row.gradient_norm for row in summary.epochs],
        "test": None if summary.test is None else [summary.test.loss, summary.test.accuracy],
        "weights": [v.tolist() for v in weights.values()],
        "confusion": tally.confusion(TEST.classes, world).matrix(),
    }


def equal_to_one(world):
    return {
        "whole": trained(plain_network(), recipe(**KEEP), world),
        "pieces": trained(plain_network(), recipe(**KEEP), world, micro_batch=2),
        "augmented": trained(plain_network(), recipe(), world, augment=Augmentation(1, 0.5, 0.5)),
        "validated": trained(plain_network(), recipe(early_stopping=2), world, parts=hold_out(TRAIN, 0.2, 0)),
    }


def spread(model):
    return shard(model, CPU)


def sharded(world):
    """Equal to the network that is not spread; stopped and gone on with, spread and not spread."""
    split = replace(world, sharded=True)
    clipped = recipe(optimizer="adamw", lr=0.01, clip_grad_norm=0.5, decay_norm_and_bias=False, weight_decay=0.1)
    chosen = recipe(momentum=0.9)
    expected = trained(spread(plain_network()), chosen, split)
    stop, saves = Stop(), Checkpointer(FOLDER / "sharded", every=Every(4, None, None), keep=9)
    try:
        trained(spread(plain_network()), chosen, split, saves, *[StopAt(stop, 5)] * world.rank, stop=stop)
    except Stopped as stopped:
        place = stopped.code
    world.maximum(0)
    found = newest(FOLDER / "sharded")
    steps = [newest_of.name for newest_of in sorted((FOLDER / "sharded").iterdir())]
    again = trained(spread(plain_network()), chosen, split, resume=found.saved)
    return {
        "momentum": expected, "clipped": trained(spread(plain_network()), clipped, split),
        "normed": trained(spread(network()), chosen, split, at_least=2),
        "code": place, "saved": steps, "same": again == expected,
        "unspread": trained(plain_network(), chosen, world, resume=found.saved),
        "of_unspread": trained(plain_network(), chosen, world),
        "of_unspread_clipped": trained(plain_network(), clipped, world),
        "of_unspread_normed": trained(network(), chosen, world, at_least=2),
        "not_finite": not_finite(split, spread(plain_network()))["told"],
    }


class Settled(Callback):
    """Whether DDP has put the gradients together anew, after each of the first two steps."""

    def __init__(self):
        self.seen = []

    def on_step(self, run):
        if run.state.step <= 2:
            self.seen.append(run.runtime.forward._get_ddp_logging_data()["has_rebuilt_buckets"])


def settled(world):
    watcher = Settled()
    trained(plain_network(), recipe(epochs=1), world, watcher)
    return watcher.seen


class StopAt(Callback):
    """One process alone hears a signal after a step."""

    def __init__(self, stop, step):
        self.stop, self.step = stop, step

    def on_step(self, run):
        if run.state.step == self.step:
            self.stop.number = signal.SIGTERM


def stopped_and_resumed(world):
    """With dropout, batch norm and average; process 1 alone hears the signal; process 0 alone saves."""
    chosen = recipe(**KEEP)
    expected = trained(network(dropout=0.3), chosen, world, at_least=2)
    stop, saves = Stop(), Checkpointer(FOLDER / "checkpoints", every=Every(None, None, None))
    callbacks = ([saves] if world.leads else []) + ([StopAt(stop, 5)] if world.rank == 1 else [])
    try:
        trained(network(dropout=0.3), chosen, world, *callbacks, stop=stop, at_least=2)
        code = 0
    except Stopped as stopped:
        code = stopped.code
    world.maximum(0)  # until process 0 has written it
    found = newest(FOLDER / "checkpoints")
    torch.manual_seed(7 + world.rank)
    again = trained(network(dropout=0.3), chosen, world, at_least=2, resume=found.saved)
    return {"code": code, "step": found.saved.state.step, "world": found.saved.state.world, "same": again == expected}


def dropped(world):
    """Which of 400 numbers of a step's dropout are nought."""
    world.seed_step(0, 3, CPU)
    first = torch.nn.functional.dropout(torch.ones(400)).tolist()
    torch.rand(world.rank + 1)
    world.seed_step(0, 3, CPU)
    assert torch.nn.functional.dropout(torch.ones(400)).tolist() == first
    return first


class Spoil(Callback):
    """One process alone sees an image that is no number; the weights before it are kept."""

    def __init__(self, train, rank, world):
        self._train, self._rank, self._world = train, rank, world
        self.step_sizes, self.description = train.step_sizes, ""

    def __len__(self):
        return len(self._train)

    def batches(self, epoch, start=0):
        for k, batch in enumerate(self._train.batches(epoch, start), start):
            if (epoch, k) == (1, 2) and self._world.rank == self._rank:
                batch.x[1] = torch.nan
            yield batch


def not_finite(world, model):
    chosen = recipe()
    try:
        fit(
            model, Spoil(batches(chosen, world), 1, world), batches(chosen, world, TEST), chosen, device=CPU,
            world=world,
        )
    except SpecError as problem:
        return {"told": str(problem), "weights": [v.tolist() for v in whole(model.state_dict(), world).values()]}
    return None


class Die(Callback):
    def on_step(self, run):
        if run.state.step == 7 and run.runtime.processes.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def main():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # at the end torchrun notices the death too, and would be first
    try:
        with join_group(world_of(os.environ), CPU) as world:
            seen = {
                "world": [world.rank, world.size, world.local_rank, world.restarts],
                "said": world.broadcast_text(f"ß{world.rank}"), "equal": equal_to_one(world),
                "stopped": stopped_and_resumed(world), "dropped": dropped(world), "not_finite": not_finite(world, plain_network()),
                "sharded": sharded(world), "settled": settled(world),
            }
            (FOLDER / f"{world.rank}.json").write_text(json.dumps(seen))
            trained(plain_network(), recipe(epochs=9), world, Die())
    except SpecError as problem:
        (FOLDER / "lost").write_text(str(problem))
        raise


if __name__ == "__main__":
    main()
