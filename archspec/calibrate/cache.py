"""How much memory a CPU's caches hold: of a virtual machine, its share of them."""

from __future__ import annotations

from math import sqrt
from typing import Final

import torch

from archspec.profile.timing import Clock

_PIECE: Final = 1 << 18  # elements of four bytes
SIZES: Final = tuple(n << 20 for n in (4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256))
_ROUNDS: Final = 4  # of which the quickest counts


def cache_bytes(clock: Clock) -> int:
    """The largest of SIZES that is read again nearer to the rate of the smallest than to that of the largest."""
    pieces = [torch.ones(_PIECE) for _ in range(SIZES[-1] // (4 * _PIECE))]
    rates = {size: size / _seconds(pieces[: size // (4 * _PIECE)], clock) for size in SIZES}
    halfway = sqrt(rates[SIZES[0]] * rates[SIZES[-1]])
    return max([size for size in SIZES if rates[size] >= halfway], default=SIZES[0])


def _seconds(pieces: list[torch.Tensor], clock: Clock) -> float:
    times = []
    for _ in range(_ROUNDS):
        start = clock()
        for piece in pieces:
            torch.sum(piece)
        times.append(clock() - start)
    return min(times[1:])
