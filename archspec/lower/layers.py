"""Lowers bodies and layers to nested graphs: lists, `from`, `when`, `repeat`, ops and merges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from archspec.diagnostics import listing
from archspec.expressions import UNKNOWN_VALUE
from archspec.ir import Graph
from archspec.language.message_text import short, value_text
from archspec.language.names import module_names, names_in
from archspec.language.parse import SEQUENTIAL, SHARE, parse_as
from archspec.language.problems import integer_hint, meant_value
from archspec.language.syntax import At, Body, Layer, Library
from archspec.language.unknown import may_be_layer, unknown_kind
from archspec.lower.apply import Ops
from archspec.lower.blocks import Blocks
from archspec.lower.builder import Builder, Val, blank
from archspec.lower.context import Context
from archspec.lower.references import remedy
from archspec.lower.share import Shares, made_by
from archspec.lower.values import Nested, Scope, written
from archspec.ops import OPS, Merge

# A misspelt name is replaced with the nearest one. If that leads to one of these, the guess was wrong.
_WRONG_GUESS: Final = frozenset({"SPEC010", "SPEC011", "SPEC021", "SPEC024", "SPEC026", "SPEC043", "SHAPE102"})
# After one of these, the layer that uses an output may be missing.
_MISSING: Final = ("SPEC00", "SPEC014", "SPEC02", "SPEC03", "SPEC04")
_TRIED: Final = 2  # copies of a broken layer that are lowered before its shape becomes unknown


class Layers:
    """The recursion over bodies and layers. Every method returns the value that the next layer gets."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.reporter = context.reporter
        self.blocks = Blocks(self)
        self.ops = Ops(self)
        self.instead: dict[int, Val] = {}  # id of a value -> what a shared layer takes instead of it
        self.shares = Shares(self)

    # -- bodies --------------------------------------------------------------------------------------

    def into(self, builder: Builder, name: str, body: Body, flow: Val, scope: Scope, block: str = "") -> Val:
        """Lower a body as the module `name`: a list becomes a sequence, a bare layer the module itself."""
        if body.bare:
            return self.layer(builder, body.layers[0], flow, scope, name, block)
        self.context.enter(body.at)
        sub = builder.child(name)
        out = self._list(sub, body, flow, scope)
        self.context.leave()
        kind, label = ("block", block) if block else ("sequence", SEQUENTIAL)
        return builder.call(sub, name, out, kind=kind, label=label, flow=flow)

    def _list(self, builder: Builder, body: Body, flow: Val, scope: Scope) -> Val:
        own: dict[str, Val] = {}
        if any(layer.name is not None for layer in body.layers):
            scope = replace(scope, outputs=Nested(own, scope.outputs))  # type: ignore[arg-type]
        names = module_names(body.layers)
        for name, layer in zip(names, body.layers, strict=True):
            entered, before = flow, len(builder.drafts)
            flow = self.layer(builder, layer, flow, scope, name)
            if flow is not entered:
                flow.made_at = layer.head
            if layer.name is not None:
                if len(builder.drafts) > before:
                    flow.made = made_by(name, builder, Body((layer,), True, layer.place), entered, scope)
                own[layer.name] = flow
        self.check_unused(builder, flow, lambda name: body.layers[names.index(name)].head, scope)
        return flow

    def check_unused(self, builder: Builder, output: Val, place: Callable[[str], At], scope: Scope) -> None:
        """Note nodes whose output is not used. place: where the node of a name is written."""
        names = builder.unused((output,))
        if names and self.knows_uses:
            for name in names:
                self.unused(f"the output of `{name}`", place(name), "use it in a later layer with `from`", scope)

    @property
    def knows_uses(self) -> bool:
        """Whether no mistake so far may have removed the use of a value."""
        return not any(d.code.startswith(_MISSING) for d in self.context.errors.found)

    def unused(self, what: str, at: At, remedy: str, scope: Scope) -> None:
        """Note that nothing uses a value."""
        self.reporter.tell("SPEC041", f"nothing uses {what}", at, scope, hint=f"remove it, or {remedy}")

    # -- layers --------------------------------------------------------------------------------------

    def layer(self, builder: Builder, layer: Layer, flow: Val, scope: Scope, name: str, block: str = "") -> Val:
        """Lower a layer with its `from`, `when` and `repeat`. `block`: the block whose whole body it is, if any."""
        self.context.work(layer.place)
        builder.at = layer.place
        if layer.source is not None:
            flow = self._source(builder, layer, flow, scope)
        if flow.choices is not None and "in" in names_in(_written_beside(layer)):
            flow = self.chosen(builder, flow, _taker(layer), scope)
        if layer.when is not None:
            at = layer.beside("when")
            condition = self.context.value(layer.when, at, scope, flow)
            if condition is False:
                return flow
            if condition is not True:
                if condition is not UNKNOWN_VALUE:
                    self._wrong_beside("when", f"must be true or false, got {value_text(condition)}", layer, scope,
                                       "compare: `$(stride != 1)`")
                return builder.broken(name, flow)
        if layer.repeat is not None:
            return self._repeat(builder, layer, flow, scope, name, block)
        return self._one(builder, layer, flow, scope, name, block)

    def _wrong_beside(
        self, key: str, rule: str, layer: Layer, scope: Scope, hint: str | None, code: str = "SPEC042"
    ) -> None:
        """Report a wrong value of `repeat`, `when` or `share`, where it is written."""
        at = layer.beside(key)
        source = written(getattr(layer, key), at, scope)
        related = [(at, f"used as `{key}`")] if source.through else []
        hint = self.context.ev.without_dollar(source.raw, source.scope) or hint
        self.context.ev.misuse(code, f"`{key}` {rule}", source, at, scope, related=related, hint=hint)

    def visible(self, name: str, scope: Scope) -> Val | None:
        """The value that `from` gives for a name; in shared layers the one that takes its place."""
        found = scope.entered if name == "input" and scope.entered is not None else scope.outputs.get(name)
        return self.instead.get(id(found), found)

    def _source(self, builder: Builder, layer: Layer, flow: Val, scope: Scope) -> Val:
        return self.named_value(builder, layer.source or "", layer.beside("from"), flow, scope)

    def named_value(self, builder: Builder, name: str, at: At, flow: Val, scope: Scope) -> Val:
        """The value of a stage or named layer, whose name is at `at`."""
        found = self.visible(name, scope)
        if found is not None:
            return found
        if name in self.context.errors.lost:
            return builder.broken(short(name), flow)
        one = scope.entered is not None and scope.entered.choices is None
        visible = [*scope.outputs, *(["input"] if one else [])]
        self.reporter.tell(
            "SPEC040", f"no earlier layer or stage `{short(name)}`; visible: {listing(map(short, visible))}",
            at, scope,
            hint=remedy(name, visible, self.context.program, scope),
        )
        return builder.broken(short(name), flow)

    def chosen(self, builder: Builder, flow: Val, at: At, scope: Scope) -> Val:
        """The input of the layer at `at`. An error if it may be any of the network's inputs."""
        if flow.choices is None:
            return flow
        names = [short(name) for name in flow.choices]
        other = f"or `from: {names[1]}`" if len(names) == 2 else "or another of them,"
        related = [(at, "its input is used here")] if scope.calls else []
        self.reporter.tell(
            "SPEC044", f"`from` must say which of the network's inputs is used: {listing(names)}",
            scope.calls[0][1] if scope.calls else at, related=related, subject="the input",
            hint=f"write `from: {names[0]}` {other} beside the layer",
        )
        return builder.broken(flow.name, next(iter(flow.choices.values())))

    def _repeat(self, builder: Builder, layer: Layer, flow: Val, scope: Scope, name: str, block: str) -> Val:
        at, context = layer.beside("repeat"), self.context
        count = context.value(layer.repeat, at, scope, flow)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            if count is not UNKNOWN_VALUE:
                hint = integer_hint(written(layer.repeat, at, scope).raw, count) or "write a whole number, 0 or more"
                self._wrong_beside("repeat", f"must be a non-negative integer, got "
                                             f"{value_text(count)}", layer, scope, hint)
            return builder.broken(name, flow)
        if count > context.limits.max_ops:
            context.count(count, at)
        shared = self._shared(layer, flow, scope)
        context.enter(at)
        sub, entered = builder.child(name), flow
        sub.at = layer.place
        steady = not context.index_in_defaults and "i" not in names_in(_repeated(layer))
        for i in range(count):
            before, made = flow, len(sub.drafts)
            if steady and _repeats(sub, flow):
                flow = self._copies(sub, flow, count - i, at)
                break
            context.work(at)
            flow = self._one(sub, layer, flow, scope.with_index(i), str(i), "")
            if shared and len(sub.drafts) > max(made, 1):
                self.shares.tie(sub, layer, scope)
            if len(sub.drafts) == made:
                if steady:
                    break  # a copy adds nothing, and so do the others
            elif steady and (sub.drafts[-1].target is None or flow.tensor is None or not flow.tensor.known):
                if flow.tensor is None or flow.tensor == before.tensor:
                    break  # the other copies have the same mistakes
                if i >= _TRIED:
                    flow = sub.broken("…", flow, blank(flow.tensor.ndim))
                    break
        context.leave()
        if shared:
            self.shares.check_weights(sub, layer, scope)
        self.check_unused(sub, flow, lambda _: layer.head, scope)
        label = block or layer.stem
        return builder.call(sub, name, flow, kind="repeat", label=label, flow=entered)

    def _shared(self, layer: Layer, flow: Val, scope: Scope) -> bool:
        """Whether the copies of a repeat have one set of weights."""
        if layer.share is None:
            return False
        value = self.context.value(layer.share, layer.beside(SHARE), scope, flow)
        if not isinstance(value, bool) and value is not UNKNOWN_VALUE:
            self._wrong_beside(SHARE, f"must be true or false, got {value_text(value)}", layer, scope,
                               meant_value("bool", value), "SPEC045")
        return value is True

    def _copies(self, sub: Builder, flow: Val, count: int, at: At) -> Val:
        """Append `count` more copies of the last one."""
        last = sub.drafts[-1]
        self.context.count(count * (last.target.op_count if isinstance(last.target, Graph) else 1), at)
        return sub.again(str(int(last.name) + 1), flow, count)

    def _one(self, builder: Builder, layer: Layer, flow: Val, scope: Scope, name: str, block: str) -> Val:
        self.context.seen.add(id(layer))
        if layer.kind is None:
            return flow
        if layer.body is not None:
            return self.into(builder, name, layer.body, flow, scope, block)
        if layer.kind == "?":
            return builder.broken(name, flow)
        if layer.branches:
            return self.ops.merge(builder, layer, flow, scope, name, block or layer.kind)
        if layer.kind.startswith("$"):
            return self.blocks.held(builder, layer, flow, scope, name)
        return self.named(builder, layer.kind, scope.library, layer, flow, scope, name)

    def named(
        self, builder: Builder, kind: str, home: Library, layer: Layer, flow: Val, scope: Scope, name: str,
        at: At | None = None,
    ) -> Val:
        """Lower a layer whose kind is the name of an op or block. `home` resolves the name; `at` is its place."""
        cls = OPS.get(kind)
        if kind == SEQUENTIAL or (cls is not None and issubclass(cls, Merge)):
            # the name comes from a param, so its argument is not parsed yet
            return self._one(builder, self._taken_as(kind, layer), flow, scope, name, "")
        if cls is not None:
            self.context.count(1, layer.place)
            if flow.choices is not None:
                flow = self.chosen(builder, flow, _taker(layer), scope)
            return self.ops.op(builder, cls, layer, flow, scope, name)
        block = home.find(kind)
        if block is not None:
            return self.blocks.call(builder, block, layer, flow, scope, name)
        if kind == SHARE:
            return self.shares.run(builder, layer, flow, scope, name)
        return self._unknown(builder, kind, home, layer, flow, scope, name, at)

    def _taken_as(self, kind: str, layer: Layer) -> Layer:
        place = (id(layer), kind)
        if place not in self.context.bodies:
            alone = replace(layer, name=None, repeat=None, when=None, source=None, share=None)
            parsed = parse_as(kind, alone, self.context.errors)
            self.context.bodies[place] = Body((parsed,), True, layer.place)
        return self.context.bodies[place].layers[0]

    def _unknown(
        self, builder: Builder, kind: str, home: Library, layer: Layer, flow: Val, scope: Scope, name: str,
        at: At | None,
    ) -> Val:
        """Report an unknown name, and continue with the nearest one if that causes no further mistake."""
        rank = None if flow.tensor is None else flow.tensor.ndim - 2
        values = {kind: "input" if kind in self.context.inputs else "layer"} if kind in scope.outputs else {}
        near = unknown_kind(kind, at or layer.head, home, self.context.errors, () if at else _held_names(scope),
                            self.reporter.context(at or layer.head, scope)[1], self.context.program.stages, values,
                            rank)
        if near is None:
            return builder.broken(name, flow)
        made = len(builder.drafts)
        with self.reporter.doubtful(_WRONG_GUESS) as codes:
            if near.startswith("$"):
                out = self.blocks.held(builder, replace(layer, kind=near), flow, scope, name)
            else:
                out = self.named(builder, near, home, layer, flow, scope, name)
        if _WRONG_GUESS.intersection(codes):
            del builder.drafts[made:]
            return builder.broken(name, flow)
        if len(builder.drafts) > made:
            builder.drafts[-1].target = None  # its cost is unknown
        return out


