"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import torch
import torch.nn.functional as F
from torch import nn

from archspec.backends.init import seeded, stream_seed
from archspec.data.batches import Batch, Batches
from archspec.language.recipe import Recipe
from archspec.train.checkpoint.state import Snapshot, restore, restore_rng
from archspec.train.distributed.process_group import ALONE, World
from archspec.train.early_stopping import why_stop
from archspec.train.ema import Average
from archspec.train.metrics import Meter, Metrics
from archspec.train.optimizer import clip_gradients, make_optimizer, set_rate
from archspec.train.report.confusion import Tally
from archspec.train.schedule import rate_schedule
from archspec.train.signals import Stop, Stopped
from archspec.train.state import Run, Watcher
from archspec.train.step.compile import compiled
from archspec.train.step.deterministic import check_layers, deterministic_kernels
from archspec.train.step.gradients import attempt, gradients, join
from archspec.train.step.microbatch import InPieces, padded, smallest_evaluated
from archspec.train.step.non_finite import Guard
from archspec.train.step.precision import Settings, autocast, float32_products
from archspec.train.summary import EpochResult, EvaluatedSplit, Summary

FP32: Final = Settings()


def train_epoch(run: Run, batches: Iterable[Batch], watchers: Sequence[Watcher] = ()) -> Metrics:
    """One pass over `batches`. Metrics stay on the device to its end: no synchronisation a step."""
    run.model.train()
    if not run.position:
        run.meter = Meter(run.steps_per_epoch, run.device, run.step, run.world)
    for batch in run.stop.between(batches):
        run.batch = batch
        set_rate(run.optimizer, run.rate_at(run.step))
        run.optimizer.zero_grad(set_to_none=True)
        run.world.seed_step(run.recipe.seed, run.step, run.device)
        run.guard.before_step(run)
        logits, loss = gradients(run, batch)
        run.meter.add(loss, logits, batch.y, batch.total)
        run.guard.before_update(run, loss)
        clip_gradients(run.optimizer, run.scaler, run.recipe.clip_grad_norm)
        run.scaler.step(run.optimizer)
        run.scaler.update()
        run.step += 1
        for watcher in watchers:
            watcher.on_step(run)
    return run.meter.metrics()


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Batches, device: torch.device, settings: Settings = FP32,
    tally: Tally | None = None, stop: Stop | None = None, world: World = ALONE,
) -> Metrics:
    """Mean loss and accuracy of `model` over one pass, dropout off, running statistics used.

    tally: is given what was predicted. stop: hears signals between two batches. world: each of its processes sees
    its part of the images, the means are those of all.
    """
    model.eval()
    forward, smallest = model if world.sharded else InPieces(model), smallest_evaluated(model)
    world.share_buffers(model)
    meter = Meter(len(batches), device, world=world)
    for images, labels, _, total in (stop or Stop()).between(batches.batches(0)):
        with autocast(settings.precision, device):
            logits = forward(padded(images, smallest)).float()[: len(images)]
        meter.add(F.cross_entropy(logits, labels), logits, labels, total)
        if tally is not None:
            tally.add(logits, labels)
    return meter.metrics()


