"""Where in a network a number first ceased to be one: a step done again, with an eye on every layer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from archspec.data.batches import Batch
from archspec.train.run import Run


@dataclass(frozen=True, slots=True)
class FirstBad:
    """place: in words; None where the second pass found every number finite. images: whose inputs are not finite."""

    place: str | None
    images: list[int]


def first_bad(run: Run, batch: Batch, step: Callable[[], object]) -> FirstBad:
    """Do a step's forward and backward pass again, by `step`, up to the first number that is none.

    The network must be in the state, and the random numbers where they were, before the step. Gradients of the
    step remain in the parameters.
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
    """What is wrong before anything is computed."""
    fine = torch.isfinite(batch.x).flatten(1).all(1).cpu()
    if not bool(fine.all()):
        return FirstBad("the input images", batch.indices[~fine].tolist())
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point() and not _finite(tensor):
            return FirstBad(f"`{name}`, before the step", [])
    return None


class _Found(Exception):
    """No error: the search is over."""


class _Watch:
    """Looks at the output of every layer as it is computed, then at its gradient as that comes back."""

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
            # An exception would cross the engine, which adds its own words to it; the first place counts.
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
    """The last parameter, in the order of the layers, whose gradient is not finite: it was computed first."""
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    found = [name for name, gradient in gradients.items() if not _finite(gradient)]
    if found:
        return f"the gradient of `{found[-1]}`"
    if not _finite(torch.nn.utils.get_total_norm(list(gradients.values()))):
        return "the norm of all gradients, each of which is a number"
    return None


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.detach()).all())
