"""Measures inside the network during one step, without waiting for the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from archspec.backends.built import layers_with
from archspec.data.nested import Nested, call, part, size, tensors
from archspec.ops.traits import Family, Saturates
from archspec.train.doctor.history import Activation, FirstBatch, Sample, Weight

SATURATED: Final = 0.01  # of the range, from either end, where the slope is below 4 % of its maximum
COMPILED: Final = "_orig_mod."  # the prefix that torch.compile adds to names in a module
FEWEST: Final = 16  # images in a batch; with fewer, a unit that is zero for all of them means nothing
REPLAYED: Final = 64  # images of an extra pass that only serves the hooks
MOST_ELEMENTS: Final = 1 << 20  # of a weight whose update is measured; larger ones are sampled by rows


class _Seen(NamedTuple):
    name: str
    family: Family
    units: int
    stuck: Tensor


class Probe:
    """Measures in one step: attach it before the step, then read and remove it.

    While it is attached, a forward hook on each activation layer reduces the output to one number on the device;
    copies of the weights show what the step changed. The network's results stay the same.
    """

    def __init__(self, model: nn.Module) -> None:
        self._seen: dict[str, _Seen] = {}
        self._reached = False
        self._handles = [
            layer.module.register_forward_hook(self._hook(layer.path.removeprefix(COMPILED), saturates.family))
            for layer, saturates in layers_with(model, Saturates)
        ]
        self._before = {
            name: _rows(parameter).clone()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.ndim > 1
        }
        self._names: list[str] = []

    def _hook(self, name: str, family: Family) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            self._reached = True
            if torch.is_grad_enabled() and isinstance(output, Tensor) and not output.requires_grad:
                return  # all before it is frozen: no step changes what it gives
            if module.training and isinstance(output, Tensor) and output.ndim > 1 and len(output) >= FEWEST:
                with torch.no_grad():
                    stuck = stuck_share(output, family)
                    if name in self._seen:  # a micro-batch: a unit that is stuck in the batch is stuck in each
                        stuck = torch.minimum(stuck, self._seen[name].stuck)
                    self._seen[name] = _Seen(name, family, output.shape[1], stuck)

        return hook

    def remove(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()

    @torch.no_grad()
    def figures(self, model: nn.Module, images: Nested) -> list[Tensor]:
        """The measurements as tensors of shape (), float32, on the device; `sample` interprets them on the host.

        Removes the hooks. images: of the step, for an extra pass if the model is compiled, because compiled code does
        not call hooks.
        """
        if self._handles and not self._reached and size(images) >= FEWEST:
            _replay(model, part(images, 0, REPLAYED))
        self.remove()
        found = [seen.stuck for seen in self._seen.values()]
        for name, parameter in model.named_parameters():
            if parameter.grad is None or name not in self._before:
                continue
            before = self._before[name]
            self._names.append(name.removeprefix(COMPILED))
            found += [_norm(before), _norm(parameter.grad), _norm(_rows(parameter) - before)]
        return found

    def sample(self, step: int, rate: float, figures: Sequence[float]) -> Sample:
        """A sample from the numbers of `figures`, after they were copied to the host."""
        rest = iter(figures)
        activations = tuple(Activation(s.name, s.family.name, s.units, next(rest)) for s in self._seen.values())
        weights = tuple(Weight(name, next(rest), next(rest), next(rest)) for name in self._names)
        return Sample(step, rate, activations, weights)


def _replay(model: nn.Module, images: Nested) -> None:
    """Do a forward pass without compiled code that changes neither running statistics nor the random state."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    device = next(tensors(images)).device
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.compiler.set_stance("force_eager"):
        call(model, images)
    for buffer, before in buffers:
        buffer.copy_(before)


def stuck_share(output: Tensor, family: Family) -> Tensor:
    """The share of units that are zero (ReLU) or saturated at one end everywhere, shape (). output: (N, units, …)."""
    others = [d for d in range(output.ndim) if d != 1]
    high = output.amax(others)
    if family.high is None:
        return (high <= family.low).float().mean()
    margin = SATURATED * (family.high - family.low)
    return ((high < family.low + margin) | (output.amin(others) > family.high - margin)).float().mean()


def input_figures(images: Tensor) -> list[Tensor]:
    """Mean, standard deviation, largest deviation of a position over the images, whether all is finite; each ()."""
    x = images.detach().float()
    between = x.std(0, correction=0).amax()
    return [x.mean(), x.std(correction=0), between, torch.isfinite(x).all().float()]


def first_batch(step: int, images: int, figures: Sequence[float]) -> FirstBatch:
    """A `FirstBatch` from the numbers of `input_figures`, after they were copied to the host."""
    mean, std, spread, finite = figures
    return FirstBatch(step, mean, std, spread if images > 1 else None, finite=bool(finite))


def _norm(tensor: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(tensor, dtype=torch.float32)
    return norm


def _rows(parameter: Tensor) -> Tensor:
    """The tensor, or evenly spaced rows of a large one, because a whole copy might not fit into memory."""
    return parameter.detach()[:: -(-parameter.numel() // MOST_ELEMENTS)]
