"""Decides whether a data set fits into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archspec.backends.fits import available_bytes

if TYPE_CHECKING:
    import torch

# The rest is for weights, activations and the program itself.
RESIDENT_SHARE: Final = 0.4


def fits(nbytes: int, device: torch.device | str) -> bool:
    """Whether `nbytes` are at most RESIDENT_SHARE of the free memory; true if that is not known."""
    import torch

    free = available_bytes(torch.device(device))
    return free is None or nbytes <= RESIDENT_SHARE * free
