"""A training step without data: its loss, whether it can be done, and whether it fits into memory."""

from __future__ import annotations

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from archspec.analysis import cost_report
from archspec.backends.fits import check_fits, saved_bytes, training_bytes
from archspec.backends.torch import build
from archspec.diagnostics import error
from archspec.graph import Graph
from archspec.tensors import DTYPE_BYTES


def example_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Something to differentiate: cross-entropy of (N, classes) with labels (N,), the mean of any other outputs."""
    return F.cross_entropy(outputs, labels) if outputs.ndim == 2 else outputs.mean()


def why_no_step(graph: Graph, batch_size: int) -> str | None:
    """Why no training step can be done with so many images, or None if one can."""
    if not cost_report(graph).params:
        return "the network has no parameters to train"
    path = _lone_value(graph, batch_size, "batch_norm2d")
    return f"{path} needs a batch of 2 or more to train: one value a channel has no variance" if path else None


def check_batch(graph: Graph, batch_size: int) -> None:
    """Raise SpecError SHAPE102 where a norm cannot even run with so many images: torch refuses it."""
    if path := _lone_value(graph, batch_size, "group_norm"):
        raise error("SHAPE102", f"{path}: one value a group has no variance, with a batch of {batch_size}",
                    hint="make the batch 2 or more")


def _lone_value(graph: Graph, batch_size: int, norm: str) -> str | None:
    """The first norm of that kind that would normalise over one value."""
    for path, node, _ in graph.walk():
        if node.op is not None and node.op.op == norm:
            groups = getattr(node.op, "num_groups", node.output.shape[1])
            if batch_size * prod(node.output.shape[1:]) == groups:
                return path
    return None


def check_step_fits(
    graph: Graph, batch_size: int, device: torch.device, *, states: int, dtype: str = "float32", what: str = "training"
) -> None:
    """Raise SpecError BUILD201 if training steps of so many images would not fit on `device`. Allocates nothing.

    states: see `training_bytes`. what: what is to be done, for the message. A forward pass needs less.
    """
    report = cost_report(graph, batch_size=batch_size, dtype=dtype)
    width = DTYPE_BYTES[dtype]
    fixed = training_bytes(report.params * width, report.buffers * width, 0, states=states)
    check_fits(fixed, device, what=what)
    # One activation is there at once. Past this, no size is more than torch can count.
    what = f"{what} with batches of {batch_size}"
    check_fits(fixed + batch_size * width * _largest(graph), device, what=what)
    with torch.device("meta"):
        model = build(graph).to(getattr(torch, dtype))
    check_fits(fixed + saved_bytes(model, (batch_size, *report.input_shape)), device, what=what)


def check_forward_fits(
    graph: Graph, batch_size: int, device: torch.device, *, dtype: str = "float32", what: str = "a forward pass"
) -> None:
    """Raise SpecError BUILD201 if a forward pass without gradients would not fit on `device`. Allocates nothing."""
    report = cost_report(graph)
    width = DTYPE_BYTES[dtype]
    fixed = (report.params + report.buffers) * width
    activations = batch_size * width * (graph.inputs[0][1].numel + _largest(graph))
    check_fits(fixed + activations, device, what=f"{what} with batches of {batch_size}")


def _largest(graph: Graph) -> int:
    """Elements of the largest activation of one image, the image itself included."""
    return max(graph.inputs[0][1].numel, *(node.output.numel for _, node, _ in graph.walk()), 0)
