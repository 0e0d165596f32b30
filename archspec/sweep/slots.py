"""How many trials run at once, and where."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from archspec.sweep.expand import Trial

PER_GPU: Final = 4  # trials of small networks share a GPU: more gain little, since each has its own CUDA context
CONTEXT_BYTES: Final = 600 * 2**20  # what a process takes of a GPU's memory before it holds a tensor
GPU_SHARE: Final = 0.8  # of the free memory, that trials plan with


@dataclass(frozen=True, slots=True)
class Slots:
    """Where trials run: one at a time in each slot.

    environments: the variables of each slot, such as the GPU that it sees. threads: CPU threads of each trial.
    """

    environments: tuple[Mapping[str, str], ...]
    threads: int


def slots_for(device: str, trials: Sequence[Trial], jobs: int | None, threads: int | None) -> Slots:
    """Slots that use the machine once: its GPUs if there are any and `device` allows it, else its cores.

    Raises SpecError BUILD202 where that device is not there.
    """
    if device != "cpu":
        from archspec.backends.device import pick_device

        if pick_device(device).type == "cuda":
            return _gpu_slots(device, trials, jobs, threads)
    return cpu_slots(len(trials), jobs, threads)


def cpu_slots(trials: int, jobs: int | None, threads: int | None) -> Slots:
    """As many slots as there are cores, or trials where those are fewer; together they use each core once."""
    cores = core_count()
    count = jobs or max(1, min(trials, cores // (threads or 1)))
    return Slots(({},) * count, threads or max(1, cores // count))


def _gpu_slots(device: str, trials: Sequence[Trial], jobs: int | None, threads: int | None) -> Slots:
    import torch

    _, _, index = device.partition(":")
    gpus = [int(index)] if index else [*range(torch.cuda.device_count())]
    free = min(torch.cuda.mem_get_info(gpu)[0] for gpu in gpus)
    each = max((_step_bytes(trial) for trial in trials), default=0) + CONTEXT_BYTES
    per_gpu = max(1, min(PER_GPU, int(GPU_SHARE * free // each)))
    count = jobs or min(len(trials), per_gpu * len(gpus))
    visible = _visible_names()
    environments = tuple({"CUDA_VISIBLE_DEVICES": visible[gpus[k % len(gpus)]]} for k in range(count))
    return Slots(environments, threads or max(1, core_count() // count))


def _visible_names() -> list[str]:
    import torch

    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return given.split(",") if given else [str(k) for k in range(torch.cuda.device_count())]


def _step_bytes(trial: Trial) -> int:
    """About what a training step of a trial needs."""
    from archspec.backends.step import step_bytes

    recipe = trial.recipe
    return step_bytes(trial.loaded.graph, recipe.batch_size, states=2)


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
