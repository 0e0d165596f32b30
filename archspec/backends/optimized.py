"""Builds a network that is rewritten for inference and accepts the state_dict of the original network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from archspec.backends.torch import Body, build
from archspec.ir import Graph, sites
from archspec.ir.edit import evaluation
from archspec.ir.rewrites import for_inference
from archspec.ir.rewrites.result import Derivation


def optimized(graph: Graph, model: nn.Module) -> nn.Module:
    """The network after `for_inference`, in eval mode, with weights derived from those of `model`.

    graph: the graph from which `model` was built. `load_state_dict` of the result accepts weights of either network.
    """
    evaluated = evaluation(graph)
    new = for_inference(evaluated)
    with torch.random.fork_rng([]):  # the initial weights are not used
        network = build(new.graph, generated=True)
    assert isinstance(network, Body)
    network.meta[Body.FROZEN] = True
    kept = _keys(evaluated)
    derive = _Derive(kept, _keys(graph) - kept, new.weights)
    network.register_load_state_dict_pre_hook(derive)  # type: ignore[no-untyped-call]
    network.load_state_dict(model.state_dict())
    return network.eval()


def _keys(graph: Graph) -> frozenset[str]:
    """The keys of a network's state_dict, from the `parameters` of its ops."""
    return frozenset(
        f"{site.path}.{name}" for site in sites(graph) if site.owns_weights and site.node.op is not None
        for name in site.node.op.parameters(*site.inputs)
    )


class _Derive:
    """A hook of `load_state_dict` that derives the weights of the rewritten network from original ones."""

    def __init__(
        self, keys: frozenset[str], unused: frozenset[str], derivations: tuple[Derivation, ...]
    ) -> None:
        self.keys = keys
        self.unused = unused  # weights of what only training runs
        self.derivations = derivations

    def __call__(self, module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
        for key in self.unused:
            state.pop(prefix + key, None)
        own = {key: state[prefix + key] for key in self.keys if prefix + key in state}
        if not self.derivations or own.keys() != self.keys:
            return  # weights of the rewritten network, or incomplete ones, for which torch names what is missing
        for key in own:
            del state[prefix + key]
        for derivation in self.derivations:
            derivation.apply(own)
        state.update({prefix + key: tensor for key, tensor in own.items()})
