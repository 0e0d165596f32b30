"""Decides how many trials run at once, and where."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archspec.diagnostics import error, plural

if TYPE_CHECKING:
    from archspec.sweep.expand import Trial

PER_GPU: Final = 4  # trials of small networks that share a GPU; more gain little, because each has a CUDA context
CONTEXT_BYTES: Final = 600 * 2**20  # GPU memory of a process before it creates a tensor
GPU_SHARE: Final = 0.8  # of the free memory, for all trials together


@dataclass(frozen=True, slots=True)
class Slots:
    """Places for trials; each slot runs one trial at a time.

    environments: the environment variables of each slot, such as its visible GPUs. threads: CPU threads per process.
    """

    environments: tuple[Mapping[str, str], ...]
    threads: int


def slots_for(device: str, trials: Sequence[Trial], jobs: int | None, threads: int | None) -> Slots:
    """Slots that together use the whole machine: its GPUs if it has any and `device` allows them, otherwise its cores.

    Raises SpecError BUILD202 if the device does not exist, SWEEP412 if there are fewer devices than a trial needs.
    """
    if device != "cpu":
        from archspec.backends.device import pick_device

        if pick_device(device).type == "cuda":
            return _gpu_slots(device, trials, jobs, threads)
    return cpu_slots(len(trials), jobs, threads, devices_of(trials))


def devices_of(trials: Sequence[Trial]) -> int:
    """The number of devices of each trial, which is the same for all."""
    return max((trial.devices for trial in trials), default=1)


def cpu_slots(trials: int, jobs: int | None, threads: int | None, processes: int = 1) -> Slots:
    """As many slots as cores, or as trials if these are fewer; together they use each core once.

    processes: the number of processes of each trial, each with its own threads.
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
    """Slots with several GPUs each; no GPU is shared, because processes that share a GPU cannot use nccl."""
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
    """The approximate memory of a training step, in bytes."""
    from archspec.backends.step import step_bytes

    recipe = trial.recipe
    return step_bytes(
        trial.loaded.graph, recipe.batch_size, states=2, accumulate=recipe.accumulate, recompute=recipe.recompute or (),
    )


def core_count() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
