"""Is there anything in a network that training could change?"""

from __future__ import annotations

from archspec.diagnostics import error
from archspec.graph import Graph


def check_learns(graph: Graph) -> None:
    """Raise SpecError BUILD204 where a network has no parameters."""
    for _, node, owner in graph.walk():
        specs = {} if node.op is None else node.op.parameters(*owner.arguments(node))
        if any(spec.learned for spec in specs.values()):
            return
    raise error("BUILD204", "the network has no parameters to train",
                hint="add a layer that has some, such as `linear` or `conv2d`")
