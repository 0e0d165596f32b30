"""The gradients of one step: of the whole batch at once, or in pieces, for `accumulate` or if memory runs out."""

from __future__ import annotations

from itertools import islice

import torch
from torch import Tensor

from archspec.backends.built import normalises_batch
from archspec.backends.fits import is_shortage, shortage
from archspec.data.batches import Batch, Batches
from archspec.data.nested import Nested, call, each, joined, size, split, tensors
from archspec.diagnostics import plural
from archspec.train.objective import Targets
from archspec.train.run import Run
from archspec.train.step.microbatch import (
    SMALLEST_NORMED,
    free_memory,
    halved,
    largest_piece,
    padded,
    pieces_of,
    smallest_evaluated,
)


def gradients(run: Run, batch: Batch) -> tuple[Nested, Tensor]:
    """Do a forward and a backward pass; returns logits (N, classes) and the loss (). Gradients are in the parameters.

    If memory runs out, this step and all later ones use half as many images at once. Raises SpecError BUILD201 if
    they cannot be halved any more.
    """
    while True:
        try:
            return attempt(run, batch)
        except RuntimeError as problem:
            if not is_shortage(problem) or run.runtime.group.sharded:  # all processes compute together
                raise
            smaller = _smaller(run, size(batch.y), problem)
        # Outside the except block, where the exception would still hold all tensors of the failed pass.
        free_memory(run.runtime.device)
        run.policy.put_back(run)
        run.state.micro_batch = smaller
        run.notify(_notice(run, size(batch.y), smaller))


def attempt(run: Run, batch: Batch) -> tuple[Nested, Tensor]:
    """The same without a second try. The gradients of the batch are the sum over its micro-batches."""
    images = size(batch.y)
    if not images:
        return _idle(run, batch)
    inputs, targets = run.objective.mix(batch.x, batch.y, run.state.step)
    weight = run.runtime.group.share(images, batch.total)
    most = _most_at_once(run)
    if most is None:
        return _backward(run, inputs, targets, weight)
    outputs, losses, start = [], [], 0
    for part in split(inputs, _pieces(run, batch, most)):
        end, share = start + size(part), size(part) / images
        of_part, loss = _backward(run, part, targets.part(start, end), weight * share, last=end == images)
        outputs.append(each(Tensor.detach, of_part))
        losses.append(loss.detach() * share)
        start = end
    return joined(outputs), torch.stack(losses).sum()


def _backward(
    run: Run, inputs: Nested, targets: Targets, weight: float, *, last: bool = True
) -> tuple[Nested, Tensor]:
    """One pass. weight: the factor of the mean loss. last: whether this pass completes the gradients of the batch."""
    with run.runtime.autocast(), run.runtime.group.no_sync(run.runtime.parallel, not last):
        outputs = call(run.runtime.forward, inputs)
        loss = run.objective.loss(each(Tensor.float, outputs), targets)
    minimised = run.policy.on_loss(run, loss if weight == 1 else loss * weight)
    try:
        run.state.scaler.scale(minimised).backward()  # type: ignore[no-untyped-call]
    except RuntimeError as problem:
        if not last or run.runtime.group.alone or not is_shortage(problem):
            raise
        # Other processes may already have received some of these gradients, so this one cannot repeat the pass.
        what = "the backward pass that all processes do together"
        raise shortage(what, problem, hint="lower the batch size, or use more processes") from problem
    return outputs, loss


def _idle(run: Run, batch: Batch) -> tuple[Nested, Tensor]:
    """A pass with a black image of weight 0, for a process that has no image in this step but must join collectives."""
    with run.runtime.autocast():
        outputs = call(run.runtime.forward, padded(batch.x))
    loss = _nothing(outputs)
    run.state.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    return each(lambda output: output[:0], outputs), loss


def _nothing(outputs: Nested) -> Tensor:
    """0, as a function of all outputs."""
    return 0 * torch.stack([output.float().sum() for output in tensors(outputs)]).sum()


def join(run: Run, train: Batches) -> None:
    """Average gradients over all processes from now on, and do two passes that change nothing.

    After its first pass DDP rearranges the gradients into buckets, in the order in which they arrived. With three
    processes or more, the position in a bucket decides the last bit of a sum. Two passes here put a new run and a
    resumed run into the same arrangement.
    """
    model, runtime = run.state.model, run.runtime
    if runtime.group.alone or runtime.group.sharded:  # a sharded network exchanges its gradients itself
        return
    runtime.forward = runtime.parallel = runtime.group.data_parallel(model)
    inputs = next(islice(train.batches(run.state.epoch % run.recipe.epochs), 1)).x
    none = each(lambda images: images[:0], inputs)
    model.eval()  # draws no random numbers and changes no running statistics
    for _ in range(2):  # DDP rearranges at the start of the second
        with runtime.autocast():
            outputs = call(runtime.forward, padded(none, smallest_evaluated(model)))
        _nothing(outputs).backward()  # type: ignore[no-untyped-call]
    run.state.optimizer.zero_grad(set_to_none=True)


def _most_at_once(run: Run) -> int | None:
    """The most images in one pass of this process; None for all images of a step."""
    recipe, short = run.recipe, run.state.micro_batch
    if recipe.accumulate == 1:
        return short
    each = recipe.batch_size // run.runtime.group.size
    return each if short is None else min(short, each)


def _pieces(run: Run, batch: Batch, most: int) -> int:
    """The number of pieces into which this process divides its images."""
    group, smallest = run.runtime.group, _smallest_piece(run)
    if not group.sharded or batch.total is None:
        return pieces_of(size(batch.y), most, smallest)
    # Each pass gathers the parameters from all processes, so all need the same number, even if one has an image more.
    return min(pieces_of(-(-batch.total // group.size), most), max(1, batch.total // group.size // smallest))


def _smaller(run: Run, images: int, problem: RuntimeError) -> int:
    """The next value of `run.state.micro_batch`."""
    smallest = _smallest_piece(run)
    smaller = halved(images, _most_at_once(run), smallest)
    if smaller is None:
        piece = largest_piece(images, _most_at_once(run), smallest)
        raise shortage(
            f"training, with only {plural(piece, run.samples.removesuffix('s'))} at once,", problem,
            hint="make the network narrower, or its input smaller",
        ) from problem
    return smaller


def _smallest_piece(run: Run) -> int:
    """Two images with batch norm, unless the recipe has batches of one: then its norms have several values anyway."""
    each = run.recipe.batch_size // run.runtime.group.size
    return SMALLEST_NORMED if normalises_batch(run.state.model) and (run.recipe.accumulate == 1 or each > 1) else 1


def _notice(run: Run, images: int, most: int) -> str:
    state = run.state
    place = f"step {state.position + 1} of {state.steps_per_epoch} in epoch {state.epoch + 1} of {run.recipe.epochs}"
    text = (
        f"warning[BUILD201]: {place} ran out of memory: it is repeated, from now on in micro-batches of at most "
        f"{plural(most, run.samples.removesuffix('s'))}; an update still uses all {images}"
    )
    normed = normalises_batch(run.state.model)
    return f"{text}; batch norm then takes its statistics from each {most}" if normed else text
