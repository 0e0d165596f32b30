"""How much memory a CPU's caches hold: of a virtual machine, its share of them."""

from __future__ import annotations

from typing import Final

import torch

from archspec.profile.timing import Clock

_PIECE: Final = 1 << 18  # elements of four bytes
SIZES: Final = tuple(n << 20 for n in (4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256))
_ROUNDS: Final = 6  # of which the quickest counts
_FASTER: Final = 1.4  # times: a last cache is about twice as fast as memory


def cache_bytes(clock: Clock) -> int:
    """The largest of SIZES that is read again at a clearly higher rate than the largest, which no cache holds."""
    pieces = [torch.ones(_PIECE) for _ in range(SIZES[-1] // (4 * _PIECE))]
    rates = {size: size / _seconds(pieces[: size // (4 * _PIECE)], clock) for size in SIZES}
    return max([size for size in SIZES if rates[size] >= _FASTER * rates[SIZES[-1]]], default=SIZES[0])


def _seconds(pieces: list[torch.Tensor], clock: Clock) -> float:
    times = []
    for _ in range(_ROUNDS):
        start = clock()
        for piece in pieces:
            torch.sum(piece)
        times.append(clock() - start)
    return min(times[1:])
