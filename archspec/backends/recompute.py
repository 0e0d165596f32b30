"""Activation checkpointing: a stage keeps its inputs only, and runs again in the backward pass.

Source: Chen et al. 2016, "Training deep nets with sublinear memory cost", section 4; torch.utils.checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from archspec.backends.again import Again


def recomputed(stage: nn.Module, *inputs: Any) -> Any:
    """The outputs of `stage`, whose activations are computed a second time when the backward pass needs them.

    The second run draws the same random numbers as the first (dropout), and leaves buffers as they are: running
    statistics are updated once. So the step gives the same bits as without recomputation.
    """
    if torch.compiler.is_compiling():  # a whole graph updates each buffer once, however often it computes values
        return checkpoint(stage, *inputs, use_reentrant=False)
    return checkpoint(stage, *inputs, use_reentrant=False, context_fn=partial(_contexts, stage))


def _contexts(stage: nn.Module) -> tuple[AbstractContextManager[object], AbstractContextManager[object]]:
    """The contexts of the first and of the second run."""
    return nullcontext(), _spared_buffers(stage)


@contextmanager
def _spared_buffers(stage: nn.Module) -> Iterator[None]:
    """Let the layers work on copies of their buffers within the block.

    Autograd saves running statistics too, so the second run needs tensors of the same shapes.
    """
    held: list[tuple[dict[str, Tensor | None], dict[str, Tensor | None]]] = []
    try:
        for module in _modules(stage):
            held.append((module._buffers, dict(module._buffers)))
            module._buffers.update({k: v if v is None else v.clone() for k, v in module._buffers.items()})
        yield
    finally:
        for buffers, before in held:
            buffers.update(before)


def _modules(stage: nn.Module, seen: set[nn.Module] | None = None) -> Iterator[nn.Module]:
    """The modules with buffers that a stage runs, once each; those whose weights it shares included."""
    seen = set() if seen is None else seen
    for module in stage.modules():
        if module in seen:
            continue
        seen.add(module)
        if isinstance(module, Again):
            yield from _modules(module.owner, seen)
        elif module._buffers:
            yield module
