"""Replaces torch's kernels of some layers by faster ones on a CPU."""

from __future__ import annotations

from collections import Counter
from typing import Final

from torch import nn

from archspec.backends.gemm_conv import GemmConv2d
from archspec.backends.sliced_pool import SlicedAvgPool2d
from archspec.ir import Graph, sites

KERNELS: Final = (GemmConv2d, SlicedAvgPool2d)


def use_own_kernels(model: nn.Module, graph: Graph, *, channels_last: bool) -> list[str]:
    """Replace the kernels of layers of `model` and return their paths. Results change by rounding only.

    graph: the graph from which `model` was built. Parameters and names do not change. Average pooling becomes sums of
    slices; in NHWC, convolutions to small maps become matrix products.
    """
    everywhere = sites(graph)
    runs = Counter(site.state for site in everywhere)
    changed = []
    for path, state, node, home in everywhere:
        if node.op is None or runs[state] > 1:  # it may run on other shapes too
            continue
        layer, shapes = model.get_submodule(path), (home.arguments(node)[0].shape, node.outputs[0].shape)
        own = next((kernel for kernel in KERNELS if kernel.suits(layer, *shapes, channels_last=channels_last)), None)
        if own is not None:
            layer.__class__ = own
            changed.append(path)
    return changed
