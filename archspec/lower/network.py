"""Lowers a whole network: its input, its stages in order, and the shapes in its `expect`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from archspec.diagnostics import hints
from archspec.ir import Graph, sites
from archspec.language.message_text import short
from archspec.language.outputs import ALWAYS, read_outputs
from archspec.language.syntax import Errors, Program
from archspec.lower.builder import ROOT, Builder, Val
from archspec.lower.context import Context, TooLarge
from archspec.lower.evaluate import Evaluator
from archspec.lower.inputs import UNNAMED, read_inputs, shape_of
from archspec.lower.kept import Kept, Stages
from archspec.lower.layers import Layers
from archspec.lower.share import made_by
from archspec.lower.static import check_unreached
from archspec.lower.values import Limits, Nested, Scope
from archspec.ops import identity
from archspec.types import UNKNOWN_DTYPE, TensorType


class Lowered(NamedTuple):
    """The result of lowering: the graph (None after an error), and each stage's output as far as it is known.

    output: the stage that is the first output in evaluation; None if there is no stage.
    evaluator, scope: evaluate other parts of the file that use its vars.
    """

    graph: Graph | None
    stages: Mapping[str, TensorType | None]
    output: str | None
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
    output = next((name for name, training in context.outputs.items() if not training), None)
    return Lowered(graph, {name: value.tensor for name, value in outputs.items()}, output, scope, context.ev)


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
    first = kept.first_stages() if kept else None
    if first is None:
        first = _entered(context, top, outputs)
    else:
        outputs.update(first.outputs)
        context.counted = first.counted
    root, entered, flow = first.root, first.entered, first.flow
    context.inputs = inputs = first.inputs
    context.outputs = read_outputs(program, context.errors)
    named = {name: value for name, (value, _) in inputs.items() if name != UNNAMED}
    scope = replace(top, entered=entered, outputs=Nested(outputs, named))
    for name, body in [*program.stages.items()][len(outputs) :]:
        if kept:
            kept.before(name, Stages(root, entered, flow, outputs, inputs, context.counted))
        made = len(root.drafts)
        root.at = body.at
        before, flow = flow, layers.into(root, name, body, flow, scope)
        if len(root.drafts) > made:
            flow.made_at = body.at.key
        if len(root.drafts) == made or root.drafts[-1].name != name:
            flow = layers.chosen(root, flow, body.at.key, scope)
            flow = root.run(name, identity(), (flow,), flow.tensor)  # an empty stage is a module too
        flow.made = made_by(name, root, body, before, scope)
        if flow.tensor is None or not flow.tensor.known:
            flow.tensor = _expected(context, name, top) or flow.tensor
        outputs[name] = flow
    if not program.stages:
        return None
    returned = [outputs[name] for name in context.outputs]
    _check_used(context, layers, root, returned, scope)
    return _finished(context, root, returned)


def _finished(context: Context, root: Builder, returned: list[Val]) -> Graph | None:
    """The network's graph with these outputs, or None after an error."""
    root.order([value for value, _ in context.inputs.values()])
    training = [name for name, only in context.outputs.items() if only]
    graph = root.finish(returned, "network", context.program.name, training=training)
    if graph is not None and training and graph.shares_weights:
        _check_owners(context, graph)
    return graph


def _check_owners(context: Context, graph: Graph) -> None:
    """Note stages that evaluation runs with the weights of a stage that only training runs."""
    idle, program = graph.training_only, context.program
    for site in sites(graph):
        owner, stage = (path.partition(".")[0] for path in (site.state, site.path))
        if owner not in idle or stage in idle:
            continue
        message = f"`{stage}` runs in evaluation with the weights of `{owner}`, which only training runs"
        if context.outputs.get(owner):
            context.errors.add("SPEC049", message, program.outputs[1] / owner, hint=hints.write(ALWAYS))
        else:
            context.errors.add("SPEC049", message, program.stages[stage].at, key=True,
                               hint=f"let `{stage}` own the weights: put it first, and let `{owner}` share them")


def _check_used(context: Context, layers: Layers, root: Builder, outputs: list[Val], scope: Scope) -> None:
    """Note stages that nothing uses and that are not outputs, and inputs that nothing uses."""
    program = context.program
    if not layers.knows_uses:
        return
    for name in root.unused(outputs):
        layers.unused(f"the output of `{name}`", program.stages[name].at.key,
                      "use it in a later stage with `from`, or list it in `outputs`", scope)
    for name in program.inputs:
        if name in context.inputs and not root.uses(context.inputs[name][0]):
            layers.unused(f"the input `{short(name)}`", (program.input[1] / name).key,
                          f"use it in a layer with `from: {short(name)}`", scope)


def _entered(context: Context, scope: Scope, outputs: dict[str, Val]) -> Stages:
    """The network before its first stage."""
    outside = Builder(None, ROOT)
    inputs = {one.name: (Val(outside, one.name, one.type), one.at) for one in read_inputs(context, scope)}
    values = {name: value for name, (value, _) in inputs.items()}
    entered = next(iter(values.values())) if len(values) == 1 else Val(outside, UNNAMED, None, choices=values)
    return Stages(Builder(outside, ROOT), entered, entered, outputs, inputs)


def _expected(context: Context, stage: str, scope: Scope) -> TensorType | None:
    at = context.program.places["expect"].get(stage)
    if at is None:
        return None
    shape = shape_of(context.ev.value(context.program.data["expect"][stage], at, scope, None))
    return None if shape is None else TensorType(shape.shape, UNKNOWN_DTYPE)
