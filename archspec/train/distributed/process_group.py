"""The processes that train together: the rank of this one, and the collectives between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from inspect import signature
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor, nn

from archspec.data.counter import key_of


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """This process is `rank` of `size`, and `local_rank` of `local_size` on its machine; both count from 0.

    job: a name for all starts of the launcher's job. restarts: how often the launcher has restarted the processes.
    max_restarts: how often it may. sharded: whether each process holds only a part of the network (see `fsdp`).
    Methods marked with * are collective: every process calls them, in the same order. For a single process they do
    nothing and cost nothing.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    restarts: int = 0
    max_restarts: int = 0
    job: str = ""
    sharded: bool = False

    @property
    def alone(self) -> bool:
        """Whether this is the only process."""
        return self.size == 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def share(self, images: int, total: int | None) -> float:
        """The weight of this process's mean loss over `images`, so that DDP's average is the mean over `total`."""
        return 1.0 if self.alone or total is None else images * self.size / total

    def sum(self, tensor: Tensor) -> Tensor:
        """*Sum `tensor` over all processes, in place. On a GPU the host does not wait for the result."""
        if not self.alone:
            dist.all_reduce(tensor)
        return tensor

    def maximum(self, number: int) -> int:
        """*The largest `number` of all processes."""
        if self.alone:
            return number
        found = torch.tensor([number])
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def broadcast_flag(self, mine: bool) -> bool:
        """*The flag of process 0, for decisions that depend on a clock."""
        if self.alone:
            return mine
        found = torch.tensor([mine])
        dist.broadcast(found, 0)
        return bool(found)

    def broadcast_text(self, text: str) -> str:
        """*The text of process 0."""
        if self.alone:
            return text
        data = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
        size = torch.tensor([len(data)])
        dist.broadcast(size, 0)
        if not self.leads:
            data = torch.empty(int(size), dtype=torch.uint8)
        dist.broadcast(data, 0)
        return data.numpy().tobytes().decode()

    @contextmanager
    def one_first_per_machine(self) -> Iterator[None]:
        """*Run the block in the first process of each machine, then in all others, which find its downloads."""
        if self.local_rank:
            self.maximum(0)  # a barrier
        yield
        if not self.local_rank:
            self.maximum(0)

    @torch.no_grad()
    def share_buffers(self, model: nn.Module) -> None:
        """*Copy the buffers of process 0 to all others; until then running statistics differ between processes."""
        if not self.alone:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)

    def agreement(self) -> Agreement | None:
        """An `Agreement` between the processes about signals; None for a single process."""
        return None if self.alone else Agreement()

    def data_parallel(self, model: nn.Module) -> nn.Module:
        """*`model`, wrapped so that a backward pass averages the gradients of all processes.

        All start with the parameters and buffers of process 0. Source: Li et al. 2020, "PyTorch Distributed".
        """
        # No sync of running statistics here: training does not read them, and `share_buffers` syncs them before use.
        new = "forward_sync_buffers" in signature(nn.parallel.DistributedDataParallel).parameters
        unsynced = {"forward_sync_buffers" if new else "broadcast_buffers": False}
        return nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, **unsynced)  # type: ignore[arg-type]

    def no_sync(self, parallel: nn.Module | None, on: bool) -> AbstractContextManager[None]:
        """A context in which, if `on`, a backward pass of `parallel` only adds to the gradients of this process.

        parallel: the result of `data_parallel`, or None.
        """
        if on and isinstance(parallel, nn.parallel.DistributedDataParallel):
            return parallel.no_sync()
        return nullcontext()

    def seed_step(self, seed: int, step: int, device: torch.device) -> None:
        """Seed the step's random numbers (dropout) by seed, step and rank, so a checkpoint need not store their state.

        A single process continues its sequence of random numbers instead, as a textbook's loop does.
        """
        if self.alone:
            return
        key = key_of(seed, step, f"rank {self.rank}")
        torch.default_generator.manual_seed(key)
        if device.type == "cuda":
            torch.cuda.default_generators[torch.cuda.current_device()].manual_seed(key)


ALONE: Final = ProcessGroup()


class Agreement:
    """Finds out whether any process has received a signal, without a wait in each step.

    A call returns the result of the call before it, which had the time of a step to arrive.
    """

    def __init__(self) -> None:
        self._pending: tuple[dist.Work, Tensor] | None = None

    def ask(self, number: int) -> int:
        """*The largest number of any process at the previous call; 0 at the first call."""
        before, found = self._pending, torch.tensor([number])
        work = dist.all_reduce(found, dist.ReduceOp.MAX, async_op=True)
        assert work is not None
        self._pending = work, found
        if before is None:
            return 0
        before[0].wait()
        return int(before[1])
