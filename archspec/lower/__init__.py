"""Blocks, repeats, conditions and references → Graph; shapes are inferred as it goes."""

from archspec.lower.network import Lowered, lower
from archspec.lower.values import Limits

__all__ = ["Limits", "Lowered", "lower"]
