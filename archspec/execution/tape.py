"""The tape that the kernel rules of ops write on."""

from __future__ import annotations

from archspec.execution.convolutions import Convolutions
from archspec.execution.losses import Losses
from archspec.execution.norms import Norms
from archspec.execution.pointwise import Pointwise
from archspec.execution.pooling import Pooling
from archspec.execution.products import Products
from archspec.execution.random import Random
from archspec.execution.reshaping import Reshaping


class Tape(Convolutions, Losses, Norms, Pointwise, Pooling, Products, Random, Reshaping):
    """What the kernel rules of ops (`Operation.kernels`) write on: torch's functions on tensors without data."""
