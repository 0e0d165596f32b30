"""Two processes that train together, started by torchrun: what each of them saw, as JSON, for test_distributed.py."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

import archspec
from archspec.backends.torch import build
from archspec.data.augment import Augmentation
from archspec.data.batches import BatchOptions, ResidentBatches
from archspec.data.splits import hold_out
from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.storage import newest
from archspec.train.distributed.fsdp import shard, whole
from archspec.train.distributed.launch import group_of, join_group
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


def batches(chosen, group, images=TRAIN, **options):
    training = images.split == "train"
    size = chosen.images_per_step if training else chosen.batch_size
    made = BatchOptions(
        size // group.size, training, CPU, seed=chosen.seed, rank=group.rank, world_size=group.size, **options,
    )
    return ResidentBatches(images, PLAN, made)


def trained(model, chosen, group, *callbacks, stop=None, resume=None, micro_batch=None, parts=(TRAIN, None), **options):
    """What can be compared of a run: the steps' losses, the epochs' figures, the weights, the confusion matrix."""
    losses, test, (images, held) = Losses(), batches(chosen, group, TEST), parts
    tally = Tally()

    class Pieces(Callback):
        def on_start(self, run):
            run.state.micro_batch = micro_batch

    summary = fit(
        model, batches(chosen, group, images, **options), test, chosen, device=CPU, group=group, stop=stop,
        resume=resume, callbacks=[losses, Pieces(), *callbacks],
        validation=None if held is None else batches(chosen, group, held),
    )
    evaluate(model, test, CPU, tally=tally, group=group)
    weights = whole(model.state_dict(), group)
    return {
        "losses": losses.losses[-8:],
        "epochs": [[r.train_loss, r.train_accuracy, r.evaluated_loss, r.evaluated_accuracy] for r in summary.epochs],
        "norms": [row.gradient_norm for row in summary.epochs],
        "test": None if summary.test is None else [summary.test.loss, summary.test.accuracy],
        "weights": [v.tolist() for v in weights.values()],
        "confusion": tally.confusion(TEST.classes, group).matrix(),
    }


def equal_to_one(group):
    return {
        "whole": trained(plain_network(), recipe(**KEEP), group),
        "pieces": trained(plain_network(), recipe(**KEEP), group, micro_batch=2),
        "accumulated": trained(plain_network(), recipe(**KEEP, batch_size=2, accumulate=5), group),
        "augmented": trained(plain_network(), recipe(), group, augment=Augmentation(1, 0.5, 0.5)),
        "validated": trained(plain_network(), recipe(early_stopping=2), group, parts=hold_out(TRAIN, 0.2, 0)),
    }


def shared_network():
    """A stage runs again as a whole, as parts on another size, and copies of a repeat have one set of weights."""
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        return archspec.build({"archspec": 1, "input": [1, 8, 8], "stages": {
            "tower": [{"conv2d": {"out_channels": 1, "kernel_size": 3, "padding": 1}}, "tanh"],
            "twin": {"share": "tower"},
            "low": {"avg_pool2d": 2},
            "small": {"share": "tower"},
            "deep": [{"linear": 4, "repeat": 3, "share": True}],
            "head": ["flatten", {"linear": 4}],
        }})


def deep_network(recompute=()):
    """Two stages with batch norm and one without, of which some may be recomputed."""
    layers = [{"conv2d": {"out_channels": 4, "kernel_size": 3, "padding": 1}}, "batch_norm2d", "tanh"]
    spec = {"archspec": 1, "input": [1, 8, 8], "stages": {"a": layers, "b": layers, "head": ["flatten", {"linear": 4}]}}
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        return build(archspec.load(spec).graph, recompute=recompute)


def spread(model):
    return shard(model, CPU)


def sharded(group):
    """Equal to the network that is not spread; stopped and gone on with, spread and not spread."""
    split = replace(group, sharded=True)
    clipped = recipe(optimizer="adamw", lr=0.01, clip_grad_norm=0.5, decay_norm_and_bias=False, weight_decay=0.1)
    chosen = recipe(momentum=0.9)
    expected = trained(spread(plain_network()), chosen, split)
    stop, saves = Stop(), Checkpointer(FOLDER / "sharded", every=Every(4, None, None), keep=9)
    try:
        trained(spread(plain_network()), chosen, split, saves, *[StopAt(stop, 5)] * group.rank, stop=stop)
    except Stopped as stopped:
        place = stopped.code
    group.maximum(0)
    found = newest(FOLDER / "sharded")
    steps = [newest_of.name for newest_of in sorted((FOLDER / "sharded").iterdir())]
    again = trained(spread(plain_network()), chosen, split, resume=found.saved)
    return {
        "momentum": expected, "clipped": trained(spread(plain_network()), clipped, split),
        "normed": trained(spread(network()), chosen, split, at_least=2),
        "accumulated": trained(spread(plain_network()), recipe(momentum=0.9, batch_size=2, accumulate=5), split),
        "shared": trained(spread(shared_network()), chosen, split),
        "of_unspread_shared": trained(shared_network(), chosen, group),
        "recomputed": trained(spread(deep_network(("a", "b"))), chosen, split, at_least=2),
        "of_unspread_recomputed": trained(deep_network(("a", "head")), chosen, group, at_least=2),
        "of_unspread_kept": trained(deep_network(), chosen, group, at_least=2),
        "code": place, "saved": steps, "same": again == expected,
        "unspread": trained(plain_network(), chosen, group, resume=found.saved),
        "of_unspread": trained(plain_network(), chosen, group),
        "of_unspread_clipped": trained(plain_network(), clipped, group),
        "of_unspread_normed": trained(network(), chosen, group, at_least=2),
        "not_finite": not_finite(split, spread(plain_network()))["error"],
    }


class Settled(Callback):
    """Whether DDP has put the gradients together anew, after each of the first two steps."""

    def __init__(self):
        self.seen = []

    def on_step(self, run):
        if run.state.step <= 2:
            self.seen.append(run.runtime.forward._get_ddp_logging_data()["has_rebuilt_buckets"])


def settled(group):
    watcher = Settled()
    trained(plain_network(), recipe(epochs=1), group, watcher)
    return watcher.seen


class StopAt(Callback):
    """One process alone hears a signal after a step."""

    def __init__(self, stop, step):
        self.stop, self.step = stop, step

    def on_step(self, run):
        if run.state.step == self.step:
            self.stop.number = signal.SIGTERM


def stopped_and_resumed(group):
    """With dropout, batch norm and average; process 1 alone hears the signal; process 0 alone saves."""
    chosen = recipe(**KEEP)
    expected = trained(network(dropout=0.3), chosen, group, at_least=2)
    stop, saves = Stop(), Checkpointer(FOLDER / "checkpoints", every=Every(None, None, None))
    callbacks = ([saves] if group.leads else []) + ([StopAt(stop, 5)] if group.rank == 1 else [])
    try:
        trained(network(dropout=0.3), chosen, group, *callbacks, stop=stop, at_least=2)
        code = 0
    except Stopped as stopped:
        code = stopped.code
    group.maximum(0)  # until process 0 has written it
    found = newest(FOLDER / "checkpoints")
    torch.manual_seed(7 + group.rank)
    again = trained(network(dropout=0.3), chosen, group, at_least=2, resume=found.saved)
    return {"code": code, "step": found.saved.state.step, "world": found.saved.state.world, "same": again == expected}


def dropped(group):
    """Which of 400 numbers of a step's dropout are nought."""
    group.seed_step(0, 3, CPU)
    first = torch.nn.functional.dropout(torch.ones(400)).tolist()
    torch.rand(group.rank + 1)
    group.seed_step(0, 3, CPU)
    assert torch.nn.functional.dropout(torch.ones(400)).tolist() == first
    return first


