"""The lowering itself: stages, layers, repeats, merges and blocks become graphs inside graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from archspec.diagnostics import Diagnostic, SourceSpan, listing, nearest
from archspec.expressions import UNKNOWN_VALUE
from archspec.graph import Graph
from archspec.lower.builder import Builder, Val, blank
from archspec.lower.calls import bind, vars_scope
from archspec.lower.operations import guess, make, read_fields, window_place
from archspec.lower.values import PLAIN_NAME, Bound, Evaluator, Limits, Scope
from archspec.ops import OPS, Operation
from archspec.source import BROKEN
from archspec.spec.parse import SEQUENTIAL, module_names, parse_body, short
from archspec.spec.syntax import At, Block, Body, Errors, Layer, Library, Program
from archspec.tensors import ShapeError, Tensor, shape_text

MAX_DEPTH = 100  # modules inside modules; Python's own recursion limit lies above it


@dataclass(frozen=True, slots=True)
class Lowered:
    """What lowering found: the graph (None after an error) and each stage's output as far as it is known."""

    graph: Graph | None
    input: Tensor | None
    stages: Mapping[str, Tensor | None]
    scope: Scope  # the vars, for what else of the file may use them


class TooLarge(Exception):
    """A limit was passed and told; lowering ends here."""


def lower(program: Program, errors: Errors, limits: Limits) -> Lowered:
    """Lower a whole network. Every mistake is noted in `errors`; the graph is None if there was any.

    Raises nothing. A stage that an error left unknown is taken to have the shape that `expect` gives it, so
    that what follows is still checked.
    """
    return _Lowering(program, errors, limits).network()


