"""Flushes subnormal numbers to zero, because many CPUs compute with them many times slower.

Adam and momentum keep a running mean of each weight's gradient. Without a gradient it decays by a tenth per step: after
about 800 steps it is below 1.2e-38, and stays subnormal.

The switch is a register of each thread. A new thread inherits it, so torch's worker threads flush if the switch is set
before the first large operation. The backward pass on a CPU runs in the calling thread and in the same workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

_GRAIN: Final = 32_768  # the fewest elements that torch gives to one thread
_TINY: Final = 1.5e-38  # the smallest float32 that is not subnormal is 1.18e-38


@contextmanager
def denormals_flushed() -> Iterator[bool]:
    """Flush subnormal numbers to zero within the block, in this thread and in threads that it starts.

    Yields whether the processor supports it. Existing worker threads of torch keep their setting.
    """
    before = _flush(1)[0]
    can = torch.set_flush_denormal(True)
    try:
        yield can
    finally:
        torch.set_flush_denormal(before)


def flushing_threads() -> bool | str:
    """Test which of torch's threads flush subnormal numbers to zero.

    True for all of them, False for none, otherwise a text: `1 of 2 threads`.
    """
    found = _flush(torch.get_num_threads())
    return all(found) if len(set(found)) == 1 else f"{sum(found)} of {len(found)} threads"


def _flush(threads: int) -> list[bool]:
    """Whether each of this many threads flushes; the first is the calling thread."""
    halves = torch.full((threads * _GRAIN,), _TINY) * 0.5
    bits = halves.view(torch.int32)  # as a float, a subnormal number would also compare equal to 0
    return [not bool(row.any()) for row in bits.view(threads, _GRAIN)]
