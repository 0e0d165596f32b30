"""The order of samples, a pure function of (seed, epoch), divided into batches for each rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.data.counter import key_of

if TYPE_CHECKING:
    import torch


def epoch_order(n: int, seed: int, epoch: int) -> torch.Tensor:
    """The order of the samples in an epoch: a permutation of 0 … n - 1, int64 (n,), on the CPU.

    It has its own generator, so it neither depends on other random numbers nor changes them.
    """
    import torch

    generator = torch.Generator()
    generator.manual_seed(key_of(seed, epoch, "order"))
    return torch.randperm(n, generator=generator)


def shard(order: torch.Tensor, rank: int, world_size: int, batch: int, *, at_least: int = 0) -> list[torch.Tensor]:
    """The samples of each step of one rank: int64 (≤ batch,) tensors, views of `order`.

    Step k of all ranks together is `order[k * world_size * batch : (k + 1) * world_size * batch]`: in a step, two
    ranks with batch b see the samples of one rank with batch 2b. Each sample is seen exactly once: the last step
    divides the rest in sizes that differ by at most one, and if fewer samples than ranks remain, some ranks get an
    empty tensor. at_least: a last step that would give some rank fewer samples is dropped for all ranks; that is at
    most `world_size * at_least - 1` samples, different ones in each epoch.
    """
    if not 0 <= rank < world_size or batch < 1:
        raise ValueError(f"rank {rank} of {world_size} with batch {batch}")
    steps = []
    for start in range(0, len(order), world_size * batch):
        together = order[start : start + world_size * batch]
        if len(together) // world_size < at_least:
            break
        steps.append(_part(together, rank, world_size))
    return steps


def _part(together: torch.Tensor, rank: int, world_size: int) -> torch.Tensor:
    """The part of a rank in a step; if the step does not divide evenly, the first ranks get one sample more."""
    size, more = divmod(len(together), world_size)
    start = rank * size + min(rank, more)
    return together[start : start + size + (rank < more)]


def step_sizes(n: int, world_size: int, batch: int, *, at_least: int = 0) -> list[int]:
    """The number of samples of all ranks together in each step of `shard`."""
    sizes = [min(world_size * batch, n - start) for start in range(0, n, world_size * batch)]
    return [size for size in sizes if size // world_size >= at_least]
