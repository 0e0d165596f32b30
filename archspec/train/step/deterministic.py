"""Bitwise reproducible runs on one device: deterministic kernels, or an error that names the layer without one.

By default torch has reductions that add in the order in which threads finish, and on a GPU it chooses the convolution
algorithm that is fastest at the moment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

import torch
from torch import Tensor, nn

from archspec.data.batches import Batches
from archspec.diagnostics import SpecError, error
from archspec.train.run import Run
from archspec.train.step.gradients import gradients
from archspec.train.step.precision import Settings

WORKSPACE: Final = "CUBLAS_WORKSPACE_CONFIG"
FIXED: Final = (":4096:8", ":16:8")  # with other values cuBLAS may change its algorithm from call to call
_REFUSAL: Final = re.compile(r"(\S+) does not have a deterministic implementation")  # torch's message
_HINT: Final = "leave --deterministic out, or use another layer; on a CPU every layer has such a kernel"


def fix_workspace(settings: Settings, device: torch.device) -> None:
    """Give cuBLAS a workspace of fixed size. Call it before the first matrix product on the device.

    Raises SpecError RUN337 if the environment variable has another value.
    """
    if not settings.deterministic or device.type != "cuda":
        return
    given = os.environ.setdefault(WORKSPACE, FIXED[0])
    if given not in FIXED:
        raise error("RUN337", f"with {WORKSPACE}={given} cuBLAS is not deterministic",
                    hint=f"unset {WORKSPACE}, or set it to {FIXED[0]}")


@contextmanager
def deterministic_kernels(settings: Settings, device: torch.device) -> Iterator[None]:
    """Use only deterministic kernels within the block, if the settings require it.

    Raises SpecError RUN337 for an operation without one.
    """
    if not settings.deterministic:
        yield
        return
    fix_workspace(settings, device)
    memory: Any = torch.utils.deterministic
    enabled, warn_only = (
        torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    )
    fill, benchmark = memory.fill_uninitialized_memory, torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    memory.fill_uninitialized_memory = False  # it takes time, and nothing here reads such memory
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as problem:
        if (explained := _explained(problem, None, device)) is None:
            raise
        raise explained from problem
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        memory.fill_uninitialized_memory = fill
        torch.backends.cudnn.benchmark = benchmark


def check_layers(run: Run, train: Batches) -> None:
    """If the settings require determinism, try a forward and a backward pass, which change nothing.

    Raises SpecError RUN337 for a layer without a deterministic kernel.
    """
    if not run.runtime.settings.deterministic:
        return
    batch = next(islice(train.batches(run.state.epoch % run.recipe.epochs, 0), 1))
    run.policy.before_step(run)
    watch = _Watch(run.state.model)
    try:
        gradients(run, batch)
    except RuntimeError as problem:
        if (explained := _explained(problem, watch.last, run.runtime.device)) is None:
            raise
        raise explained from problem
    finally:
        watch.remove()
        run.policy.put_back(run)


def _explained(problem: RuntimeError, layer: str | None, device: torch.device) -> SpecError | None:
    """The error to raise if torch rejects an operation as not deterministic; None for any other problem."""
    text = str(problem)
    if WORKSPACE in text:  # torch reads it once, before the first matrix product
        return error("RUN337", f"cuBLAS was used in this process before {WORKSPACE} was set",
                     hint=f"set {WORKSPACE}={FIXED[0]} before Python starts")
    found = _REFUSAL.search(text)
    if found is None:
        return None
    where = f"`{layer}`: " if layer else ""
    return error("RUN337", f"{where}{found[1]} has no deterministic kernel on {device.type.upper()}", hint=_HINT)


class _Watch:
    """The layer whose forward or backward pass started last; None while no layer computes."""

    def __init__(self, model: nn.Module) -> None:
        self.last: str | None = None
        self._seen: set[Any] = set()  # autograd nodes; kept alive so that no other node gets the same id
        self._handles: list[Any] = []
        for name, module in model.named_modules():
            if not any(module.children()):
                self._handles += [
                    module.register_forward_pre_hook(self._begin(name)), module.register_forward_hook(self._end(name)),
                ]

    def _begin(self, name: str) -> Any:
        def begin(*anything: Any) -> None:
            self.last = name

        return begin

    def _end(self, name: str) -> Any:
        def end(module: nn.Module, inputs: Any, output: Any) -> None:
            self.last = None
            node = output.grad_fn if isinstance(output, Tensor) else None
            if node is not None and node not in self._seen:  # a layer that does nothing has its input's node
                self._seen.add(node)
                self._handles.append(node.register_prehook(self._begin(name)))

        return end

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._seen.clear()
