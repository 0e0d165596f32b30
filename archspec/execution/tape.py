"""The tape that the kernel rules of ops write on."""

from __future__ import annotations

from archspec.execution.attention import Attention
from archspec.execution.convolutions import Convolutions
from archspec.execution.losses import Losses


class Tape(Attention, Convolutions, Losses):
    """What the kernel rules of ops (`Operation.kernels`) write on: torch's functions on tensors without data."""