def fit(
    model: nn.Module,
    train: Batches,
    test: Batches,
    recipe: Recipe,
    *,
    device: torch.device,
    validation: Batches | None = None,
    settings: Settings = FP32,
    watchers: Sequence[Watcher] = (),
    resume: Snapshot | None = None,
    stop: Stop | None = None,
    stop_after: int | None = None,
    world: World = ALONE,
) -> Summary:
    """Train `model`, which is on `device`, as `recipe` says.

    validation: is evaluated after each epoch, so that choices are made on it, and `test` once, at the end; without it
    `test` is evaluated after each epoch.
    Its random numbers (dropout) come from the recipe's seed; the global random state is left as it was.
    resume: a state of an earlier run of this recipe, from which this one goes on as if it had never stopped.
    stop: ends the run between two steps, while it is evaluated too; the watchers save it, and Stopped goes on.
    stop_after: pauses the run after that many epochs, or its last: the watchers save it, nothing is finished, and
    `test` is not evaluated where there is a validation set.
    world: the processes that train together, each of them with the same arguments but for its part of the batches.
    Raises SpecError RUN310 where the loss ceases to be a number, RUN315 where `resume` is of another network, RUN337
    where a layer cannot be deterministic as the settings want it.
    """
    watchers = (Guard(train, attempt), *watchers)
    steps = len(train)
    evaluated: tuple[Batches, EvaluatedSplit] = (test, "test") if validation is None else (validation, "validation")
    run = Run(
        model, make_optimizer(model, recipe, device, sharded=world.sharded), rate_schedule(recipe, steps), device,
        recipe, steps, settings, world,
    )
    run.tell = partial(_tell, watchers)
    run.stop = stop or run.stop
    run.stop.agreement = world.agreement()
    if recipe.ema is not None:
        average = Average(model, recipe.ema)
        run.averaged, watchers = average.model, (average, *watchers)  # before those that save it
    arithmetic = float32_products(settings.precision, device)
    kernels = deterministic_kernels(settings, device)
    with seeded(stream_seed(recipe.seed, "training"), device), arithmetic, kernels, run.stop.deferred():
        try:
            if resume is not None:
                restore(run, resume)
            join(run, train)
            check_layers(run, train)
            if settings.compile:
                run.forward = compiled(run.forward, recipe.batch_size // world.size, settings)
            for watcher in watchers:
                watcher.on_start(run)
            if resume is not None:  # after all that may have drawn random numbers of its own
                restore_rng(run, resume)
            epochs = min(stop_after or recipe.epochs, recipe.epochs)
            while run.epoch < epochs and why_stop(run.results, recipe.early_stopping) is None:
                run.results.append(_one_epoch(run, train, *evaluated, watchers))
                for watcher in watchers:
                    watcher.on_epoch(run)
            run.paused = stop_after is not None
            _end(run, None if validation is None else test, watchers)
        except Stopped:
            for watcher in watchers:
                watcher.on_stop(run)
            raise
        finally:
            for watcher in watchers:
                watcher.on_end(run)
    return run.summary()


def _one_epoch(
    run: Run, train: Batches, evaluated: Batches, split: EvaluatedSplit, watchers: Sequence[Watcher]
) -> EpochResult:
    trained = train_epoch(run, train.batches(run.epoch, run.position), watchers)
    started = run.meter.started
    images_per_s = trained.images / (time.perf_counter() - started)
    figures = evaluate(run.tested, evaluated, run.device, run.settings, stop=run.stop, world=run.world)
    return EpochResult(
        run.epoch + 1, trained.loss, trained.accuracy, figures.loss, figures.accuracy,
        images_per_s, seconds=time.perf_counter() - started, split=split,
        step=run.step, learning_rate=run.rate_at(run.step - 1), gradient_norm=run.meter.gradient_norm(),
        peak_memory_bytes=run.memory.so_far(),
    )


def _end(run: Run, test: Batches | None, watchers: Sequence[Watcher]) -> None:
    """Finish the run, or leave it to be resumed where it is paused. test: None where each epoch has evaluated it."""
    if not run.paused and test is not None:
        run.test = _test(run, test)
    for watcher in watchers:
        if run.paused:
            watcher.on_stop(run)
        else:
            watcher.on_finish(run)


def _test(run: Run, test: Batches) -> tuple[Metrics, Tally]:
    """The test set, once, with the weights of the last epoch."""
    tally = Tally()
    return evaluate(run.tested, test, run.device, run.settings, tally, run.stop, run.world), tally


def _tell(watchers: Sequence[Watcher], text: str) -> None:
    for watcher in watchers:
        watcher.on_notice(text)
