"""Whether a value is an image, channels first: what its shape alone does not tell."""

from __future__ import annotations

from typing import Final

from archspec.diagnostics import Hint
from archspec.graph import Graph
from archspec.language.fixes import moved
from archspec.language.syntax import At
from archspec.lower.builder import Val
from archspec.ops import Op, Operation, activation, dropout, merge, norm, softmax
from archspec.types import TensorType, channels_first

_KEEPING: Final = tuple(module.__name__ for module in (activation, dropout, merge, norm, softmax))  # the dims' order


def is_image(value: Val | None) -> bool:
    """Whether (N, C, H, W) flows here: from the network's input or an op of images, and no op reordered it since."""
    while value is not None and value.tensor is not None and value.tensor.ndim == 4:
        draft = next((d for d in value.owner.drafts if d.output is value), None)
        if draft is None:
            return value.source is None  # the network's input
        if draft.target is None:
            return False
        verdict = _of_graph(draft.target) if isinstance(draft.target, Graph) else _of_op(draft.target)
        if verdict is not None:
            return verdict
        value = value.source
    return False


def turned_input(image: TensorType | None, at: At) -> str | None:
    """The remedy where a window does not fit, for a network whose input, at `at`, is written with its channels last."""
    turned = image and channels_first(image.shape[1:])
    if not turned:
        return None
    shape = str(list(turned))
    return moved(Hint(f"channels come first: write `input: {shape}`", shape), at)


def _of_graph(graph: Graph) -> bool | None:
    """As `_of_op`, of its output."""
    index = graph.output
    while index >= len(graph.inputs):
        node = graph.nodes[index - len(graph.inputs)]
        verdict = _of_graph(node.target) if isinstance(node.target, Graph) else _of_op(node.target)
        if verdict is not None:
            return verdict
        index = node.inputs[0]
    return None


def _of_op(op: Operation) -> bool | None:
    """Whether it gives an image, channels first; None where it does if it got one."""
    if isinstance(op, Op) and op.ndim == 4:
        return True
    return None if type(op).__module__ in _KEEPING or op.op == "identity" else False
