"""Calls of blocks, and layers that are the values of params."""

from __future__ import annotations

from typing import Protocol

from archspec.expressions import UNKNOWN_VALUE
from archspec.ir import Graph
from archspec.language import fixes
from archspec.language.message_text import short, value_text
from archspec.language.parse import parse_body
from archspec.language.syntax import At, Block, Body, Layer, Library
from archspec.lower.builder import Builder, Val
from archspec.lower.calls import bind, not_a_layer
from archspec.lower.context import Context
from archspec.lower.kept import Call
from archspec.lower.values import Scope, ShapeView, Written, written
from archspec.source import BROKEN
from archspec.types import TensorType


class Bodies(Protocol):
    """What `Blocks` needs from `Layers`."""

    context: Context

    def into(self, builder: Builder, name: str, body: Body, flow: Val, scope: Scope, block: str = "") -> Val:
        """Lower a body as the module `name`. `block` is the name of the block whose body it is, if any."""

    def named(
        self, builder: Builder, kind: str, home: Library, layer: Layer, flow: Val, scope: Scope, name: str,
        at: At | None = None,
    ) -> Val:
        """Lower a layer whose kind is the name of an op or block. `home` resolves the name; `at` is its place."""


class Blocks:
    """Expands blocks. Equal calls on equal inputs are lowered once."""

    def __init__(self, bodies: Bodies) -> None:
        self.bodies = bodies
        self.context = bodies.context
        self.memo: dict[Call, tuple[Graph, TensorType]] = bodies.context.calls

    def call(self, builder: Builder, block: Block, layer: Layer, flow: Val, scope: Scope, name: str) -> Val:
        """Lower a call of a block as the module `name`."""
        context = self.context
        if block in context.program.cyclic:
            return builder.broken(name, flow)  # already reported
        if any(block is b for b, _ in scope.calls):
            self._recursion(block, layer, scope)
            return builder.broken(name, flow)
        if len(scope.calls) >= context.limits.max_nesting:
            context.too_large(f"blocks call blocks more than {context.limits.max_nesting} deep", layer.head,
                              "raise the limit with `--max-nesting`")
        inner, arguments = bind(block, layer, flow, scope, context)
        if inner is None:
            return builder.broken(name, flow)
        memo = None
        if arguments is not None and flow.tensor is not None and flow.tensor.known:
            memo = (id(block), arguments, flow.tensor)
            known = self.memo.get(memo) or (context.kept and context.kept.get(memo))
            if known:
                graph, tensor = known
                context.count(graph.op_count, layer.place)
                return builder.call_graph(name, graph, flow, tensor)
        before = len(builder.drafts)
        out = self.bodies.into(builder, name, block.body, flow, inner, block.name)
        draft = builder.drafts[-1] if len(builder.drafts) == before + 1 else None
        whole = draft is not None and draft.output is out and len(draft.inputs) == 1
        if memo and whole and draft and isinstance(draft.target, Graph) and out.tensor:
            self.memo[memo] = (draft.target, out.tensor)
        return out

    def _recursion(self, block: Block, layer: Layer, scope: Scope) -> None:
        cycle = [b.name for b, _ in scope.calls]
        cycle = [*cycle[cycle.index(block.name) :], block.name]
        self.context.reporter.tell(
            "SPEC026", f"block `{block.name}` calls itself: {short(' → '.join(cycle))}", layer.head, scope,
            hint="a block cannot contain itself; use `repeat`",
        )

    def held(self, builder: Builder, layer: Layer, flow: Val, scope: Scope, name: str) -> Val:
        """Lower the layer that a param holds: the name of an op or block, a layer, or a body.

        Its names are resolved in the scope where the value was written.
        """
        context, kind = self.context, layer.kind or ""
        held = self._written(kind, layer, scope, flow)
        if held.raw is UNKNOWN_VALUE or held.raw is BROKEN or held.scope is None or held.at is None:
            return builder.broken(name, flow)
        if not isinstance(held.raw, (str, dict, list)):
            not_a_layer(kind, held, [(layer.head, "used as a layer")], layer.head, scope, context)
            return builder.broken(name, flow)
        if layer.args is not None:
            if isinstance(held.raw, str):
                return self.bodies.named(builder, held.raw, held.scope.library, layer, flow, scope, name, held.at)
            context.reporter.tell(
                "SPEC021", f"`{short(kind)}` is {value_text(held.raw)}, not the name of an op or "
                           "block", layer.head, scope,
                related=[(held.at, "it is written here")],
                hint=fixes.whole(f"write `{short(kind)}` without arguments", layer.at, kind),
            )
            return builder.broken(name, flow)
        place = (id(held.at.document), held.at.path, held.raw if isinstance(held.raw, str) else "")
        if place not in context.bodies:
            context.bodies[place] = parse_body(held.raw, held.at, context.errors, owner="layer")
        context.enter(layer.place)
        out = self.bodies.into(builder, name, context.bodies[place], flow, held.scope)
        context.leave()
        return out

    def _written(self, kind: str, layer: Layer, scope: Scope, flow: Val) -> Written:
        """The raw value that `$name` stands for, its place, and the scope in which it was written."""
        held = written(kind, layer.head, scope)
        if isinstance(held.raw, str) and held.raw.startswith("$") and held.scope is not None:
            value = self.context.ev.value(held.raw, held.at, held.scope, ShapeView(flow.tensor))
            if isinstance(value, (dict, list)):  # its parts have neither a place nor a scope
                self.context.reporter.tell(
                    "SPEC021", f"`{short(held.raw)}` gives {value_text(value)}; "
                    "an expression here must give the name of an op or block",
                    held.at, held.scope, hint="use `when` to choose between layers",
                )
                value = UNKNOWN_VALUE
            return held._replace(raw=value)
        return held
