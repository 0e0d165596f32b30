"""Whether a value is an image with its channels first, which its shape alone does not show."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from archspec.diagnostics import Hint
from archspec.ir import Graph, Site, interpret
from archspec.language.fixes import moved
from archspec.language.syntax import At
from archspec.lower.builder import Val
from archspec.ops import Op, Operation
from archspec.ops.traits import KeepsLayout, Projects
from archspec.types import channels_first


def is_image(value: Val | None) -> bool:
    """Whether a value is an image (N, C, H, W) or a volume: no op between the input and here has reordered it."""
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
    """The op to put before this one if its input is an image: it works along the last dimension, the image's width."""
    projects = cls.trait(Projects)
    return None if projects is None else projects.images


def turned_input(flow: Val, inputs: Mapping[str, tuple[Val, At]]) -> str | None:
    """The hint if the input from which this value was computed has its channels last, so that a window does not fit."""
    origin = flow.origin
    at = next((at for value, at in inputs.values() if value is origin), None)
    turned = channels_first(origin.tensor.shape[1:]) if at is not None and origin.tensor is not None else None
    if at is None or turned is None:
        return None
    shape = str(list(turned))
    what = "input" if at.path == ("input",) else str(at.path[-1])
    return moved(Hint(f"channels come first: write `{what}: {shape}`", shape), at)


def _of_graph(graph: Graph) -> bool | None:
    """`_of_op` for the output of a graph."""

    def after(site: Site, verdicts: tuple[bool | None, ...]) -> list[bool | None]:
        assert site.node.op is not None
        verdict = _of_op(site.node.op)
        return [verdicts[0] if verdict is None and verdicts else verdict] * len(site.node.outputs)

    return interpret(graph, [None] * len(graph.inputs), after)[0]


def _of_op(op: Operation) -> bool | None:
    """Whether the op outputs an image with its channels first. None: it does if its input is one."""
    if isinstance(op, Op) and op.ndim is not None and op.ndim > 3:
        return True
    return None if op.trait(KeepsLayout) is not None else False
