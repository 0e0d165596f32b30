"""Measures one candidate: the time and the losses of some training steps on real images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isnan, nan
from typing import Any, Final

import torch
from torch import nn

from archspec.backends.built import layers_with
from archspec.backends.fits import is_shortage
from archspec.backends.init import seeded, stream_seed
from archspec.backends.own_kernels import use_own_kernels
from archspec.backends.torch import build
from archspec.data.batches import Batch
from archspec.diagnostics import SpecError
from archspec.ir import Graph
from archspec.language.recipe import Recipe
from archspec.ops.traits import Stochastic
from archspec.train.loop import train_epoch
from archspec.train.optimizer import make_optimizer
from archspec.train.run import Run
from archspec.train.setup import Machine, fresh_model
from archspec.train.step.compile import compiled
from archspec.train.step.microbatch import free_memory
from archspec.train.step.precision import float32_products
from archspec.train.tune.candidates import Candidate

COMPARED: Final = 3  # steps whose losses are compared
TOLERANCE: Final = 0.02  # relative to the loss of the reference
NORM_TOLERANCE: Final = 0.05  # relative to the reference's norm of all gradients in the first step
SLOWED: Final = 0.01  # of the recipe's rate; at the full rate a network may amplify rounding so that nothing agrees
GIVE_UP: Final = 1.5  # times the best time so far: a candidate with a slower first step is not measured further
BLOCK_S: Final = 0.25  # steps are timed in blocks, because on a GPU each timing waits for the device
BLOCKS: Final = 4
MOST_STEPS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Problem:
    """What to measure. batches: a few training batches, float32 and NCHW, on the device."""

    graph: Graph
    recipe: Recipe
    device: torch.device
    batches: Sequence[Batch]

    def own_layers(self, *, channels_last: bool) -> list[str]:
        """The layers that archspec's own kernels would compute."""
        with torch.device("meta"):
            return use_own_kernels(build(self.graph), self.graph, channels_last=channels_last)

    @property
    def images(self) -> int:
        """The number of images in a step."""
        return len(self.batches[0].y)


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements of a candidate.

    step_s: seconds per step. losses: of the first steps. norm: of all gradients in the first step; None if a scaler
    has scaled them. refused: why it cannot be chosen; None if it can.
    """

    candidate: Candidate
    step_s: float | None
    losses: tuple[float, ...] = ()
    norm: float | None = None
    refused: str | None = None

    def off_by(self, reference: Measured) -> float:
        """The largest relative deviation of its losses from those of the reference."""
        deviations = [abs(a - b) / abs(b) for a, b in zip(self.losses, reference.losses, strict=True)]
        return nan if any(map(isnan, deviations)) else max(deviations, default=0.0)

    def norm_off_by(self, reference: Measured) -> float:
        """The relative deviation of its gradient norm from that of the reference."""
        if self.norm is None or not reference.norm:
            return 0.0
        return abs(self.norm - reference.norm) / reference.norm

    def disagreement(self, reference: Measured) -> str | None:
        """How its results differ from the reference, as a text; None if they agree."""
        for what, off, most in (
            ("loss", self.off_by(reference), TOLERANCE), ("gradient", self.norm_off_by(reference), NORM_TOLERANCE),
        ):
            if not off <= most:  # also true for NaN
                return f"its {what} is off by {100 * off:.1f} %, more than {100 * most:g} %"
        return None


def measure(problem: Problem, candidate: Candidate, best_s: float | None = None) -> Measured:
    """Train a new network for some steps. best_s: seconds per step of the best candidate so far.

    Dropout and stochastic depth are off: the same seed gives other masks in another memory layout, so losses could not
    be compared. A candidate that fails or needs too much memory is rejected.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(candidate.threads)
    try:
        return _measured(problem, candidate, best_s)
    except SpecError as problems:  # RUN321
        return Measured(candidate, None, refused=problems.diagnostics[0].message)
    except RuntimeError as trouble:
        if not is_shortage(trouble):
            raise
        return Measured(candidate, None, refused="it runs out of memory")
    finally:
        torch.set_num_threads(threads)
        free_memory(problem.device)


def _measured(problem: Problem, candidate: Candidate, best_s: float | None) -> Measured:
    with seeded(stream_seed(problem.recipe.seed, "tune"), problem.device), \
            float32_products(candidate.settings.precision, problem.device):
        run = _run(problem, candidate)
        batches = [batch._replace(x=batch.x.contiguous(memory_format=candidate.settings.layout))
                   for batch in problem.batches[:COMPARED]]
        train_epoch(run, batches[:1])
        norm = _gradient_norm(run)
        train_epoch(run, batches[1:-1])
        seconds = _timed(run, batches[-1:])
        losses = tuple(run.state.meter.losses().tolist())
        if not all(map(isfinite, losses)):
            return Measured(candidate, None, losses, norm, "its loss is not a finite number")
        if best_s is not None and seconds > GIVE_UP * best_s:
            return Measured(candidate, seconds, losses, norm)
        steps = max(1, round(BLOCK_S / seconds))
        block = [batches[k % len(batches)] for k in range(steps)]
        times = [_timed(run, block) for _ in range(BLOCKS)]
        # The minimum, because other programs on the machine can only make a step slower.
        return Measured(candidate, min(seconds, *times), losses, norm)


def _run(problem: Problem, candidate: Candidate) -> Run:
    recipe, settings = problem.recipe, candidate.settings
    model = fresh_model(problem.graph, recipe, Machine(problem.device, settings=settings))
    for layer, _ in list(layers_with(model, Stochastic)):
        model.set_submodule(layer.path, _Quiet(layer.module))
    optimizer = make_optimizer(model, recipe, problem.device)
    run = Run.create(model, optimizer, lambda step: SLOWED * recipe.lr, problem.device, recipe, MOST_STEPS, settings)
    if settings.compile:
        run.runtime.forward = compiled(model, problem.images, settings)
    return run


class _Quiet(nn.Module):
    """A layer that stays in eval mode, in which it draws no random numbers."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def train(self, mode: bool = True) -> _Quiet:
        """Set the mode of this module, but not of the layer."""
        super().train(mode)
        self.layer.eval()
        return self

    def forward(self, *inputs: Any) -> Any:
        """The output of the layer in eval mode."""
        return self.layer(*inputs)


def _gradient_norm(run: Run) -> float | None:
    gradients = [parameter.grad for parameter in run.state.model.parameters() if parameter.grad is not None]
    return None if run.state.scaler.is_enabled() else float(nn.utils.get_total_norm(gradients))


def _timed(run: Run, batches: Sequence[Batch]) -> float:
    """Seconds per step. The pass reads its metrics at the end, which waits for the device."""
    start = time.perf_counter()
    train_epoch(run, batches)
    return (time.perf_counter() - start) / len(batches)
