"""The tensors in a network's `state_dict`, without building it."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.ir import Graph, sites
from archspec.ops.parameters import ParamSpec


def weights(graph: Graph) -> Iterator[tuple[str, ParamSpec]]:
    """Parameters and buffers by name, in the order of the `state_dict`. Shared ones appear once."""
    for site in sites(graph):
        if site.owns_weights and site.node.op is not None:
            for name, spec in site.node.op.parameters(*site.inputs).items():
                yield f"{site.path}.{name}", spec
