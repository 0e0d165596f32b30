"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import torch
from torch import nn

from archspec.backends.built import training_mode
from archspec.backends.init import seeded, stream_seed
from archspec.data.batches import Batch, Batches
from archspec.data.nested import call, each, part, size
from archspec.language.recipe import Recipe
from archspec.train.callbacks import Callback, in_phases
from archspec.train.checkpoint.state import Snapshot, restore, restore_rng
from archspec.train.distributed.process_group import ALONE, ProcessGroup
from archspec.train.early_stopping import why_stop
from archspec.train.ema import Average
from archspec.train.metrics import Meter, Metrics
from archspec.train.objective import Objective
from archspec.train.optimizer import clip_gradients, make_optimizer, set_rate
from archspec.train.report.confusion import Tally
from archspec.train.run import Run
from archspec.train.schedule import rate_schedule
from archspec.train.signals import Stop, Stopped
from archspec.train.step.compile import compiled
from archspec.train.step.deterministic import check_layers, deterministic_kernels
from archspec.train.step.gradients import attempt, gradients, join
from archspec.train.step.microbatch import InPieces, padded, smallest_evaluated
from archspec.train.step.non_finite import NonFinitePolicy
from archspec.train.step.precision import Settings, autocast, float32_products
from archspec.train.summary import EpochResult, EvaluatedSplit, Summary

FP32: Final = Settings()
CROSS_ENTROPY: Final = Objective()


def train_epoch(run: Run, batches: Iterable[Batch], callbacks: Sequence[Callback] = ()) -> Metrics:
    """One pass over `batches`. Metrics stay on the device until its end, so a step never waits for the device."""
    state, runtime, policy = run.state, run.runtime, run.policy
    training_mode(state.model)
    if not state.position:
        state.meter = run.new_meter()
    for batch in runtime.stop.between(batches):
        run.batch = batch
        set_rate(state.optimizer, run.rate_at(state.step))
        state.optimizer.zero_grad(set_to_none=True)
        runtime.group.seed_step(run.recipe.seed, state.step, runtime.device)
        policy.before_step(run)
        outputs, loss = gradients(run, batch)
        state.meter.add(loss, *run.objective.deciding(outputs, batch.y), batch.total)
        policy.before_update(run, loss)
        clip_gradients(state.optimizer, state.scaler, run.recipe.clip_grad_norm)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.step += 1
        policy.after_update(run)
        for callback in callbacks:
            callback.on_step(run)
    return state.meter.metrics()


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Batches, device: torch.device, settings: Settings = FP32,
    tally: Tally | None = None, stop: Stop | None = None, group: ProcessGroup = ALONE,
    objective: Objective = CROSS_ENTROPY,
) -> Metrics:
    """Mean loss and metrics of `model` in eval mode over one pass.

    tally: collects the predictions of a classifier. stop: handles signals between two batches. group: the processes
    that share the images; the means are over all of them. objective: the losses, whose first one has the metrics.
    """
    model.eval()
    forward, smallest = partial(call, model) if group.sharded else InPieces(model), smallest_evaluated(model)
    group.share_buffers(model)
    meter = Meter(len(batches), device, group=group, score=objective.score)
    for inputs, labels, _, total in (stop or Stop()).between(batches.batches(0)):
        with autocast(settings.precision, device):
            outputs = part(each(torch.Tensor.float, forward(padded(inputs, smallest))), 0, size(inputs))
        deciding = objective.deciding(outputs, labels)
        meter.add(objective.evaluated(outputs, labels), *deciding, total)
        if tally is not None:
            tally.add(*deciding)
    return meter.metrics()


def evaluate_run(run: Run, batches: Batches, tally: Tally | None = None) -> Metrics:
    """`evaluate` with the weights, device and settings of a run."""
    runtime = run.runtime
    model = run.state.eval_model
    return evaluate(
        model, batches, runtime.device, runtime.settings, tally, runtime.stop, runtime.group, run.objective
    )


