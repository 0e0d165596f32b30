"""How many trials run at once, and where."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archspec.diagnostics import error, plural

if TYPE_CHECKING:
    from archspec.sweep.expand import Trial

PER_GPU: Final = 4  # trials of small networks share a GPU: more gain little, since each has its own CUDA context
CONTEXT_BYTES: Final = 600 * 2**20  # what a process takes of a GPU's memory before it holds a tensor
GPU_SHARE: Final = 0.8  # of the free memory, that trials plan with


@dataclass(frozen=True, slots=True)
class Slots:
    """Where trials run: one at a time in each slot.

    environments: the variables of each slot, such as the GPUs that it sees. threads: CPU threads of each process.
    """

    environments: tuple[Mapping[str, str], ...]
    threads: int


def slots_for(device: str, trials: Sequence[Trial], jobs: int | None, threads: int | None) -> Slots:
    """Slots that use the machine once: its GPUs if there are any and `device` allows it, else its cores.

    Raises SpecError BUILD202 where that device is not there, SWEEP412 where there are fewer than a trial trains on.
    """
    if device != "cpu":
        from archspec.backends.device import pick_device

        if pick_device(device).type == "cuda":
            return _gpu_slots(device, trials, jobs, threads)
    return cpu_slots(len(trials), jobs, threads, devices_of(trials))


def devices_of(trials: Sequence[Trial]) -> int:
    """On how many devices each trial trains: all on as many."""
    return max((trial.devices for trial in trials), default=1)


def cpu_slots(trials: int, jobs: int | None, threads: int | None, processes: int = 1) -> Slots:
    """As many slots as there are cores, or trials where those are fewer; together they use each core once.

    processes: of each trial, each with threads of its own.
    """
    cores = core_count()
    count = jobs or max(1, min(trials, cores // (processes * (threads or 1))))
    return Slots(({},) * count, threads or max(1, cores // (count * processes)))


def _gpu_slots(device: str, trials: Sequence[Trial], jobs: int | None, threads: int | None) -> Slots:
    import torch

    _, _, index = device.partition(":")
    gpus = [int(index)] if index else [*range(torch.cuda.device_count())]
    devices = devices_of(trials)
    if devices > 1:
        return _gpu_groups(gpus, devices, len(trials), jobs, threads)
    free = min(torch.cuda.mem_get_info(gpu)[0] for gpu in gpus)
    each = max((_step_bytes(trial) for trial in trials), default=0) + CONTEXT_BYTES
    per_gpu = max(1, min(PER_GPU, int(GPU_SHARE * free // each)))
    count = jobs or max(1, min(len(trials), per_gpu * len(gpus)))
    visible = _visible_names()
    environments = tuple({"CUDA_VISIBLE_DEVICES": visible[gpus[k % len(gpus)]]} for k in range(count))
    return Slots(environments, threads or max(1, core_count() // count))


def _gpu_groups(gpus: Sequence[int], devices: int, trials: int, jobs: int | None, threads: int | None) -> Slots:
    """Slots of several GPUs, which no other slot uses: processes that share a GPU cannot use nccl."""
    groups = [gpus[k : k + devices] for k in range(0, len(gpus) - devices + 1, devices)]
    if not groups:
        raise error(
            "SWEEP412", f"a trial trains on {plural(devices, 'GPU')}, and {len(gpus)} can be used here",
            hint=f"write `devices: {len(gpus)}`, or add --device cpu",
        )
    count = min(jobs or max(1, trials), len(groups))
    visible = _visible_names()
    environments = tuple({"CUDA_VISIBLE_DEVICES": ",".join(visible[gpu] for gpu in group)} for group in groups[:count])
    return Slots(environments, threads or max(1, core_count() // (count * devices)))


def _visible_names() -> list[str]:
    import torch

    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return given.split(",") if given else [str(k) for k in range(torch.cuda.device_count())]


def _step_bytes(trial: Trial) -> int:
    """About what a training step of a trial needs."""
    from archspec.backends.step import step_bytes

    recipe = trial.recipe
    return step_bytes(trial.loaded.graph, recipe.batch_size, states=2, accumulate=recipe.accumulate)


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
