"""Is there anything in a network that training could change?"""

from __future__ import annotations

from archspec.analysis.cost import cost_report
from archspec.diagnostics import error
from archspec.graph import Graph


def check_learns(graph: Graph) -> None:
    """Raise SpecError BUILD204 where a network has no parameters."""
    if not cost_report(graph).params:
        raise error("BUILD204", "the network has no parameters to train",
                    hint="add a layer that has some, such as `linear` or `conv2d`")
