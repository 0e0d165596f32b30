"""The tape that the kernel rules of ops write on."""

from __future__ import annotations

from archspec.execution.attention import Attention
from archspec.execution.convolutions import Convolutions


class Tape(Attention, Convolutions):
    """What the kernel rules of ops (`Operation.kernels`) write on: torch's functions on tensors without data."""
