"""The tensors that a network keeps, without building it: what its `state_dict` holds."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.ir import Graph, sites
from archspec.ops.parameters import ParamSpec


def weights(graph: Graph) -> Iterator[tuple[str, ParamSpec]]:
    """Parameters and buffers by their names in the `state_dict`, in its order; those that several layers share once."""
    for site in sites(graph):
        if site.owns_weights and site.node.op is not None:
            for name, spec in site.node.op.parameters(*site.inputs).items():
                yield f"{site.path}.{name}", spec
