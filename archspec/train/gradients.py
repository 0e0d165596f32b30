"""The gradients of one step: the whole batch at once, or where memory is short in pieces."""

from __future__ import annotations

from torch import Tensor

from archspec.data.batches import Batch
from archspec.train.run import Run


def gradients(run: Run, batch: Batch) -> tuple[Tensor, Tensor]:
    """A forward and a backward pass, which leaves gradients in the parameters: logits (N, classes), the loss ()."""
    images, targets = run.objective.mix(batch.x, batch.y, run.step)
    with run.autocast():
        logits = run.forward(images)
        loss = run.objective.loss(logits.float(), targets)
    run.scaler.scale(run.guard.on_loss(run, loss)).backward()  # type: ignore[no-untyped-call]
    return logits, loss
