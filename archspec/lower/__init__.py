"""Blocks, repeats, conditions and references → Graph. Shapes are inferred along the way."""

from archspec.lower.kept import Kept
from archspec.lower.network import Lowered, lower, lower_variant
from archspec.lower.values import Limits

__all__ = ["Kept", "Limits", "Lowered", "lower", "lower_variant"]
