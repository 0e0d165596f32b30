"""Ends a run before an infinite or NaN loss or gradient reaches the weights."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

import torch
from torch import Tensor

from archspec.backends.fits import is_shortage
from archspec.data.batches import Batch, Batches
from archspec.diagnostics import SpecError, error
from archspec.train.checkpoint.rng import random_state, set_random_state
from archspec.train.distributed.fsdp import own_part
from archspec.train.doctor.advice import rate_after_failure
from archspec.train.optimizer import FUSED_DEVICES
from archspec.train.run import Run
from archspec.train.step.locate_non_finite import FirstBad, first_bad
from archspec.train.step.policy import StepPolicy

CHECK_S: Final = 0.5  # seconds between two checks, because each waits for the device
CHECK_STEPS: Final = 32  # the same in steps, for several processes, which must check at the same step
LEAST_SCALE: Final = 2.0**-14  # of the loss in fp16; if gradients overflow here, no scale helps
SHOWN_IMAGES: Final = 8


class NonFinitePolicy(StepPolicy):
    """Raises SpecError RUN310 if the loss or the norm of a gradient is infinite or NaN.

    On a CPU each step is checked before its update. On other devices the fused update kernels do nothing while a flag
    on the device is set. The flag is read twice a second, so that steps do not wait, and is never cleared; so
    parameters and optimizer keep their values from before the bad step. Buffers (running statistics) are restored to
    their values at the last check. In fp16 a gradient may overflow; the scaler then skips the update.

    train: reloads the failing batch. attempt: does the forward and backward pass of a step.
    """

    def __init__(
        self, train: Batches, attempt: Callable[[Run, Batch], object], *, deferred: bool | None = None
    ) -> None:
        super().__init__()
        self._train, self._attempt, self._deferred = train, attempt, deferred
        self._states: deque[tuple[int, dict[str, Tensor]]] = deque()  # random state before each step since a check
        self._shadow: list[Tensor] = []  # the buffers at the last check
        self._next = 0.0
        self._flag = self._first = torch.zeros(())

    def on_start(self, run: Run) -> None:
        """Decide whether to check each step here or on the device."""
        if self._deferred is None:
            device = run.runtime.device.type
            self._deferred = device != "cpu" and device in FUSED_DEVICES and not run.runtime.group.sharded
        self._flag = torch.zeros((), device=run.runtime.device)
        self._first = torch.full((), -1, dtype=torch.int64, device=run.runtime.device)
        self._shadow = [buffer.clone() for buffer in run.state.model.buffers()] if self._deferred else []
        if self._deferred and not run.state.scaler.is_enabled():
            vars(run.state.optimizer).update(grad_scale=None, found_inf=self._flag)  # as torch's GradScaler does

    def before_step(self, run: Run) -> None:
        """Keep what a repetition needs; if the device checks, the random state of each step since the last check."""
        super().before_step(run)
        if not self._deferred:
            self._states.clear()
        self._states.append((run.state.step, self._random))

    def _passed(self, run: Run) -> None:
        """Forget the steps before this check, which found nothing."""
        self._states.clear()
        if self._shadow:
            torch._foreach_copy_(self._shadow, list(run.state.model.buffers()))

    def on_loss(self, run: Run, loss: Tensor) -> Tensor:
        """The loss to differentiate: in fp16 it makes the scaler skip a bad step and all later ones.

        With several processes a bad loss in one makes the gradients of all NaN, so that all of them stop.
        """
        if not run.runtime.group.alone:
            loss = loss * torch.where(torch.isfinite(loss.detach()), 1.0, torch.nan)
        if not self._deferred or not run.state.scaler.is_enabled():
            return loss
        self._note(run, ~torch.isfinite(loss.detach()))
        return loss * torch.where(self._flag > 0, torch.nan, 1.0)  # a product, because a replaced value has gradient 0

    def before_update(self, run: Run, loss: Tensor) -> None:
        """Check the step, here or on the device. Raises RUN310."""
        trained = (p for group in run.state.optimizer.param_groups for p in group["params"])
        norms = torch._foreach_norm([own_part(p.grad) for p in trained if p.grad is not None])
        figures = torch.stack([loss.detach(), *norms])
        norm, scaled = torch.linalg.vector_norm(figures[1:]), run.state.scaler.is_enabled()
        bad = ~torch.isfinite(figures[:1] if scaled else figures).all()
        if run.runtime.group.sharded:  # each process has a part of the gradients
            parts = run.runtime.group.sum(torch.stack([bad.float(), norm.square()]))
            bad, norm = parts[0] > 0, parts[1].sqrt()
        run.state.meter.note_gradient(norm / run.state.scaler._get_scale_async() if scaled else norm)
        if self._deferred:
            self._note(run, bad)
        elif bool(bad):
            raise self._broken(run, run.state.step, float(loss.detach()))

    def _note(self, run: Run, bad: Tensor) -> None:
        """Set the flag if `bad`, without waiting for the device."""
        self._first.copy_(torch.where((self._flag == 0) & bad, run.state.step, self._first))
        self._flag.copy_(torch.maximum(self._flag, bad.to(self._flag.dtype)))

    def after_update(self, run: Run) -> None:
        """Check twice a second (every CHECK_STEPS with several processes), and at the last step of an epoch."""
        due = time.monotonic() >= self._next if run.runtime.group.alone else run.state.step % CHECK_STEPS == 0
        if run.state.step % run.state.steps_per_epoch == 0 or due:
            self._look(run)

    def before_save(self, run: Run) -> None:
        """Raise RUN310 instead of saving a checkpoint with values that are not finite."""
        self._look(run)
        tensors = {name: tensor for name, tensor in run.state.model.state_dict().items() if tensor.is_floating_point()}
        finite = torch.stack([torch.isfinite(own_part(tensor)).all() for tensor in tensors.values()]).tolist()
        first = finite.index(False) if False in finite else len(finite)
        if run.runtime.group.sharded:  # all save, or none
            first = len(finite) - run.runtime.group.maximum(len(finite) - first)
        if first < len(finite):  # an update may overflow though its gradients are finite
            place = f"step {run.state.step} of {run.total_steps}"
            raise error("RUN310", f"`{[*tensors][first]}` is not finite after {place}",
                        hint=_hint(run, run.state.step - 1))

    def _look(self, run: Run) -> None:
        """Read the flag, which waits for the device. Raises RUN310."""
        self._next = time.monotonic() + CHECK_S
        if run.state.scaler.is_enabled() and run.state.scaler.get_scale() < LEAST_SCALE:
            raise self._broken(run, run.state.step - 1, None)
        if self._deferred:
            bad = int(self._first)
            if bad >= 0:
                position = bad - run.state.epoch * run.state.steps_per_epoch
                raise self._broken(run, bad, float(run.state.meter.losses()[position]))
            self._passed(run)

    def after_epoch(self, run: Run) -> None:
        """Check the evaluated loss, which shows the effect of the last update. Raises RUN310."""
        result = run.state.results[-1]
        if not math.isfinite(result.evaluated_loss):
            raise error(
                "RUN310", f"the {result.split} loss is {result.evaluated_loss} after epoch {result.epoch} of "
                f"{run.recipe.epochs}",
                hint=_hint(run, run.state.step - 1),
            )

    def after_test(self, run: Run) -> None:
        """Check the test loss, which may not be finite although the validation loss is. Raises RUN310."""
        if run.test is not None and not math.isfinite(run.test[0].loss):
            raise error(
                "RUN310", f"the test loss is {run.test[0].loss} after the last epoch",
                hint=_hint(run, run.state.step - 1),
            )

    def _broken(self, run: Run, step: int, loss: float | None) -> SpecError:
        """The error for a step, counted from 0 over the run. loss: None if a gradient overflows at every fp16 scale."""
        position = step - run.state.epoch * run.state.steps_per_epoch
        losses = run.state.meter.losses()[max(0, position - 3) : position].tolist()
        before = ", ".join(f"{value:.3g}" for value in losses)
        notes = _found_notes(*self._again(run, step, position), run)
        if before:
            notes.append(f"the losses just before it: {before}")
        if loss is None:
            what = "a gradient is not finite in fp16, with any scale of the loss,"
        elif math.isfinite(loss):
            what = f"the gradient is not finite (the loss is {loss:.4g})"
        else:
            what = f"the loss is {loss}"
        epoch = f"epoch {run.state.epoch + 1} of {run.recipe.epochs}"
        place = f"step {position + 1} of {run.state.steps_per_epoch} in {epoch}"
        return error("RUN310", f"{what} at {place}", hint=_hint(run, step), notes=notes)

    def _again(self, run: Run, step: int, position: int) -> tuple[FirstBad | None, Batch | None]:
        """Repeat the bad step to find the first bad value, without changing the run.

        A sharded network is not repeated: once one process had found the place, the others would wait for it.
        """
        if run.runtime.group.sharded:
            return None, None
        batches = self._train.batches(run.state.epoch, position)
        try:
            batch = next(islice(batches, 1))
        except SpecError:  # the data cannot be read a second time; report the first finding without a place
            return None, None
        self._put_buffers_back(run)
        after = random_state(run.runtime.device)
        set_random_state(run.runtime.device, dict(self._states).get(step, after))
        gradients = [parameter.grad for parameter in run.state.model.parameters()]
        now, forward = run.state.step, run.runtime.forward
        run.state.step, run.runtime.forward = step, run.state.model  # not compiled or wrapped, so hooks work
        run.state.optimizer.zero_grad(set_to_none=True)
        try:
            return first_bad(run, batch, lambda: self._attempt(run, batch)), batch
        except RuntimeError as problem:
            if not is_shortage(problem):
                raise
            return None, batch
        finally:
            run.state.step, run.runtime.forward = now, forward
            for parameter, gradient in zip(run.state.model.parameters(), gradients, strict=True):
                parameter.grad = gradient
            self._put_buffers_back(run)
            set_random_state(run.runtime.device, after)

    def _put_buffers_back(self, run: Run) -> None:
        """Restore the buffers from before the step, or from the last check."""
        kept = self._shadow if self._deferred else self._buffers or ()
        for buffer, before in zip(run.state.model.buffers(), kept, strict=True):
            buffer.copy_(before)


def _found_notes(found: FirstBad | None, batch: Batch | None, run: Run) -> list[str]:
    if batch is None:
        return []
    if found is None:
        found = FirstBad("unknown: memory was too short for a second pass", [])
    group = run.runtime.group
    these = f"the same {run.samples}" if group.alone else f"the {run.samples} of process {group.rank}"
    place = found.place or f"nowhere: in a second pass over {these} all numbers are finite"
    notes = [f"first not finite: {place}"]
    if found.images:
        notes.append(f"in the {run.samples} {_some(found.images)}")
    return [*notes, f"the step's {run.samples}: {_some(batch.indices.tolist())}"]


def _some(images: Sequence[int]) -> str:
    """`3, 17, 4 and 61 more`: the first few."""
    more = len(images) - SHOWN_IMAGES
    return ", ".join(map(str, images[:SHOWN_IMAGES])) + (f" and {more} more" if more > 0 else "")


def _hint(run: Run, step: int) -> str:
    ways = f"try lr {rate_after_failure(run.recipe.lr, run.recipe.optimizer):g}, or a warm-up"
    if run.state.scaler.is_enabled():  # fp16, whose largest value is 65504
        ways += ", or --precision bf16"
    return f"the rate was {run.rate_at(step):g} there: {ways}"
