"""Dimensions by number, as PyTorch counts them, and by name, as people speak of them."""

from __future__ import annotations

from archspec.diagnostics.hints import SetFields
from archspec.types import ShapeError, TensorType

_NAMES = {2: ("batch", "features"), 4: ("batch", "channels", "height", "width"),
          5: ("batch", "channels", "depth", "height", "width")}


def axis(dim: int, x: TensorType, field: str = "dim") -> int:
    """`dim` counted from the front. ShapeError if `x` has no such dimension, or if it is the batch."""
    n = x.ndim
    hint = None if n < 2 else SetFields("use `1`", **{field: 1}) if n == 2 else f"use a dim from 1 to {n - 1}"
    if dim < -n or dim >= n:
        raise ShapeError(f"{field} {dim} is not among the input's dims, 0 (batch) to {n - 1}", field=field, hint=hint)
    if dim % n == 0:
        raise ShapeError(f"{field} {dim} is the batch, which an op cannot change", field=field, hint=hint)
    return dim % n


def dim_name(index: int, ndim: int) -> str:
    """What dimension `index` of a tensor of this rank is called: channels, height, …"""
    return _NAMES.get(ndim, ("batch",))[index] if index == 0 or ndim in _NAMES else f"dim {index}"
