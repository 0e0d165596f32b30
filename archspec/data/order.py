"""The order of samples: a pure function of (seed, epoch), cut into batches for each rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.data.counter import key_of

if TYPE_CHECKING:
    import torch


def epoch_order(n: int, seed: int, epoch: int) -> torch.Tensor:
    """The permutation of 0 … n - 1 in which an epoch sees the samples; int64 (n,), on the CPU.

    It is drawn from its own generator, so that it depends on nothing else and changes nothing else.
    """
    import torch

    generator = torch.Generator()
    generator.manual_seed(key_of(seed, epoch, "order"))
    return torch.randperm(n, generator=generator)


def shard(order: torch.Tensor, rank: int, world_size: int, batch: int, *, at_least: int = 0) -> list[torch.Tensor]:
    """The samples of each step of one rank: int64 (≤ batch,) tensors, views of `order`.

    Step k of all ranks together is `order[k * world_size * batch : (k + 1) * world_size * batch]`: two ranks of
    batch b see in a step what one rank of batch 2b sees. No sample is seen twice, and none left out: the
    last step shares out what remains, in sizes that differ by at most one; where fewer samples than ranks
    remain, some ranks get an empty tensor. `at_least`: a last step that would give some rank fewer samples
    than this is left out, for all ranks: at most `world_size * at_least - 1` samples, others in each epoch.
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
    """The rank's part of a step; the first ranks get one sample more where it does not divide."""
    size, more = divmod(len(together), world_size)
    start = rank * size + min(rank, more)
    return together[start : start + size + (rank < more)]


def step_sizes(n: int, world_size: int, batch: int, *, at_least: int = 0) -> list[int]:
    """How many samples all ranks together see in each step of `shard`."""
    sizes = [min(world_size * batch, n - start) for start in range(0, n, world_size * batch)]
    return [size for size in sizes if size // world_size >= at_least]
