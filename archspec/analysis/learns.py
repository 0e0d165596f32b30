"""Checks that a network has parameters to train."""

from __future__ import annotations

from archspec.analysis.weights import weights
from archspec.diagnostics import error
from archspec.ir import Graph


def check_learns(graph: Graph) -> None:
    """Raise SpecError BUILD204 if a network has no parameters."""
    if not any(spec.learned for _, spec in weights(graph)):
        raise error("BUILD204", "the network has no parameters to train",
                    hint="add a layer with parameters, such as `linear` or `conv2d`")