class _Lowering:
    def __init__(self, program: Program, errors: Errors, limits: Limits) -> None:
        self.program = program
        self.errors = errors
        self.limits = limits
        self.ev = Evaluator(errors)
        self.ops = 0  # run by the network, repeats counted
        self.lowered = 0  # looked at here, equal blocks counted once
        self.depth = 0
        self.scopes: dict[int, Scope] = {}
        self.bodies: dict[tuple[Any, ...], Body] = {}
        self.blocks: dict[tuple[Any, ...], tuple[Graph | None, Tensor | None]] = {}

    # -- the network ---------------------------------------------------------------------------------

    def network(self) -> Lowered:
        """All stages in their order."""
        top = vars_scope(self.program.library, self.scopes)
        tensor = self._input(top)
        outside = Builder(None, "stages")
        entered = Val(outside, "input", tensor)
        root = Builder(outside, "stages")
        root.trail.append(("input", tensor))
        flow = entered
        outputs: dict[str, Val] = {}
        try:
            for name, body in self.program.stages.items():
                scope = replace(top, entered=entered, outputs=dict(outputs))
                flow = self.into(root, name, body, flow, scope)
                if flow.owner is not root or not any(d.name == name for d in root.drafts):
                    flow = root.run(name, OPS["identity"](), (flow,), flow.tensor)  # an empty stage still is a module
                if flow.tensor is None or not flow.tensor.known:
                    flow.tensor = self._expected(name, top) or flow.tensor
                outputs[name] = flow
            self._check_unused(root, flow, {n: b.at for n, b in self.program.stages.items()})
        except TooLarge:
            return Lowered(None, tensor, {}, top)
        graph = None
        if not self.errors.found and self.program.stages:
            graph = root.finish(flow, "network", self.program.name)
        return Lowered(graph, tensor, {n: v.tensor for n, v in outputs.items()}, replace(top, entered=entered))

    def _input(self, scope: Scope) -> Tensor | None:
        raw, at = self.program.input
        shape = self.ev.value(raw, at, scope, None)
        tensor = _shape(shape)
        if tensor is None and raw is not None and shape is not UNKNOWN_VALUE and shape is not BROKEN:
            self.errors.add(
                "SPEC012", f"`input` must be [channels, height, width], got {short(shape)}", at,
                hint="write one to three positive integers, without the batch: `input: [1, 28, 28]`",
            )
        return tensor

    def _expected(self, stage: str, scope: Scope) -> Tensor | None:
        expect = self.program.data.get("expect")
        at = self.program.places.get("expect", {}).get(stage)
        if not isinstance(expect, dict) or at is None:
            return None
        return _shape(self.ev.value(expect[stage], at, scope, None))

    def _check_unused(self, builder: Builder, output: Val, places: Mapping[str, At]) -> None:
        if self.errors.found:
            return  # what should have used it may be broken
        for name in builder.unused(output):
            if name in places:
                self.errors.add(
                    "SPEC041", f"nothing uses the output of `{name}`", places[name], key=builder.path == "stages",
                    hint="remove it, or let a later layer take it with `from`",
                )

    # -- bodies --------------------------------------------------------------------------------------

    def into(self, builder: Builder, name: str, body: Body, flow: Val, scope: Scope, block: str = "") -> Val:
        """Lower a body as the module `name`: a list as a sequence, a bare layer as that module itself."""
        if body.bare:
            return self.layer(builder, body.layers[0], flow, scope, name)
        self._enter(body.at)
        sub = builder.child(name)
        out = self._list(sub, body, flow, scope)
        self.depth -= 1
        return builder.call(sub, name, out, kind="block" if block else "sequence", label=block or SEQUENTIAL)

    def _enter(self, at: At) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._too_large(f"modules are nested deeper than {MAX_DEPTH}", at)

    def _too_large(self, message: str, at: At, hint: str | None = None) -> None:
        self.errors.add("SPEC051", message, at, hint=hint)
        raise TooLarge

    def _list(self, builder: Builder, body: Body, flow: Val, scope: Scope) -> Val:
        outputs, places = dict(scope.outputs), {}
        scope = replace(scope, outputs=outputs)
        for name, layer in zip(module_names(body.layers), body.layers, strict=True):
            flow = self.layer(builder, layer, flow, scope, name)
            if layer.name is not None:
                outputs[layer.name] = flow
            places[name] = layer.place
        self._check_unused(builder, flow, places)
        return flow

    # -- layers --------------------------------------------------------------------------------------

    def layer(self, builder: Builder, layer: Layer, flow: Val, scope: Scope, name: str) -> Val:
        """One layer with its `from`, `when` and `repeat`; returns what flows on."""
        if layer.source is not None:
            flow = self._source(builder, layer, flow, scope)
        if layer.when is not None:
            condition = self.ev.value(layer.when, layer.place / "when", scope, flow.tensor)
            if condition is False:
                return flow
            if condition is not True:
                if condition is not UNKNOWN_VALUE:
                    self.errors.add(
                        "SPEC042", f"`when` must be true or false, got {short(condition)}", layer.place / "when",
                        hint="compare: `$(stride != 1)`",
                    )
                return builder.run(name, None, (flow,), None)
        if layer.repeat is not None:
            return self._repeat(builder, layer, flow, scope, name)
        return self._one(builder, layer, flow, scope, name)

    def _source(self, builder: Builder, layer: Layer, flow: Val, scope: Scope) -> Val:
        assert layer.source is not None
        if layer.source == "input" and scope.entered is not None:
            return scope.entered
        if layer.source in scope.outputs:
            return scope.outputs[layer.source]
        visible = [*scope.outputs, "input"]
        close = nearest(layer.source, visible)
        self.errors.add(
            "SPEC040", f"no earlier layer or stage `{short(layer.source)}`", layer.place / "from",
            notes=[f"visible here: {listing(visible)}"],
            hint=f"a name that is close exists: `{close}`" if close else "give the layer that you mean a `name`",
        )
        return builder.run(layer.source, None, (flow,), None)

    def _repeat(self, builder: Builder, layer: Layer, flow: Val, scope: Scope, name: str) -> Val:
        at = layer.place / "repeat"
        count = self.ev.value(layer.repeat, at, scope, flow.tensor)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            if count is not UNKNOWN_VALUE:
                hint = "use `//`, which gives an integer" if isinstance(count, float) else "0 copies are the identity"
                self.errors.add(
                    "SPEC042", f"`repeat` must be a non-negative integer, got {short(count)}", at, hint=hint
                )
            return builder.run(name, None, (flow,), None)
        if count > self.limits.max_ops:
            self._count(count, at)
        self._enter(at)
        sub = builder.child(name)
        steady = not _mentions_index(layer)
        for i in range(count):
            before, drafts = flow, len(sub.drafts)
            if steady and i and self._again(sub, flow, at):
                flow = sub.drafts[-1].output
            else:
                flow = self._one(sub, layer, flow, scope.with_index(i), str(i))
            if len(sub.drafts) == drafts and flow is before:
                self._count(1, at)
        self.depth -= 1
        return builder.call(sub, name, flow, kind="repeat", label=layer.stem)

    def _again(self, sub: Builder, flow: Val, at: At) -> bool:
        """Repeat the last copy as it is, if it is one node on this very input."""
        if not sub.drafts or sub.drafts[-1].output is not flow:
            return False
        last = sub.drafts[-1]
        if last.target is None or len(last.inputs) != 1 or last.inputs[0].tensor != flow.tensor:
            return False
        name = str(int(last.name) + 1)
        if isinstance(last.target, Graph):
            self._count(last.target.op_count, at)
            sub.call_graph(name, last.target, (flow,), flow)
        else:
            self._count(1, at)
            sub.run(name, last.target, (flow,), flow.tensor)
        return flow.tensor is not None

    def _count(self, ops: int, at: At) -> None:
        self.ops += ops
        if self.ops > self.limits.max_ops:
            self._too_large(
                f"the network has more than {self.limits.max_ops:,} ops", at, "raise the limit with `--max-ops`"
            )

    def _one(self, builder: Builder, layer: Layer, flow: Val, scope: Scope, name: str) -> Val:
        if layer.kind is None:
            return flow
        if layer.body is not None:
            return self.into(builder, name, layer.body, flow, scope)
        if layer.args is BROKEN and not layer.branches:
            return builder.run(name, None, (flow,), None)
        if layer.branches:
            return self._merge(builder, layer, flow, scope, name)
        if layer.kind.startswith("$"):
            return self._param(builder, layer, flow, scope, name)
        return self._named(builder, layer.kind, scope.library, layer, flow, scope, name)

    def _named(
        self, builder: Builder, kind: str, home: Library, layer: Layer, flow: Val, scope: Scope, name: str
    ) -> Val:
        if kind in OPS:
            return self._op(builder, OPS[kind], layer, flow, scope, name)
        block = home.find(kind)
        if block is not None:
            return self._block(builder, block, layer, flow, scope, name)
        if home.lost_block(kind):
            return builder.run(name, None, (flow,), None)
        known = home.block_names() | set(OPS) | {SEQUENTIAL}
        close = nearest(kind, known)
        hint = f"a name that is close exists: `{close}`" if close else "`archspec list` shows all ops and blocks"
        self._at("SPEC020", f"no op or block `{short(kind)}`", layer.head(), scope, hint=hint)
        if close in OPS and not layer.branches:  # go on as if it had been written
            return self._op(builder, OPS[close], layer, flow, scope, name)
        block = home.find(close) if close else None
        if block is not None:
            return self._block(builder, block, layer, flow, scope, name)
        return builder.run(name, None, (flow,), None)

    # -- ops -----------------------------------------------------------------------------------------

    def _op(self, builder: Builder, cls: type[Operation], layer: Layer, flow: Val, scope: Scope, name: str) -> Val:
        self._work(layer.place)
        fields = read_fields(layer, cls, self.ev, scope, flow.tensor)
        op = make(layer, cls, fields, self.ev, scope)
        if op is None:
            return builder.run(name, None, (flow,), guess(cls, fields, flow.tensor))
        return builder.run(name, op, (flow,), self._infer(builder, op, layer, (flow,), scope, name))

    def _work(self, at: At) -> None:
        self.lowered += 1
        if self.lowered > self.limits.max_lowered:
            self._too_large(f"more than {self.limits.max_lowered:,} different layers", at,
                            "raise the limit with `--max-lowered`")
        self._count(1, at)

    def _infer(
        self, builder: Builder, op: Operation, layer: Layer, inputs: tuple[Val, ...], scope: Scope, name: str,
        notes: tuple[str, ...] = (),
    ) -> Tensor | None:
        tensors = []
        for v in inputs:
            t = v.tensor
            if t is None and len(inputs) == 1 and getattr(op, "ndim", None) is not None:
                t = blank(op.ndim)  # type: ignore[attr-defined]
            if t is None:
                return None
            tensors.append(t)
        try:
            return op.outputs(tuple(tensors))
        except ShapeError as e:
            path = f"{builder.path}.{name}" if notes == () else builder.path
            way = [*notes] if notes else [builder.way()]
            self._at(e.code, f"{path}: {e.message}", window_place(layer, e), scope, notes=way, hint=e.hint)
            return e.partial

    def _at(
        self, code: str, message: str, span: SourceSpan | None, scope: Scope, *, notes: list[str] | None = None,
        hint: str | None = None,
    ) -> None:
        """Note an error. One inside a library's block is shown where the user's own file calls it."""
        told = list(notes or ())
        if scope.calls and span is not None and span.path not in self.program.files:
            own = [(b, at) for b, at in scope.calls if at.document.name in self.program.files]
            if own:
                block, call = own[-1]
                told.append(f"in block `{block.name}`, at {span.path}:{span.line}:{span.column}")
                span = call.span()
        elif scope.calls:
            block, call = scope.calls[-1]
            told.append(f"in block `{block.name}`, called at {call}")
        self.errors.extend([Diagnostic(code, message, span, tuple(told), hint)])

    def _merge(self, builder: Builder, layer: Layer, flow: Val, scope: Scope, name: str) -> Val:
        self._enter(layer.at)
        self._work(layer.place)
        sub = builder.child(name)
        vals = {n: self.into(sub, n, body, flow, scope) for n, body in layer.branches.items()}
        self.depth -= 1
        cls = OPS[layer.kind or ""]
        inputs = tuple(vals.values())
        op = None
        if layer.args is not BROKEN:
            op = make(layer, cls, read_fields(layer, cls, self.ev, scope, flow.tensor), self.ev, scope)
        if op is None:
            return builder.run(name, None, (flow,), None)
        shapes = ", ".join(f"`{n}` gives {shape_text(v.tensor.shape)}" for n, v in vals.items() if v.tensor)
        out = self._infer(sub, op, layer, inputs, scope, name, notes=(shapes, builder.way()))
        if not sub.drafts:
            return builder.run(name, op, inputs, out)
        join = cls.op if cls.op not in vals else f"{cls.op}_"
        return builder.call(sub, name, sub.run(join, op, inputs, out), kind="merge", label=cls.op)

    # -- blocks and layers held by params ------------------------------------------------------------

    def _block(self, builder: Builder, block: Block, layer: Layer, flow: Val, scope: Scope, name: str) -> Val:
        if any(block is b for b, _ in scope.calls):
            cycle = [b.name for b, _ in scope.calls]
            cycle = [*cycle[cycle.index(block.name) :], block.name]
            self._at("SPEC026", f"block `{block.name}` calls itself: {' → '.join(cycle)}", layer.head(), scope,
                     hint="a block cannot contain itself; use `repeat`")
            return builder.run(name, None, (flow,), None)
        if len(scope.calls) >= self.limits.max_nesting:
            self._too_large(f"blocks call blocks more than {self.limits.max_nesting} deep", layer.at)
        inner, key = bind(block, layer, flow, scope, self.ev, self.scopes)
        if inner is None:
            return builder.run(name, None, (flow,), None)
        if block.body.bare:
            return self.layer(builder, block.body.layers[0], flow, inner, name)
        memo = None if key is None or flow.tensor is None else (id(block), key, flow.tensor)
        if memo is not None and memo in self.blocks:
            graph, tensor = self.blocks[memo]
            self._count(graph.op_count if graph else 1, layer.place)
            return builder.call_graph(name, graph, (flow,), Val(builder, name, tensor))
        before = len(builder.drafts)
        out = self.into(builder, name, block.body, flow, inner, block=block.name)
        draft = builder.drafts[-1] if len(builder.drafts) == before + 1 else None
        if memo is not None and draft and len(draft.inputs) == 1 and not isinstance(draft.target, Operation):
            self.blocks[memo] = (draft.target, out.tensor)
        return out

    def _param(self, builder: Builder, layer: Layer, flow: Val, scope: Scope, name: str) -> Val:
        """A layer held by a param: an op's or block's name, a layer, or a body, meant where it was written."""
        kind = layer.kind or ""
        raw, at, home = self._dereference(kind, layer, scope, flow)
        if home is None:
            return builder.run(name, None, (flow,), None)
        if layer.args is not None:
            if isinstance(raw, str) and not raw.startswith("$"):
                return self._named(builder, raw, home.library, layer, flow, scope, name)
            self._at("SPEC021", f"`{kind}` is {short(raw)}, not the name of an op or block", layer.head(), scope,
                     hint=f"write `- {kind}` without arguments to use the layer that it holds")
            return builder.run(name, None, (flow,), None)
        if not isinstance(raw, (str, dict, list)):
            source = [f"its value is written at {at}"] if at else []
            self._at("SPEC021", f"`{kind}` is {short(raw)}, not a layer", layer.head(), scope, notes=source)
            return builder.run(name, None, (flow,), None)
        assert at is not None
        place = (id(at.document), at.path, raw if isinstance(raw, str) else "")
        if place not in self.bodies:
            self.bodies[place] = parse_body(raw, at, self.errors, owner="layer")
        self._enter(at)
        out = self.into(builder, name, self.bodies[place], flow, home)
        self.depth -= 1
        return out

    def _dereference(self, kind: str, layer: Layer, scope: Scope, flow: Val) -> tuple[Any, At | None, Scope | None]:
        """The raw value behind `$name`, its place, and the scope that it was written in."""
        raw: Any = kind
        at: At | None = layer.at
        home: Scope = scope
        while isinstance(raw, str) and (m := PLAIN_NAME.match(raw)) and m[1] in home.names:
            bound: Bound = home.names[m[1]]
            raw, at = bound.raw if bound.scope else bound.value, bound.at
            home = bound.scope or home
        if isinstance(raw, str) and raw.startswith("$"):
            value = self.ev.value(raw, at, home, flow.tensor)
            return (None, at, None) if value is UNKNOWN_VALUE else (value, at, home)
        if raw is BROKEN:
            return None, at, None
        return raw, at, home


def _shape(value: Any) -> Tensor | None:
    if not isinstance(value, list) or not 1 <= len(value) <= 3:
        return None
    if any(isinstance(d, bool) or not isinstance(d, int) or d < 1 for d in value):
        return None
    return Tensor((1, *value))


def _mentions_index(layer: Layer) -> bool:
    from archspec.spec.names import names_in

    return "i" in names_in(layer.place.value())