class Spoil(Callback):
    """One process alone sees an image that is no number; the weights before it are kept."""

    def __init__(self, train, rank, group):
        self._train, self._rank, self._group = train, rank, group
        self.step_sizes, self.description = train.step_sizes, ""

    def __len__(self):
        return len(self._train)

    def batches(self, epoch, start=0):
        for k, batch in enumerate(self._train.batches(epoch, start), start):
            if (epoch, k) == (1, 2) and self._group.rank == self._rank:
                batch.x[1] = torch.nan
            yield batch


def not_finite(group, model):
    chosen = recipe()
    try:
        fit(
            model, Spoil(batches(chosen, group), 1, group), batches(chosen, group, TEST), chosen, device=CPU,
            group=group,
        )
    except SpecError as problem:
        return {"error": str(problem), "weights": [v.tolist() for v in whole(model.state_dict(), group).values()]}
    return None


class Die(Callback):
    def on_step(self, run):
        if run.state.step == 7 and run.runtime.group.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def main():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # at the end torchrun notices the death too, and would be first
    try:
        with join_group(group_of(os.environ), CPU) as group:
            seen = {
                "world": [group.rank, group.size, group.local_rank, group.restarts],
                "said": group.broadcast_text(f"ß{group.rank}"), "equal": equal_to_one(group),
                "stopped": stopped_and_resumed(group), "dropped": dropped(group), "not_finite": not_finite(group, plain_network()),
                "sharded": sharded(group), "settled": settled(group),
            }
            (FOLDER / f"{group.rank}.json").write_text(json.dumps(seen))
            trained(plain_network(), recipe(epochs=9), group, Die())
    except SpecError as problem:
        (FOLDER / "lost").write_text(str(problem))
        raise


if __name__ == "__main__":
    main()
