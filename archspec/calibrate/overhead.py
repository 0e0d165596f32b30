"""The overhead of a call: what torch takes for a layer besides its kernel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from archspec.calibrate.measure import Stopwatch

LAYERS = 64


def overhead(device: torch.device, watch: Stopwatch) -> dict[str, float]:
    """Microseconds of a call by kind of pass, and of a step: what a chain of layers on tiny tensors takes.

    forward: in evaluation, without gradients. training: keeping what backward needs. backward: of a gradient. step: of
    what a training step does once.
    """
    model = nn.Sequential(*(nn.Sigmoid() for _ in range(LAYERS))).to(device)
    x = torch.ones(2, 2, device=device)
    leaf = torch.ones(2, 2, device=device, requires_grad=True)
    bare = _per_layer(watch, lambda: [torch.sigmoid(x) for _ in range(LAYERS)])

    def forward() -> None:
        with torch.inference_mode():
            model(x)

    def both() -> None:
        model(leaf).sum().backward()

    in_evaluation, in_training = _per_layer(watch, forward), _per_layer(watch, lambda: model(leaf))
    step = _per_layer(watch, both)
    return {
        "forward": max(0.0, in_evaluation - bare), "training": max(0.0, in_training - bare),
        "backward": max(0.0, step - in_training - bare), "step": LAYERS * max(0.0, step - in_training) / 2,
    }


def _per_layer(watch: Stopwatch, run: Callable[[], object]) -> float:
    """Microseconds of each layer."""
    with torch.enable_grad():
        return 1e6 * watch.seconds(run) / LAYERS
