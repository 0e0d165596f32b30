"""Compiles a network for the batches of its training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from archspec.diagnostics import error
from archspec.train.step.precision import Settings


def compiled(
    network: Callable[..., Tensor], images: int, settings: Settings, *, whole: bool = False
) -> Callable[..., Tensor]:
    """`network` compiled for batches of `images`; a batch of another size, such as an epoch's last, is not compiled.

    whole: it is an error if torch compiles only parts of the network; recomputed stages need that. The parameters stay
    shared. The first call compiles, which may take minutes on a CPU, and raises SpecError RUN321
    if torch.compile fails.
    """
    mode = "reduce-overhead" if settings.cuda_graphs else "default"
    fast = torch.compile(network, dynamic=False, mode=mode, fullgraph=whole)

    def forward(*inputs: Tensor) -> Tensor:
        if len(inputs[0]) != images:
            return network(*inputs)
        if settings.cuda_graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        try:
            result: Tensor = fast(*inputs)
        except torch._dynamo.exc.TorchDynamoException as problem:
            raise error(
                "RUN321", "torch.compile failed on this network", notes=[_first_line(problem)],
                hint="leave --compile out, or install what it needs: on a CPU a C++ compiler such as g++",
            ) from problem
        return result

    return forward


def _first_line(problem: Exception) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(problem).__name__
