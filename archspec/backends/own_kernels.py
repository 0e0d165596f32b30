"""Which layers of a network have a faster way on a CPU than torch's own kernel, and that way."""

from __future__ import annotations

from math import prod
from typing import Final

from torch import nn

from archspec.backends.gemm_conv import GemmConv2d, can_be_gemm
from archspec.backends.sliced_pool import SlicedAvgPool2d, can_be_sliced
from archspec.graph import Graph

FEW: Final = 16  # positions of an output map for which a convolution is faster as a matrix product


def use_own_kernels(model: nn.Module, graph: Graph, *, channels_last: bool) -> list[str]:
    """Change how layers of `model` compute, by rounding only; parameters and names stay. Returns the layers' paths.

    graph: what `model` was built from. Average pooling becomes sums of slices; in NHWC convolutions to maps of at
    most FEW positions become matrix products.
    """
    changed = []
    for path, node, owner in graph.walk():
        if node.op is None or node.op.op not in {"conv2d", "avg_pool2d"}:
            continue
        layer = model.get_submodule(path)
        if channels_last and isinstance(layer, nn.Conv2d):
            if prod(node.output.shape[2:]) > FEW or not can_be_gemm(layer):
                continue
            layer.__class__ = GemmConv2d
        elif isinstance(layer, nn.AvgPool2d):
            if not can_be_sliced(layer, *owner.arguments(node)[0].shape[2:]):
                continue
            layer.__class__ = SlicedAvgPool2d
        else:
            continue
        changed.append(path)
    return changed