def _repeats(sub: Builder, flow: Val) -> bool:
    """Whether the last copy took only the output of the copy before it, and changed no shape.

    Then all further copies do the same. The first copy cannot show this: its `from` may be the input of the repeat.
    """
    if len(sub.drafts) < 2:
        return False
    before, last = sub.drafts[-2:]
    if last.target is None or last.output is not flow or last.inputs != (before.output,):
        return False
    if last.state != before.state:  # the first one has weights that the others share
        return False
    shape = before.output.tensor
    if shape is not flow.tensor and (shape is None or not shape.known or shape != flow.tensor):
        return False
    if isinstance(last.target, Graph) and isinstance(before.target, Graph) and last.target.equals(before.target):
        last.target = before.target
    return True


def _held_names(scope: Scope) -> list[str]:
    return [name for name, bound in scope.names.items() if may_be_layer(bound.raw)]


def _repeated(layer: Layer) -> object:
    """The raw layer without its own `repeat`, `when` and `share`, which do not see the index."""
    raw = layer.place.value()
    return {k: v for k, v in raw.items() if k not in ("repeat", "when", SHARE)} if isinstance(raw, dict) else raw


def _written_beside(layer: Layer) -> object:
    """What is written of a layer itself, without layers in it, which may have another input."""
    args = layer.args.values() if isinstance(layer.args, dict) else [layer.args]
    return [layer.when, layer.repeat, *(value for value in args if not isinstance(value, (dict, list)))]


def _taker(layer: Layer) -> At:
    """Where a layer says what its input is: its `from`, or its name if it has no `from`."""
    return layer.head if layer.source is None else layer.beside("from")
