"""Ends a run before the update by a loss or gradient that is no finite number; the weights stay as they are."""

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
from archspec.train.distributed.process_group import ProcessGroup
from archspec.train.doctor.advice import rate_after_failure
from archspec.train.optimizer import FUSED_DEVICES
from archspec.train.run import Run
from archspec.train.step.locate_non_finite import FirstBad, first_bad
from archspec.train.step.policy import StepPolicy

CHECK_S: Final = 0.5  # to look at the losses means to wait for the device
CHECK_STEPS: Final = 32  # the same for several processes, which have to look at the same step
LEAST_SCALE: Final = 2.0**-14  # of the loss in fp16: if gradients overflow here, no scale will help
SHOWN_IMAGES: Final = 8


class NonFinitePolicy(StepPolicy):
    """Raises SpecError RUN310 where the loss, or the norm of a gradient, is infinite or undefined.

    On a CPU each step is looked at before its update. Elsewhere the update is done by fused kernels that do nothing
    where a flag on the device is set; the flag is read twice a second, so that no step waits, and once set it stays:
    parameters and optimizer are what they were before the bad step. Buffers (running statistics) are put back
    to where they were at the last look. In fp16 a gradient may overflow: the scaler leaves that update out.

    train: used to reload the failing batch. attempt: does a step's forward and backward pass.
    """

    def __init__(
        self, train: Batches, attempt: Callable[[Run, Batch], object], *, deferred: bool | None = None
    ) -> None:
        super().__init__()
        self._train, self._attempt, self._deferred = train, attempt, deferred
        self._states: deque[tuple[int, dict[str, Tensor]]] = deque()  # random numbers before each step since the look
        self._shadow: list[Tensor] = []  # buffers as they were then
        self._next = 0.0
        self._flag = self._first = torch.zeros(())

    def on_start(self, run: Run) -> None:
        """Decide whether to look at each step or to let the device do so."""
        if self._deferred is None:
            device = run.runtime.device.type
            self._deferred = device != "cpu" and device in FUSED_DEVICES and not run.runtime.group.sharded
        self._flag = torch.zeros((), device=run.runtime.device)
        self._first = torch.full((), -1, dtype=torch.int64, device=run.runtime.device)
        self._shadow = [buffer.clone() for buffer in run.state.model.buffers()] if self._deferred else []
        if self._deferred and not run.state.scaler.is_enabled():
            vars(run.state.optimizer).update(grad_scale=None, found_inf=self._flag)  # as torch's GradScaler does

    def before_step(self, run: Run) -> None:
        """Keep what is needed to do the step again; off the CPU the random numbers of each step since the look."""
        super().before_step(run)
        if not self._deferred:
            self._states.clear()
        self._states.append((run.state.step, self._random))

    def _looked(self, run: Run) -> None:
        """All is well so far."""
        self._states.clear()
        if self._shadow:
            torch._foreach_copy_(self._shadow, list(run.state.model.buffers()))

    def on_loss(self, run: Run, loss: Tensor) -> Tensor:
        """The loss to differentiate: in fp16 one that makes the scaler leave out a bad step and all after it.

        With several processes a bad loss of one is to make the gradients of all bad, so that all stop.
        """
        if not run.runtime.group.alone:
            loss = loss * torch.where(torch.isfinite(loss.detach()), 1.0, torch.nan)
        if not self._deferred or not run.state.scaler.is_enabled():
            return loss
        self._note(run, ~torch.isfinite(loss.detach()))
        return loss * torch.where(self._flag > 0, torch.nan, 1.0)  # a product: what is only replaced has gradient 0

    def before_update(self, run: Run, loss: Tensor) -> None:
        """Look at the step, or have the device look; raises RUN310."""
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
        """Set the flag, which is never taken down; no wait for the device."""
        self._first.copy_(torch.where((self._flag == 0) & bad, run.state.step, self._first))
        self._flag.copy_(torch.maximum(self._flag, bad.to(self._flag.dtype)))

    def after_update(self, run: Run) -> None:
        """Look twice a second (with several processes every CHECK_STEPS), and at an epoch's last step."""
        due = time.monotonic() >= self._next if run.runtime.group.alone else run.state.step % CHECK_STEPS == 0
        if run.state.step % run.state.steps_per_epoch == 0 or due:
            self._look(run)

    def before_save(self, run: Run) -> None:
        """No checkpoint is of a state that nothing can come of; raises RUN310."""
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
        """Read what was found since the last look, which waits for the device; raises RUN310."""
        self._next = time.monotonic() + CHECK_S
        if run.state.scaler.is_enabled() and run.state.scaler.get_scale() < LEAST_SCALE:
            raise self._broken(run, run.state.step - 1, None)
        if self._deferred:
            bad = int(self._first)
            if bad >= 0:
                position = bad - run.state.epoch * run.state.steps_per_epoch
                raise self._broken(run, bad, float(run.state.meter.losses()[position]))
            self._looked(run)

    def after_epoch(self, run: Run) -> None:
        """The last update of an epoch shows in the evaluated loss."""
        result = run.state.results[-1]
        if not math.isfinite(result.evaluated_loss):
            raise error(
                "RUN310", f"the {result.split} loss is {result.evaluated_loss} after epoch {result.epoch} of "
                f"{run.recipe.epochs}",
                hint=_hint(run, run.state.step - 1),
            )

    def after_test(self, run: Run) -> None:
        """The test set may show what the validation set did not."""
        if run.test is not None and not math.isfinite(run.test[0].loss):
            raise error(
                "RUN310", f"the test loss is {run.test[0].loss} after the last epoch",
                hint=_hint(run, run.state.step - 1),
            )

    def _broken(self, run: Run, step: int, loss: float | None) -> SpecError:
        """The error of a step, counted from 0 over the run; loss None: of a gradient that no scale saves."""
        position = step - run.state.epoch * run.state.steps_per_epoch
        losses = run.state.meter.losses()[max(0, position - 3) : position].tolist()
        before = ", ".join(f"{value:.3g}" for value in losses)
        notes = _found_notes(*self._again(run, step, position), run.runtime.group)
        if before:
            notes.append(f"the losses just before it: {before}")
        if loss is None:
            what = "a gradient is not finite in fp16, whatever the loss is scaled by,"
        elif math.isfinite(loss):
            what = f"the gradient is not finite (the loss is {loss:.4g})"
        else:
            what = f"the loss is {loss}"
        epoch = f"epoch {run.state.epoch + 1} of {run.recipe.epochs}"
        place = f"step {position + 1} of {run.state.steps_per_epoch} in {epoch}"
        return error("RUN310", f"{what} at {place}", hint=_hint(run, step), notes=notes)

    def _again(self, run: Run, step: int, position: int) -> tuple[FirstBad | None, Batch | None]:
        """A second pass over the bad step's batch. It changes nothing that the run is made of.

        Not with a network that is spread: where one process has found the place, others would wait for it.
        """
        if run.runtime.group.sharded:
            return None, None
        batches = self._train.batches(run.state.epoch, position)
        try:
            batch = next(islice(batches, 1))
        except SpecError:  # the data cannot be read a second time: the first finding is what counts
            return None, None
        self._put_buffers_back(run)
        after = random_state(run.runtime.device)
        set_random_state(run.runtime.device, dict(self._states).get(step, after))
        gradients = [parameter.grad for parameter in run.state.model.parameters()]
        now, forward = run.state.step, run.runtime.forward
        run.state.step, run.runtime.forward = step, run.state.model  # whose layers can be watched
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
        """To before the step, or to the last look."""
        kept = self._shadow if self._deferred else self._buffers or ()
        for buffer, before in zip(run.state.model.buffers(), kept, strict=True):
            buffer.copy_(before)


def _found_notes(found: FirstBad | None, batch: Batch | None, group: ProcessGroup) -> list[str]:
    if batch is None:
        return []
    if found is None:
        found = FirstBad("unknown: memory was too short for a second pass", [])
    images = "the same images" if group.alone else f"those of the images that process {group.rank} has"
    place = found.place or f"nowhere: in a second pass over {images} all numbers are finite"
    notes = [f"first not finite: {place}"]
    if found.images:
        notes.append(f"in the images {_some(found.images)}")
    return [*notes, f"the step's images: {_some(batch.indices.tolist())}"]


def _some(images: Sequence[int]) -> str:
    """`3, 17, 4 and 61 more`: the first few."""
    more = len(images) - SHOWN_IMAGES
    return ", ".join(map(str, images[:SHOWN_IMAGES])) + (f" and {more} more" if more > 0 else "")


def _hint(run: Run, step: int) -> str:
    ways = f"try lr {rate_after_failure(run.recipe.lr, run.recipe.optimizer):g}, or a warm-up"
    if run.state.scaler.is_enabled():  # fp16, which ends at 65504
        ways += ", or --precision bf16"
    return f"the rate was {run.rate_at(step):g} there: {ways}"
