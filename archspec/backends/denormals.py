"""Subnormal numbers are taken for zero: many CPUs compute with them many times slower.

The running mean of a weight without gradient decays by a tenth a step: after some 800 steps with Adam or momentum it
is below 1.2e-38, and there it stays.

The switch is a register of each thread. A thread that starts gets a copy of that of the thread that starts it, so that
torch's worker threads flush if the switch is set before the first large operation. The backward pass on a CPU runs in
the thread that asks for it, and in the same workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

_GRAIN: Final = 32_768  # elements that torch gives to one thread at least
_TINY: Final = 1.5e-38  # the smallest float32 that is not subnormal is 1.18e-38


@contextmanager
def denormals_flushed() -> Iterator[bool]:
    """Within the block this thread, and each thread that is started in it, takes subnormal numbers for zero.

    Yields whether the processor can do that. Workers that torch already has keep their setting.
    """
    before = _flush(1)[0]
    can = torch.set_flush_denormal(True)
    try:
        yield can
    finally:
        torch.set_flush_denormal(before)


def flushing_threads() -> bool | str:
    """Which of the threads that torch computes with take subnormal numbers for zero: found out by computing.

    True for all of them, False for none, else in words: `1 of 2 threads`.
    """
    found = _flush(torch.get_num_threads())
    return all(found) if len(set(found)) == 1 else f"{sum(found)} of {len(found)} threads"


def _flush(threads: int) -> list[bool]:
    """Of each of so many threads, whether it does; the first is the one that asks."""
    halves = torch.full((threads * _GRAIN,), _TINY) * 0.5
    bits = halves.view(torch.int32)  # compared as a float, a subnormal number would be zero too
    return [not bool(row.any()) for row in bits.view(threads, _GRAIN)]
