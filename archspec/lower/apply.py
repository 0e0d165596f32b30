"""Lowers ops, and merges with their branches; reports their shape errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from archspec.diagnostics.hints import GiveChannels, SetFields
from archspec.language import fixes
from archspec.language.errors import Place
from archspec.language.syntax import At, Body, Layer
from archspec.lower.branches import remedy_of, reshaped, tensors_of
from archspec.lower.builder import Builder, Val, blank
from archspec.lower.context import Context
from archspec.lower.kept import MOST
from archspec.lower.layout import batched_input, gray_input, is_image, is_sequence, layout_warning, turned_input
from archspec.lower.operations import Fields, field_place, guess, is_fixed, make, read_fields, window_place
from archspec.lower.values import Scope
from archspec.ops import OPS, Op, Operation, infer_outputs
from archspec.text import shape_text
from archspec.types import ShapeError


class Bodies(Protocol):
    """What `Ops` needs from `Layers`."""

    context: Context

    def into(self, builder: Builder, name: str, body: Body, flow: Val, scope: Scope, block: str = "") -> Val:
        """Lower a body as the module `name`."""

    def named_value(self, builder: Builder, name: str, at: At, flow: Val, scope: Scope) -> Val:
        """The value that `from`, or a field of an op, names."""

    def chosen(self, builder: Builder, flow: Val, at: At, scope: Scope) -> Val:
        """The input of the layer at `at`. An error if it may be any of the network's inputs."""


