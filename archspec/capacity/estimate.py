"""The memory of one step or forward pass, in bytes, for checks before a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from archspec.capacity.simulate import Simulated
from archspec.execution import Optimizer, Setting
from archspec.ir import Graph

CUBLAS: Final = 64 << 20  # bytes of cuBLAS's workspace, which stays
GAPS: Final = 0.04  # of the rest: gaps between tensors, and the least scratch of cuDNN


def gpu_tensors(nbytes: int) -> int:
    """The bytes of tensors for which `nbytes` of a GPU are enough, as `benchmarks/fit_check.py` found them."""
    return max(0, int((1 - GAPS) * (nbytes - CUBLAS)))


def step_bytes(graph: Graph, setting: Setting, *, states: int) -> int | None:
    """The peak of a training step, weights and inputs included; None if an op has no rule for its kernels.

    states: the tensors that optimizer and averages keep for each parameter with a gradient; the setting's own do not
    count.
    """
    found = Simulated(graph, replace(setting, training=True, optimizer=Optimizer(), ema=False)).run()
    return None if found.estimated else found.peak_bytes + states * found.gradient_bytes


def forward_bytes(graph: Graph, setting: Setting) -> int | None:
    """The peak of a forward pass in evaluation; None if an op has no rule for its kernels."""
    found = Simulated(graph, replace(setting, training=False, accumulate=1)).run()
    return None if found.estimated else found.peak_bytes
