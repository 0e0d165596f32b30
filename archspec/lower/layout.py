"""Whether a value is an image, channels first: what its shape alone does not tell."""

from __future__ import annotations

from functools import cache

from archspec.diagnostics import Hint
from archspec.ir import Graph, Site, interpret
from archspec.language.fixes import moved
from archspec.language.syntax import At
from archspec.lower.builder import Val
from archspec.ops import Op, Operation
from archspec.ops.traits import KeepsLayout, Projects
from archspec.types import TensorType, channels_first


def is_image(value: Val | None) -> bool:
    """Whether (N, C, H, W) or a volume flows here: from the input or an op of such, and no op reordered it since."""
    while value is not None and value.tensor is not None and value.tensor.ndim > 3:
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


@cache
def before_images(cls: type[Operation]) -> str | None:
    """The op to put before this one where images flow in, since it works along the last dimension: their width."""
    projects = cls.trait(Projects)
    return None if projects is None else projects.images


def turned_input(image: TensorType | None, at: At) -> str | None:
    """The remedy where a window does not fit, for a network whose input, at `at`, is written with its channels last."""
    turned = image and channels_first(image.shape[1:])
    if not turned:
        return None
    shape = str(list(turned))
    return moved(Hint(f"channels come first: write `input: {shape}`", shape), at)


def _of_graph(graph: Graph) -> bool | None:
    """As `_of_op`, of its output."""

    def after(site: Site, verdicts: tuple[bool | None, ...]) -> list[bool | None]:
        assert site.node.op is not None
        verdict = _of_op(site.node.op)
        return [verdicts[0] if verdict is None and verdicts else verdict] * len(site.node.outputs)

    return interpret(graph, [None] * len(graph.inputs), after)[0]


def _of_op(op: Operation) -> bool | None:
    """Whether it gives an image, channels first; None where it does if it got one."""
    if isinstance(op, Op) and op.ndim is not None and op.ndim > 3:
        return True
    return None if op.trait(KeepsLayout) is not None else False
