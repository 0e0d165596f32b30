"""Finds the first infinite or NaN value of a step: repeats the step and checks the output of every layer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from archspec.data.batches import Batch
from archspec.data.nested import tensors
from archspec.train.run import Run


@dataclass(frozen=True, slots=True)
class FirstBad:
    """The first value that is not finite.

    place: a description; None if all values were finite in the second pass. images: the indices of the images whose
    values are not finite.
    """

    place: str | None
    images: list[int]


def first_bad(run: Run, batch: Batch, step: Callable[[], object]) -> FirstBad:
    """Repeat the forward and backward pass of a step by calling `step`, up to the first value that is not finite.

    The network and the random numbers must be in their state before the step. The gradients of the step remain in the
    parameters.
    """
    outside = _values_from_outside(run.state.model, batch)
    if outside is not None:
        return outside
    watch = _Watch(run.state.model)
    try:
        with suppress(_Found):
            step()
    finally:
        watch.remove()
    return FirstBad(watch.place or _bad_gradient(run.state.model), [])


def _values_from_outside(model: nn.Module, batch: Batch) -> FirstBad | None:
    """Values that are not finite before anything is computed: in the inputs, targets, parameters or buffers."""
    for what, values in (("the inputs", batch.x), ("the targets", batch.y)):
        fine = torch.stack([_finite_samples(tensor) for tensor in tensors(values)]).all(0).cpu()
        if not bool(fine.all()):
            return FirstBad(what, batch.indices[~fine].tolist())
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point() and not _finite(tensor):
            return FirstBad(f"`{name}`, before the step", [])
    return None


def _finite_samples(tensor: Tensor) -> Tensor:
    """Whether each sample is finite, bool (N,)."""
    return torch.isfinite(tensor).reshape(len(tensor), -1).all(1)


class _Found(Exception):
    """Ends the search; not an error."""


class _Watch:
    """Checks the output of every layer in the forward pass, and its gradient in the backward pass."""

    def __init__(self, model: nn.Module) -> None:
        self.place: str | None = None
        self._handles = [
            module.register_forward_hook(self._hook(name or "the network"))
            for name, module in model.named_modules() if not any(module.children())
        ]

    def _hook(self, name: str) -> Any:
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor):
                return
            if not _finite(output):
                self._found(f"the output of `{name}`")
            if output.requires_grad:
                self._handles.append(output.register_hook(look_back))  # type: ignore[no-untyped-call]

        def look_back(gradient: Tensor) -> None:
            # No exception here: autograd would change its message. The first place counts.
            if self.place is None and not _finite(gradient):
                self.place = f"the gradient of `{name}`'s output"

        return look

    def _found(self, place: str) -> None:
        self.place = place
        raise _Found

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()


def _bad_gradient(model: nn.Module) -> str | None:
    """The last parameter, in the order of the layers, whose gradient is not finite: backward computed it first."""
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    found = [name for name, gradient in gradients.items() if not _finite(gradient)]
    if found:
        return f"the gradient of `{found[-1]}`"
    if not _finite(torch.nn.utils.get_total_norm(list(gradients.values()))):
        return "the norm of all gradients, although each gradient is finite"
    return None


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.detach()).all())
