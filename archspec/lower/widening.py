"""The hint to give a layer that comes earlier the channels that a later one needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pydantic import ValidationError

from archspec.diagnostics import Hint
from archspec.diagnostics.hints import GiveChannels
from archspec.ir import Graph, Place
from archspec.language import fixes
from archspec.language.syntax import At
from archspec.lower.builder import Val
from archspec.ops import Operation, infer_outputs
from archspec.ops.traits import Projects
from archspec.types import ShapeError, TensorType


class Step(NamedTuple):
    """An op on the way to a value: where it is written, and its input."""

    op: Operation
    at: Place | None
    x: TensorType | None


def widened(flow: Val, remedy: GiveChannels) -> Hint | None:
    """The hint for the layer that decides the channels of `flow`; None if there is none, or others prevent it."""
    behind: list[Operation] = []
    for op, at, x in _backwards(flow):
        if op.trait(Projects) is None:
            behind.append(op)
            continue
        name = type(op).channels_field()
        if name is None or x is None or not isinstance(at, At):
            return None
        try:
            wide = type(op).model_validate({**op.model_dump(), name: remedy.channels})
        except ValidationError:
            return None
        y = output_of(x, [wide, *reversed(behind)])
        if y is None or y.shape[1] != remedy.channels:
            return None
        text, layer = str(remedy.channels), at / op.op
        hint = fixes.field(f"write `{name}: {text}` in `{op.op}`", layer, name, text, type(op).main)
        return hint if hint.edits or hint.own else None  # channels that are a param are decided elsewhere
    return None


def output_of(x: TensorType, chain: Sequence[Operation | Graph]) -> TensorType | None:
    """The output of ops and chains of them; None if one does not take its input, or is not simple."""
    for step in chain:
        if isinstance(step, Graph):
            inner = output_of(x, [node.target for node in step.nodes]) if step.is_chain else None
            if inner is None:
                return None
            x = inner
        else:
            try:
                (x,) = infer_outputs(step, (x,))
            except (ShapeError, ValueError):
                return None
    return x


def _backwards(flow: Val) -> Iterator[Step]:
    """The ops that lead to the value without branches, the last one first."""
    value: Val | None = flow
    while value is not None:
        draft = next((draft for draft in value.owner.drafts if draft.output is value), None)
        if draft is None or draft.target is None or len(draft.inputs) != 1:
            return
        entering = draft.inputs[0].tensor
        if isinstance(draft.target, Graph):
            steps = None if entering is None else _steps(draft.target, entering)
            if steps is None:
                return
            yield from reversed(steps)
        else:
            yield Step(draft.target, draft.at, entering)
        value = value.source


def _steps(graph: Graph, x: TensorType) -> list[Step] | None:
    """The ops of a chain, with those of chains in it; None if it has branches."""
    found = list[Step]()
    for node in graph.nodes if graph.is_chain else ():
        inner = _steps(node.target, x) if isinstance(node.target, Graph) else [Step(node.target, node.at, x)]
        if inner is None:
            return None
        found += inner
        (x,) = node.outputs
    return found if graph.is_chain else None
