"""Is there anything in a network that training could change?"""

from __future__ import annotations

from archspec.diagnostics import error
from archspec.ir import Graph, sites


def check_learns(graph: Graph) -> None:
    """Raise SpecError BUILD204 where a network has no parameters."""
    for site in sites(graph):
        specs = {} if site.node.op is None else site.node.op.parameters(*site.inputs)
        if any(spec.learned for spec in specs.values()):
            return
    raise error("BUILD204", "the network has no parameters to train",
                hint="add a layer that has some, such as `linear` or `conv2d`")
