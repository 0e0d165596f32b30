"""A counter-based random number generator: each number is a pure function of its purpose.

The value for (seed, epoch, sample, stream, draw) is a hash of these numbers, by SplitMix64's finaliser
(Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", figure 17). So the random numbers of a
sample depend neither on its batch, nor on the device, nor on earlier computations, and there is no state to save.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

_MASK: Final = (1 << 64) - 1
_GAMMA: Final = 0x9E3779B97F4A7C15  # the odd integer nearest to 2**64 / golden ratio
_MIX: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT: Final = 31


def mix(value: int) -> int:
    """SplitMix64's finaliser: a bijection of 64-bit integers that looks random."""
    for shift, factor in _MIX:
        value = ((value ^ (value >> shift)) * factor) & _MASK
    return value ^ (value >> _LAST_SHIFT)


def key_of(seed: int, epoch: int, stream: str) -> int:
    """A 64-bit key for one use of randomness in one epoch. Different streams are independent."""
    key = mix((seed + _GAMMA) & _MASK)
    key = mix((key ^ (epoch & _MASK)) + _GAMMA & _MASK)
    for byte in stream.encode():
        key = mix((key ^ byte) + _GAMMA & _MASK)
    return key


def uniform(key: int, index: torch.Tensor, draws: int) -> torch.Tensor:
    """Uniform numbers in [0, 1) for each sample: float32 (N, draws), on the device of `index`.

    index: int64 (N,), the samples' numbers in the data set. Multiples of 2**-24, the same on every device.
    """
    import torch

    base = _mix(index.to(torch.int64) * _signed(_GAMMA) + _signed(key))
    counter = torch.arange(1, draws + 1, device=index.device) * _signed(_GAMMA)
    bits = _mix(base[:, None] + counter[None, :])
    return _shift(bits, 40).to(torch.float32) * 2.0**-24


def integers(uniforms: torch.Tensor, bound: int) -> torch.Tensor:
    """Integers in 0 … bound - 1, int64, from the numbers of `uniform`; bound < 2**20."""
    import torch

    return (uniforms.double() * bound).floor().to(torch.int64)


def _mix(values: torch.Tensor) -> torch.Tensor:
    """`mix` on int64 tensors, whose products wrap around."""
    for shift, factor in _MIX:
        values = (values ^ _shift(values, shift)) * _signed(factor)
    return values ^ _shift(values, _LAST_SHIFT)


def _shift(values: torch.Tensor, bits: int) -> torch.Tensor:
    """The logical right shift; torch's shift is arithmetic."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    """The int64 with these 64 bits."""
    return value - (1 << 64) if value >> 63 else value
