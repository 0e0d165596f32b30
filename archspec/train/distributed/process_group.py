"""The processes that train together: which of them this one is, and what they tell each other."""

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
    """Process `rank` of `size`, and of those on this machine `local_rank` of `local_size`; all count from 0.

    job: a name of what the launcher does, which its restarts share. restarts: how often it has started the processes
    anew, max_restarts: how often it would. sharded: each holds a part of the network, see `sharded`, not all of it.
    The methods marked with * are collective: every process calls them, in the same order. A process alone has nobody
    to talk to, and they cost it nothing.
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
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def share(self, images: int, total: int | None) -> float:
        """By what to multiply the mean loss of this process's `images`, to make the average of all that of `total`."""
        return 1.0 if self.alone or total is None else images * self.size / total

    def sum(self, tensor: Tensor) -> Tensor:
        """*The sum over all processes, in place. On a GPU the host does not wait for it."""
        if not self.alone:
            dist.all_reduce(tensor)
        return tensor

    def maximum(self, number: int) -> int:
        """*The largest of the processes' numbers."""
        if self.alone:
            return number
        found = torch.tensor([number])
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def broadcast_flag(self, mine: bool) -> bool:
        """*What process 0 decides, where processes with different clocks have to do the same."""
        if self.alone:
            return mine
        found = torch.tensor([mine])
        dist.broadcast(found, 0)
        return bool(found)

    def broadcast_text(self, text: str) -> str:
        """*What process 0 says."""
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
        """*The first process of each machine does the block, then all others: what it downloads they find."""
        if self.local_rank:
            self.maximum(0)  # which waits for all
        yield
        if not self.local_rank:
            self.maximum(0)

    @torch.no_grad()
    def share_buffers(self, model: nn.Module) -> None:
        """*Give all processes the buffers of process 0: each keeps running statistics of its own images alone."""
        if not self.alone:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)

    def agreement(self) -> Agreement | None:
        """How the processes stop together; None for one."""
        return None if self.alone else Agreement()

    def data_parallel(self, model: nn.Module) -> nn.Module:
        """*`model`, whose backward pass then leaves in each process the average of all processes' gradients.

        All begin with the parameters and buffers of process 0. Source: Li et al. 2020, "PyTorch Distributed".
        """
        # Running statistics are shared before they are used, see `share_buffers`; training does not read them.
        new = "forward_sync_buffers" in signature(nn.parallel.DistributedDataParallel).parameters
        unsynced = {"forward_sync_buffers" if new else "broadcast_buffers": False}
        return nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, **unsynced)  # type: ignore[arg-type]

    def no_sync(self, joined: nn.Module | None, on: bool) -> AbstractContextManager[None]:
        """Within it, if `on`, a pass of what `joined` gave adds to the gradients of this process alone."""
        if on and isinstance(joined, nn.parallel.DistributedDataParallel):
            return joined.no_sync()
        return nullcontext()

    def seed_step(self, seed: int, step: int, device: torch.device) -> None:
        """Let what a step draws (dropout) be a function of seed, step and rank: then there is nothing to save of it.

        A process alone goes on with its random numbers instead, as the textbook's loop does.
        """
        if self.alone:
            return
        key = key_of(seed, step, f"rank {self.rank}")
        torch.default_generator.manual_seed(key)
        if device.type == "cuda":
            torch.cuda.default_generators[torch.cuda.current_device()].manual_seed(key)


ALONE: Final = ProcessGroup()


class Agreement:
    """Lets the processes find out together whether any of them has heard a signal, without waiting in each step.

    The answer of a call is that of the call before it, which has had a step's time to come.
    """

    def __init__(self) -> None:
        self._asked: tuple[dist.Work, Tensor] | None = None

    def ask(self, number: int) -> int:
        """*The largest number that any process had at the call before; 0 at the first."""
        before, found = self._asked, torch.tensor([number])
        work = dist.all_reduce(found, dist.ReduceOp.MAX, async_op=True)
        assert work is not None
        self._asked = work, found
        if before is None:
            return 0
        before[0].wait()
        return int(before[1])
