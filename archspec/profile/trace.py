"""Writes a torch.profiler trace with the paths of the spec as scopes, for TensorBoard and Perfetto."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.profiler import ProfilerActivity, profile, record_function, schedule, tensorboard_trace_handler

from archspec.backends.again import Again
from archspec.profile.autograd import backward_nodes, nodes_of
from archspec.profile.quiet import quiet_profiler

# The first step is not recorded, in the second the profiler warms up; the trace starts with the third.
WAIT, WARMUP, ACTIVE = 1, 1, 3
WORKER: Final = "archspec"  # TensorBoard's name for the process; the runs of one network are its spans
FORWARD: Final = "## forward ##"  # never a path, because paths consist of identifiers
BACKWARD: Final = " (backward)"  # appended to a path


def write_trace(model: nn.Module, step: Callable[[], object], folder: Path, device: torch.device) -> Path:
    """Run `step` a few times under the profiler, and return the trace file in `folder`, which is created if necessary.

    The forward of every module is a scope with its path in `model` as its name; its backward is a scope with
    ` (backward)` appended. Each run is a `ProfilerStep`. All hooks are removed from the model. The name of the file,
    WORKER.TIME.pt.trace.json, is the one that torch-tb-profiler 0.4.3 looks for.
    """
    quiet_profiler()
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    with (
        module_scopes(model),
        profile(
            activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])],
            schedule=schedule(wait=WAIT, warmup=WARMUP, active=ACTIVE, repeat=1),
            on_trace_ready=tensorboard_trace_handler(str(folder), worker_name=WORKER),
            record_shapes=True,
            profile_memory=True,
            acc_events=True,  # otherwise torch before 2.12 warns, although there is only one cycle
        ) as profiler,
    ):
        for _ in range(WAIT + WARMUP + ACTIVE):
            step()
            profiler.step()
    (file,) = set(folder.iterdir()) - before
    return file


def run_folder(folder: Path, name: str) -> Path:
    """The folder for the traces of a network, which TensorBoard shows as a run with this name."""
    return folder / (re.sub(r"[^\w-]+", "_", name).strip("_") or "network")


@contextmanager
def module_scopes(model: nn.Module) -> Iterator[None]:
    """Make the forward and backward of every module a profiler scope with its path as name, within the block."""
    with ExitStack() as hooks:
        for path, module in model.named_modules():
            leaf = next(module.children(), None) is None and not isinstance(module, Again)
            scopes = _Scopes(path or FORWARD, leaf=leaf)
            hooks.callback(module.register_forward_pre_hook(scopes.enter).remove)
            hooks.callback(module.register_forward_hook(scopes.leave, always_call=True).remove)
        yield


class _Scopes:
    """The hooks of one module."""

    def __init__(self, name: str, *, leaf: bool) -> None:
        self._name = name
        self._leaf = leaf
        self._open: list[record_function] = []
        self._before: list[set[Node]] = []

    def enter(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Called before the forward of the module."""
        self._before.append(nodes_of(inputs))
        self._open.append(_opened(self._name))

    def leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Called after the forward of the module, even if it raised."""
        self._open.pop().__exit__(None, None, None)
        before = self._before.pop()
        if self._leaf:
            for node in backward_nodes(before, output):
                node.register_prehook(self._enter_backward)
                node.register_hook(self._leave_backward)

    def _enter_backward(self, gradients: tuple[Tensor, ...]) -> None:
        self._open.append(_opened(self._name + BACKWARD))

    def _leave_backward(self, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> None:
        self._open.pop().__exit__(None, None, None)


def _opened(name: str) -> record_function:
    scope = record_function(name)
    scope.__enter__()  # type: ignore[no-untyped-call]
    return scope
