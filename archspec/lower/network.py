"""Lowers a whole network: its input, its stages in order, and the shapes in its `expect`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from archspec.expressions import UNKNOWN_VALUE
from archspec.ir import Graph
from archspec.language import fixes
from archspec.language.message_text import value_text
from archspec.language.syntax import Errors, Program
from archspec.lower.builder import ROOT, Builder, Val
from archspec.lower.context import Context, TooLarge
from archspec.lower.evaluate import Evaluator
from archspec.lower.kept import Kept, Stages
from archspec.lower.layers import Layers
from archspec.lower.static import check_unreached
from archspec.lower.values import Limits, Scope
from archspec.ops import identity
from archspec.ops.base import MAX_INT
from archspec.source import BROKEN
from archspec.types import BATCH, UNKNOWN_DTYPE, TensorType


@dataclass(frozen=True, slots=True)
class Lowered:
    """The result of lowering: the graph (None after an error), and each stage's output as far as it is known.

    evaluator, scope: evaluate other parts of the file that use its vars.
    """

    graph: Graph | None
    stages: Mapping[str, TensorType | None]
    scope: Scope
    evaluator: Evaluator


def lower(program: Program, errors: Errors, limits: Limits) -> Lowered:
    """Lower a whole network. Every mistake is added to `errors`; the graph is None if one leaves it unknown.

    A stage whose output is unknown after an error gets the shape in `expect`, so that later stages are still checked.
    """
    context = Context(program, errors, limits)
    scope = context.vars_scope(program.library)
    outputs: dict[str, Val] = {}
    try:
        graph = _stages(context, scope, outputs)
        check_unreached(context)
    except TooLarge:
        graph, outputs = None, {}
    context.ev.misuses.tell(program)
    return Lowered(graph, {name: value.tensor for name, value in outputs.items()}, scope, context.ev)


def lower_variant(program: Program, limits: Limits, kept: Kept) -> Graph | None:
    """The network of a program that was already checked with other values of its vars; None if there is a mistake.

    Layers that it does not reach are not checked again.
    """
    errors = Errors()
    context = Context(program, errors, limits, kept)
    try:
        graph = _stages(context, context.vars_scope(program.library), {})
    except TooLarge:
        return None
    context.ev.misuses.tell(program)
    if errors.found or errors.warnings:
        return None
    kept.keep(context.calls)
    return graph


def _stages(context: Context, top: Scope, outputs: dict[str, Val]) -> Graph | None:
    """Lower all stages. Each adds its output to `outputs`, where later stages find it with `from`."""
    program, layers, kept = context.program, Layers(context), context.kept
    context.input = _input(context, top)
    first = kept.first_stages() if kept else None
    if first is None:
        outside = Builder(None, ROOT)
        entered = Val(outside, "input", context.input)
        first = Stages(Builder(outside, ROOT), entered, entered, outputs)
    else:
        outputs.update(first.outputs)
        context.counted = first.counted
    root, entered, flow = first.root, first.entered, first.flow
    scope = replace(top, entered=entered, outputs=outputs)
    for name, body in [*program.stages.items()][len(outputs) :]:
        if kept:
            kept.before(name, Stages(root, entered, flow, outputs, context.counted))
        made = len(root.drafts)
        root.at = body.at
        flow = layers.into(root, name, body, flow, scope)
        if len(root.drafts) > made:
            flow.made_at = body.at.key
        if len(root.drafts) == made or root.drafts[-1].name != name:
            flow = root.run(name, identity(), (flow,), flow.tensor)  # an empty stage is a module too
        if flow.tensor is None or not flow.tensor.known:
            flow.tensor = _expected(context, name, top) or flow.tensor
        outputs[name] = flow
    layers.check_unused(root, flow, lambda name: program.stages[name].at.key, scope)
    return root.finish(flow, "network", program.name) if program.stages else None


def _input(context: Context, scope: Scope) -> TensorType | None:
    raw, at = context.program.input
    if raw is None and at.path == ():
        return None  # missing; already reported
    shape = context.ev.value(raw, at, scope, None)
    tensor = _shape(shape)
    if tensor is None and shape is not UNKNOWN_VALUE and shape is not BROKEN and not _has_unknown(shape):
        items = [(item, at / k) for k, item in enumerate(shape)] if isinstance(shape, list) else [(shape, at)]
        found = ((context.ev.without_dollar(item, scope), place) for item, place in items)
        hints = (fixes.moved(hint, place) for hint, place in found if hint is not None)
        context.errors.add(
            "SPEC012", f"`input` must be [channels, height, width], got {value_text(shape)}", at,
            hint=next(hints, "write one to four positive integers, without the batch: "
                      "`input: [1, 28, 28]`"),
        )
    return tensor


def _has_unknown(shape: Any) -> bool:
    return isinstance(shape, list) and UNKNOWN_VALUE in shape


def _expected(context: Context, stage: str, scope: Scope) -> TensorType | None:
    at = context.program.places["expect"].get(stage)
    if at is None:
        return None
    shape = _shape(context.ev.value(context.program.data["expect"][stage], at, scope, None))
    return None if shape is None else TensorType(shape.shape, UNKNOWN_DTYPE)


def _shape(value: Any) -> TensorType | None:
    if not isinstance(value, list) or not 1 <= len(value) <= 4:
        return None
    if any(isinstance(d, bool) or not isinstance(d, int) or not 1 <= d <= MAX_INT for d in value):
        return None
    return TensorType((BATCH, *value))