def fit(
    model: nn.Module,
    train: Batches,
    test: Batches,
    recipe: Recipe,
    *,
    device: torch.device,
    validation: Batches | None = None,
    settings: Settings = FP32,
    callbacks: Sequence[Callback] = (),
    resume: Snapshot | None = None,
    stop: Stop | None = None,
    stop_after: int | None = None,
    group: ProcessGroup = ALONE,
    objective: Objective | None = None,
    samples: str = "images",
) -> Summary:
    """Train `model`, which is on `device`, according to `recipe`.

    Random numbers (dropout) come from the recipe's seed; the global random state does not change.
    validation: evaluated after each epoch, so that choices depend on it and not on `test`, which is evaluated once at
    the end. Without it `test` is evaluated after each epoch.
    resume: the state of an earlier run of this recipe; training continues as if it had not been interrupted.
    stop: on a signal the run ends between two steps or batches, the callbacks save it, and `Stopped` is raised.
    stop_after: pause after this number of epochs: the callbacks save the run but do not finish it, and a `test` that
    is only due at the end is not evaluated.
    callbacks: follow the run, in the order of their phases.
    group: the processes that train together. All have the same arguments, except for their parts of the batches.
    objective: the losses; default: those of the recipe.
    samples: what a batch consists of, in messages.
    Raises SpecError RUN310 if the loss becomes infinite or NaN, RUN315 if `resume` belongs to another network, RUN337
    if the settings require determinism and a layer does not support it.
    """
    steps = len(train)
    evaluated: tuple[Batches, EvaluatedSplit] = (test, "test") if validation is None else (validation, "validation")
    run = Run.create(
        model, make_optimizer(model, recipe, device, sharded=group.sharded), rate_schedule(recipe, steps), device,
        recipe, steps, settings, group,
    )
    run.objective, run.samples = objective or run.objective, samples
    run.policy = NonFinitePolicy(train, attempt)
    if recipe.ema is not None:
        average = Average(model, recipe.ema)
        run.state.averaged, callbacks = average.model, (average, *callbacks)
    callbacks = in_phases(callbacks)
    run.notify = partial(_notify, callbacks)
    run.runtime.stop = stop or run.runtime.stop
    run.runtime.stop.agreement = group.agreement()
    arithmetic = float32_products(settings.precision, device)
    kernels = deterministic_kernels(settings, device)
    with seeded(stream_seed(recipe.seed, "training"), device), arithmetic, kernels, run.runtime.stop.deferred():
        try:
            _begin(run, train, resume, callbacks)
            epochs = min(stop_after or recipe.epochs, recipe.epochs)
            while run.state.epoch < epochs and why_stop(run.state.results, recipe.early_stopping) is None:
                run.state.results.append(_one_epoch(run, train, *evaluated, callbacks))
                run.policy.after_epoch(run)
                for callback in callbacks:
                    callback.on_epoch(run)
            run.paused = stop_after is not None
            _end(run, None if validation is None else test, callbacks)
        except Stopped:
            for callback in callbacks:
                callback.on_stop(run)
            raise
        finally:
            for callback in callbacks:
                callback.on_end(run)
    return run.summary()


def _begin(run: Run, train: Batches, resume: Snapshot | None, callbacks: Sequence[Callback]) -> None:
    """Prepare the first step of a new or resumed run."""
    if resume is not None:
        restore(run, resume)
    join(run, train)
    check_layers(run, train)
    settings = run.runtime.settings
    if settings.compile:
        batch = run.recipe.batch_size // run.runtime.group.size
        run.runtime.forward = compiled(
            run.runtime.forward, batch, settings, whole=run.recipe.recompute is not None
        )
    run.policy.on_start(run)
    for callback in callbacks:
        callback.on_start(run)
    if resume is not None:  # last, because callbacks may have drawn random numbers
        restore_rng(run, resume)


def _one_epoch(
    run: Run, train: Batches, evaluated: Batches, split: EvaluatedSplit, callbacks: Sequence[Callback]
) -> EpochResult:
    trained = train_epoch(run, train.batches(run.state.epoch, run.state.position), callbacks)
    started = run.state.meter.started
    images_per_s = trained.images / (time.perf_counter() - started)
    figures = evaluate_run(run, evaluated)
    return EpochResult(
        run.state.epoch + 1, trained.loss, trained.accuracy, figures.loss, figures.accuracy,
        images_per_s, seconds=time.perf_counter() - started, split=split,
        train_metrics=trained.others, evaluated_metrics=figures.others,
        step=run.state.step, learning_rate=run.rate_at(run.state.step - 1),
        gradient_norm=run.state.meter.gradient_norm(), peak_memory_bytes=run.runtime.memory.so_far(),
    )


def _end(run: Run, test: Batches | None, callbacks: Sequence[Callback]) -> None:
    """Finish the run, or save it if it is paused. test: None if each epoch has evaluated it."""
    if not run.paused and test is not None:
        run.test = _test(run, test)
        run.policy.after_test(run)
    for callback in callbacks:
        if run.paused:
            callback.on_stop(run)
        else:
            callback.on_finish(run)


def _test(run: Run, test: Batches) -> tuple[Metrics, Tally]:
    """Evaluate the test set with the weights of the last epoch."""
    tally = Tally()
    return evaluate_run(run, test, tally if run.objective.classifies else None), tally


def _notify(callbacks: Sequence[Callback], text: str) -> None:
    for callback in callbacks:
        callback.on_notice(text)