class Ops:
    """Ops and merges of a network. Every method returns the output."""

    def __init__(self, layers: Bodies) -> None:
        self.layers = layers
        self.context = layers.context
        self.reporter = layers.context.reporter

    def op(self, builder: Builder, cls: type[Operation], layer: Layer, flow: Val, scope: Scope, name: str) -> Val:
        """Lower a layer that runs an op."""
        op, fields = self.context.fixed.get((layer, cls)), None
        if op is None:
            fields = read_fields(layer, cls, self.context.ev, scope, flow.tensor)
            op = make(layer, cls, fields, self.context.ev, scope, flow.tensor)
            if op is None:
                return builder.broken(name, flow, guess(cls, fields, flow.tensor))
            if is_fixed(layer.args) and len(self.context.fixed) < MOST:  # values of params are parsed each time
                self.context.fixed[layer, cls] = op
        tensor = flow.tensor
        if tensor is None and isinstance(op, Op) and op.ndim is not None:
            tensor = blank(op.ndim)
        if tensor is None:
            return builder.broken(name, flow)
        self._check_layout(cls, layer, flow, f"{builder.path}.{name}", scope)
        others = self._references(builder, op, layer, flow, scope) if op.references else ()
        inputs = (flow, *others)
        types = (tensor, *[blank(tensor.ndim) if other.tensor is None else other.tensor for other in others])
        try:
            return builder.run(name, op, inputs, infer_outputs(op, types)[0])
        except ShapeError as e:
            self._report(e, f"{builder.path}.{name}", cls, fields, layer, inputs, scope)
            return builder.broken(name, flow, e.partial)

    def _check_layout(self, cls: type[Operation], layer: Layer, flow: Val, path: str, scope: Scope) -> None:
        """Warn of an op that works along another dimension of its input than it would be for: probably not meant."""
        warning = layout_warning(cls)
        if warning is None or flow.tensor is None or not (is_image if warning[0] == "SHAPE112" else is_sequence)(flow):
            return
        code, before = warning
        shape = shape_text(flow.tensor.shape[1:])
        if code == "SHAPE112":
            message = f"applies to the width of {'an image' if flow.tensor.ndim == 4 else 'a volume'} {shape}"
        else:
            message = f"takes the positions of the sequence {shape} as channels"
        self.reporter.tell(code, f"{path}: `{cls.op}` {message}", layer.head, scope,
                           hint=fixes.before(f"put `{before}` before it", layer.place, before))

    def _report(
        self, e: ShapeError, path: str, cls: type[Operation], fields: Fields | None, layer: Layer,
        inputs: tuple[Val, ...], scope: Scope,
    ) -> None:
        """Report the shape error of an op, unless it is already reported. fields: None if they are not read yet."""
        at, related = window_place(layer, e, scope)
        if self.reporter.is_reported(e.code, at, scope):
            return
        flow = inputs[0]
        if e.code == "SHAPE102" and self.context.is_doubtful(flow):
            return
        hint = turned_input(flow, self.context.inputs) if e.code == "SHAPE101" else None
        if e.code == "SHAPE102" and issubclass(cls, Op):
            hint = batched_input(flow, self.context.inputs, cls.ndim) or gray_input(flow, self.context.inputs, cls.ndim)
        if hint is None and flow.tensor is not None and cls.ndim not in (None, flow.tensor.ndim):
            self.context.doubtful_ranks.add(cls.ndim)
        if isinstance(e.hint, GiveChannels):
            from archspec.lower.widening import widened  # only mistakes need it

            hint = widened(flow, e.hint)
        hint = hint or fixes.of_op(_depthwise(e.hint, layer, flow), layer.at, layer.head, layer.place, cls.main)
        if hint is not None and at == layer.head:
            hint = fixes.moved(hint, layer.at)  # the hint is about the value, not the name
        related += field_place(e, fields or read_fields(layer, cls, self.context.ev, scope, flow.tensor), at)
        related += [place for value in inputs for place in self._from(value, at)]
        self.reporter.tell(e.code, f"{path}: {e.message}", at, scope, notes=[flow.way()], related=related, hint=hint)

    def _references(
        self, builder: Builder, op: Operation, layer: Layer, flow: Val, scope: Scope
    ) -> tuple[Val, ...]:
        """The further inputs of an op: values that its fields name."""
        names = [(name, layer.at / field) for field in op.references if (name := getattr(op, field)) is not None]
        return tuple([self.layers.named_value(builder, name, at, flow, scope) for name, at in names])

    def _from(self, flow: Val, at: At) -> list[Place]:
        """Where the input was made, if that is in the same file."""
        made_at, gives = flow.gives()
        return [(made_at, gives)] if made_at is not None and made_at.document is at.document else []

    def merge(self, builder: Builder, layer: Layer, flow: Val, scope: Scope, name: str, label: str) -> Val:
        """Lower a merge with its branches. `label`: its name in the spec."""
        context, cls = self.context, OPS[layer.kind or ""]
        context.enter(layer.place)
        context.count(1, layer.place)
        sub = builder.child(name)
        outputs = {}
        for branch, body in layer.branches.items():
            sub.at = body.at
            outputs[branch] = self.layers.into(sub, branch, body, flow, scope)
        sub.at = layer.place
        context.leave()
        fields = read_fields(layer, cls, context.ev, scope, flow.tensor)
        op = make(layer, cls, fields, context.ev, scope)
        outputs = {n: self.layers.chosen(sub, v, layer.branches[n].at.key, scope) for n, v in outputs.items()}
        inputs = tuple(outputs.values())
        if op is None or all(v.tensor is None for v in inputs):
            merged = sub.broken(cls.op, inputs[0])
        else:
            merged = self._join(sub, op, layer, outputs, flow, scope)
        if sub.drafts[:-1]:
            return builder.call(sub, name, merged, kind="merge", label=label, flow=flow)
        whole = op if sub.drafts[0].target else None  # all branches are empty: the layer is just the op
        return builder.run(name, whole, inputs, merged.tensor)

    def _join(
        self, sub: Builder, op: Operation, layer: Layer, outputs: Mapping[str, Val], flow: Val, scope: Scope
    ) -> Val:
        inputs = tuple(outputs.values())
        name = op.op
        while name in outputs:
            name += "_"
        try:
            return sub.run(name, op, inputs, infer_outputs(op, tensors_of(inputs))[0])
        except ShapeError as e:
            if not self.reporter.is_reported(e.code, layer.head, scope):
                from archspec.lower.padding import padded  # only mistakes need it

                differ = {n: v for k, (n, v) in enumerate(outputs.items()) if k in (e.inputs or (k,)) and v.tensor}
                related = [(layer.branches[n].at.key, v.gives()[1]) for n, v in differ.items()]
                hint = (reshaped(op, e, layer, outputs) or padded(op, layer, outputs, sub, flow, scope)
                        or remedy_of(e.hint, layer, list(outputs), scope))
                self.reporter.tell(e.code, f"{sub.path}: {e.named([f'`{n}`' for n in outputs])}", layer.head, scope,
                                   related=related, notes=[flow.way()], hint=hint)
            return sub.broken(name, inputs[0], e.partial)


def _depthwise(hint: str | None, layer: Layer, flow: Val) -> str | None:
    """A hint to set `groups` to the input's channels is an expression where `groups` is one: calls differ in them."""
    channels = None if flow.tensor is None or flow.tensor.ndim < 2 else flow.tensor.shape[1]
    if not isinstance(hint, SetFields) or hint.values != (("groups", str(channels)),):
        return hint
    written = layer.args.get("groups") if isinstance(layer.args, dict) else None
    if not isinstance(written, str):
        return hint
    return SetFields("write `groups: $in.channels`", groups="$in.channels")
