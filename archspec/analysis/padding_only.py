"""Finds convolutions that see only padding along the width."""

from __future__ import annotations

from itertools import product

from archspec.ir import Graph
from archspec.ops import Operation
from archspec.ops.traits import Convolves, Windowed


def columns_of_padding(graph: Graph) -> list[str]:
    """The paths of the dilated convolutions of which no tap meets a column of the input.

    They are valid, but of little use. For them oneDNN's kernel for NHWC, which torch uses on CPUs, writes to a wrong
    address, and the process dies. This was seen in torch 2.14 with batches of two images or more, for all such shapes
    with more than one output column, and for none of 247 others.
    """
    return [
        path for path, node, owner in graph.walk()
        if node.op is not None and node.op.trait(Convolves) and _sees_no_column(node.op, owner.arguments(node)[0].shape)
    ]


def _sees_no_column(conv: Operation, shape: tuple[int, ...]) -> bool:
    windowed = conv.trait(Windowed)
    if windowed is None:
        return False
    window, width = windowed.windows(conv)[-1], shape[-1]
    places = window.positions(width)
    if getattr(conv, "padding_mode", "zeros") != "zeros" or window.dilation == 1 or places < 2:
        return False
    taps = product(range(places), range(window.kernel))
    return all(
        not 0 <= place * window.stride - window.before + tap * window.dilation < width for place, tap in taps
    )
