"""Looks into the network during one step, without waiting for the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from archspec.backends.built import layers_with
from archspec.ops.traits import Family, Saturates
from archspec.train.doctor.history import Activation, FirstBatch, Sample, Weight

SATURATED: Final = 0.01  # of the range, from either end: there the slope is less than 4 % of the greatest
COMPILED: Final = "_orig_mod."  # what torch.compile puts before the names of a module that it wraps
FEWEST: Final = 16  # images of a batch in which a unit that is zero for all of them means something
REPLAYED: Final = 64  # images of a pass that is made for the hooks alone
MOST_ELEMENTS: Final = 1 << 20  # of a weight whose update is measured; of a larger one, evenly spaced rows


class _Seen(NamedTuple):
    name: str
    family: Family
    units: int
    stuck: Tensor


class Probe:
    """Attached before a step, it measures in that step, and is read and removed after it.

    While it is attached, a forward hook on each activation layer reduces the output to one number, on the
    device; copies of the weights tell what the step changed. What the network computes stays the same.
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
                    if name in self._seen:  # the batch comes in pieces: what is stuck in all of it is so in each
                        stuck = torch.minimum(stuck, self._seen[name].stuck)
                    self._seen[name] = _Seen(name, family, output.shape[1], stuck)

        return hook

    def remove(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()

    @torch.no_grad()
    def figures(self, model: nn.Module, images: Tensor) -> list[Tensor]:
        """Numbers on the device, shape () and float32, for `sample` to take apart on the host.

        Takes the hooks away. images: the step's, for a compiled model, whose code passes hooks by.
        """
        if self._handles and not self._reached and len(images) >= FEWEST:
            _replay(model, images[:REPLAYED])
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
        """The numbers of `figures`, read from the device, under their names."""
        rest = iter(figures)
        activations = tuple(Activation(s.name, s.family.name, s.units, next(rest)) for s in self._seen.values())
        weights = tuple(Weight(name, next(rest), next(rest), next(rest)) for name in self._names)
        return Sample(step, rate, activations, weights)


def _replay(model: nn.Module, images: Tensor) -> None:
    """A forward pass outside of compiled code that leaves running statistics and random state as they were."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.compiler.set_stance("force_eager"):
        model(images)
    for buffer, before in buffers:
        buffer.copy_(before)


def stuck_share(output: Tensor, family: Family) -> Tensor:
    """Share of the units (N, units, …) that are zero (ReLUs), or saturated at one end, everywhere: shape ()."""
    others = [d for d in range(output.ndim) if d != 1]
    high = output.amax(others)
    if family.high is None:
        return (high <= family.low).float().mean()
    margin = SATURATED * (family.high - family.low)
    return ((high < family.low + margin) | (output.amin(others) > family.high - margin)).float().mean()


def input_figures(images: Tensor) -> list[Tensor]:
    """Mean, standard deviation, largest deviation between the images, and whether all is finite; shape () each."""
    x = images.detach().float()
    between = x.std(0, correction=0).amax()
    return [x.mean(), x.std(correction=0), between, torch.isfinite(x).all().float()]


def first_batch(step: int, images: int, figures: Sequence[float]) -> FirstBatch:
    """What `input_figures` gave, read from the device."""
    mean, std, spread, finite = figures
    return FirstBatch(step, mean, std, spread if images > 1 else None, finite=bool(finite))


def _norm(tensor: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(tensor, dtype=torch.float32)
    return norm


def _rows(parameter: Tensor) -> Tensor:
    """The tensor, or evenly spaced rows of a large one: a whole copy would cost memory that a run may lack."""
    return parameter.detach()[:: -(-parameter.numel() // MOST_ELEMENTS)]
