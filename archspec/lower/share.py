"""`share`: runs a stage or named layer again with its weights; ties the copies of a repeat to one set of weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import NamedTuple, Protocol

from archspec.diagnostics import listing
from archspec.ir import Graph, Place, sites
from archspec.language.errors import Place as Label
from archspec.language.message_text import short, value_text
from archspec.language.syntax import At, Body, Layer
from archspec.lower.builder import Builder, Draft, Made, Val
from archspec.lower.context import Context
from archspec.lower.references import remedy
from archspec.lower.values import Nested, Scope
from archspec.ops import Operation
from archspec.ops.parameters import ParamSpec
from archspec.text import shape_text


class Bodies(Protocol):
    """What `Shares` needs from `Layers`."""

    context: Context
    instead: dict[int, Val]

    def into(self, builder: Builder, name: str, body: Body, flow: Val, scope: Scope, block: str = "") -> Val:
        """Lower a body as the module `name`."""

    def visible(self, name: str, scope: Scope) -> Val | None:
        """The value that `from` gives for a name."""

    def chosen(self, builder: Builder, flow: Val, at: At, scope: Scope) -> Val:
        """The input of the layer at `at`. An error if it may be any of the network's inputs."""


class Weights(NamedTuple):
    """A layer with weights. path: inside the shared stage or layer, empty if it is that layer itself."""

    path: str
    op: Operation
    specs: dict[str, ParamSpec]
    at: Place | None


def made_by(name: str, builder: Builder, body: Body, flow: Val, scope: Scope) -> Made:
    """What `share: NAME` needs to run the last node of `builder` again, whose body is `body`."""
    names = scope.outputs.maps[0] if isinstance(scope.outputs, Nested) else scope.outputs
    return Made(name, builder.drafts[-1], body, flow, scope, len(names))


class Shares:
    """Lowers `share`."""

    def __init__(self, layers: Bodies) -> None:
        self.layers = layers
        self.context = layers.context
        self.reporter = layers.context.reporter

    # -- share: NAME -----------------------------------------------------------------------------------------------

    def run(self, builder: Builder, layer: Layer, flow: Val, scope: Scope, name: str) -> Val:
        """Lower `share: NAME` as the module `name`."""
        wanted = self.target(layer, scope)
        value = None if wanted is None else self._value(wanted, builder, layer, scope)
        if wanted is None or value is None:
            return builder.broken(name, flow)
        flow = self.layers.chosen(builder, flow, layer.head, scope)
        first = value.made
        if first is None or first.name != wanted:  # `[]`, or another name for an earlier value
            self._tell_no_weights(wanted, layer, scope)
            return flow
        draft = first.draft
        entry = self._entry(first, value.owner)
        if draft.target is None or entry is None:
            if draft.target is not None:
                self._tell_ambiguous(wanted, first, value.owner, layer, scope)
            return builder.broken(name, flow)
        if not _has_weights(draft):
            self._tell_no_weights(wanted, layer, scope)
        same = flow.tensor is not None and flow.tensor.known and flow.tensor == entry.tensor
        if same:
            out = self._same(builder, name, draft, entry, flow, value.owner, layer)
        else:
            out = self._anew(builder, name, first, entry, flow, value.owner, layer)
        last = builder.drafts[-1] if builder.drafts else None
        if last is None or last.output is not out or last.name != name:
            return out  # with this input, its `when` leaves the layer out
        last.at, last.state = layer.place, builder.state(draft, value.owner)
        if not same and last.target is not None and out.tensor is not None and out.tensor.known:
            message = (f"{builder.path}.{name}: `{wanted}` has weights for {_type(entry)}, which do not fit "
                       f"{_type(flow)}")
            self._compare(draft, last, wanted, f"{builder.path}.{name}".partition(".")[2], message, layer.head, scope)
        return out

    def target(self, layer: Layer, scope: Scope) -> str | None:
        """The name after `share`; None if another value is written there, which is reported."""
        raw = layer.args
        if isinstance(raw, str) and raw and not raw.startswith("$"):
            return raw
        hint = "write the name: `{share: NAME}`"
        if isinstance(raw, (dict, list)):
            hint = "write these layers once, as a stage or a layer with a `name`, and their name here: `{share: NAME}`"
        self.reporter.tell("SPEC045", f"`share` needs the name of an earlier stage or layer, got {value_text(raw)}",
                           layer.at, scope, hint=hint)
        return None

    def _value(self, wanted: str, builder: Builder, layer: Layer, scope: Scope) -> Val | None:
        value = None if wanted in self.context.inputs else scope.outputs.get(wanted)
        if value is not None or wanted in self.context.errors.lost:
            return value
        if wanted == layer.name or wanted in builder.path.split(".")[1:]:
            self.reporter.tell(
                "SPEC045", f"`share: {short(wanted)}` is inside `{short(wanted)}`: a layer cannot contain itself",
                layer.at, scope,
                hint="to apply the same weights N times in a row, write `repeat: N` and `share: true` beside the layer",
            )
            return None
        visible = [name for name in scope.outputs if name not in self.context.inputs]
        listed = listing(map(short, visible)) or "none"
        self.reporter.tell(
            "SPEC040", f"no earlier layer or stage `{short(wanted)}`; visible: {listed}",
            layer.at, scope, hint=remedy(wanted, visible, self.context.program, scope, "share"),
        )
        return None

    def _entry(self, first: Made, owner: Builder) -> Val | None:
        """The value that a further run replaces: what enters the shared layers, or what they name first with `from`.

        None if they take several other values.
        """
        entry, layer = first.flow, next(iter(first.body.layers), None)
        while layer is not None:
            if layer.source is not None:
                entry = self.layers.visible(layer.source, _seen(first)) or entry
            layer = next(iter(layer.body.layers), None) if layer.body is not None else None
        inputs = first.draft.inputs
        if any(value is owner.handle(entry) for value in inputs):
            return entry
        return owner.outer(inputs[0]) if len({id(value) for value in inputs}) == 1 else None

    def _same(
        self, builder: Builder, name: str, draft: Draft, entry: Val, flow: Val, owner: Builder, layer: Layer
    ) -> Val:
        """Run what the draft runs on an input of the same type."""
        own, target = owner.handle(entry), draft.target
        self.context.count(target.op_count if isinstance(target, Graph) else 1, layer.place)
        return builder.repeated(name, draft, tuple([flow if value is own else value for value in draft.inputs]), flow)

    def _anew(
        self, builder: Builder, name: str, first: Made, entry: Val, flow: Val, owner: Builder, layer: Layer
    ) -> Val:
        """Lower the shared layers again, for an input of another type."""
        scope = _seen(first)
        if scope.entered is entry:
            scope = replace(scope, entered=flow)
        self.context.enter(layer.place)  # what it runs may be a `share` too, and so on
        with self._in_place_of(entry, flow), builder.at_depth_of(owner), self.reporter.again(layer.head):
            out = self.layers.into(builder, name, first.body, flow, scope)
        self.context.leave()
        return out

    @contextmanager
    def _in_place_of(self, entry: Val, flow: Val) -> Iterator[None]:
        """Inside, whoever names `entry` gets `flow`."""
        before = self.layers.instead
        self.layers.instead = {**before, id(entry): flow}
        yield
        self.layers.instead = before

    def _tell_no_weights(self, wanted: str, layer: Layer, scope: Scope) -> None:
        self.reporter.tell("SPEC046", f"`{short(wanted)}` has no weights to share", layer.at, scope,
                           hint="write its layers again, or share the layer that you mean")

    def _tell_ambiguous(self, wanted: str, first: Made, owner: Builder, layer: Layer, scope: Scope) -> None:
        names = listing([f"`{short(owner.outer(value).name)}`" for value in first.draft.inputs])
        self.reporter.tell(
            "SPEC045", f"`{short(wanted)}` takes {names}, and `share` cannot tell which of them to replace",
            layer.at, scope, related=[(first.body.at, "these layers")],
            hint=f"begin `{short(wanted)}` with a `from` that names the input, such as `{{from: NAME}}`",
        )

    # -- share: true -----------------------------------------------------------------------------------------------

    def tie(self, sub: Builder, layer: Layer, scope: Scope) -> None:
        """Give the last copy of a repeat the weights of the first one."""
        first, last = sub.drafts[0], sub.drafts[-1]
        last.state = first.state or first.name
        if isinstance(first.target, Graph) and isinstance(last.target, Graph) and \
                first.target.equals(last.target, ports=False):
            last.target = first.target
        elif last.target is not None and first.target is not None:
            shapes = [shape_text(d.inputs[0].tensor.shape[1:]) for d in (first, last) if d.inputs[0].tensor is not None]
            message = f"{sub.path}: copies {first.name} and {last.name} cannot have one set of weights: their inputs " \
                      f"are {' and '.join(shapes)}"
            self._compare(first, last, f"copy {first.name}", f"copy {last.name}", message,
                          layer.beside("share"), scope)

    def check_weights(self, sub: Builder, layer: Layer, scope: Scope) -> None:
        """Warn if the copies of a repeat have no weights that they could share."""
        if sub.drafts and sub.drafts[0].target is not None and not _has_weights(sub.drafts[0]):
            self.reporter.tell("SPEC046", f"`{short(layer.stem)}` has no weights to share", layer.beside("share"),
                               scope, hint="remove `share`")

    # -- weights ---------------------------------------------------------------------------------------------------

    def _compare(
        self, first: Draft, last: Draft, a: str, b: str, message: str, at: At, scope: Scope
    ) -> None:
        """Report the first layer of `last` whose weights differ from those of `first`, and mark `last` as broken.

        a, b: what labels call the two runs.
        """
        owned = {weights.path: weights for weights in weights_of(first)}
        for mine in weights_of(last):
            theirs = owned.get(mine.path)
            if theirs is not None and theirs.op == mine.op and theirs.specs == mine.specs:
                continue
            place = (theirs or mine).at
            related: list[Label] = [(place, _difference(theirs, mine, a, b))] if isinstance(place, At) else []
            part = f", or share only the layers before `{mine.path}`" if mine.path else ""
            self.reporter.tell("SHAPE106", message, at, scope, related=related,
                               hint=f"give both runs inputs of one type{part}")
            last.target = None
            return


def _difference(theirs: Weights | None, mine: Weights, a: str, b: str) -> str:
    """What differs in a layer of two runs."""
    if theirs is None:
        return f"this layer is in `{short(b)}`, and not in `{short(a)}`"
    for name, spec in mine.specs.items():
        other = theirs.specs.get(name)
        if other is not None and other.shape != spec.shape:
            was, now = list(other.shape), list(spec.shape)
            return f"its `{name}` is {was} in `{short(a)}`, and would be {now} in `{short(b)}`"
    before, after = theirs.op.model_dump(mode="json"), mine.op.model_dump(mode="json")
    changed = next((k for k in after if before.get(k) != after[k]), None)
    if theirs.op.op != mine.op.op or changed is None:
        return f"this is `{theirs.op.op}` in `{short(a)}`, and `{mine.op.op}` in `{short(b)}`"
    return f"its `{changed}` is {value_text(before.get(changed))} in `{short(a)}`, and " \
           f"{value_text(after[changed])} in `{short(b)}`"


def _has_weights(draft: Draft) -> bool:
    """Whether a layer of a draft has weights, of its own or shared ones."""
    if isinstance(draft.target, Graph):
        return any(site.node.op is not None and site.node.op.parameters(*site.inputs) for site in sites(draft.target))
    return any(True for _ in weights_of(draft))


def weights_of(draft: Draft) -> Iterator[Weights]:
    """The layers of a draft that own weights."""
    target = draft.target
    if isinstance(target, Graph):
        for site in sites(target):
            op = site.node.op
            if op is not None and site.owns_weights and (specs := op.parameters(*site.inputs)):
                yield Weights(site.path, op, specs, site.node.at)
    elif target is not None:
        types = [value.tensor for value in draft.inputs]
        if all(x is not None and x.known for x in types) and (specs := target.parameters(*types)):
            yield Weights("", target, specs, draft.at)


def _seen(first: Made) -> Scope:
    """The scope of shared layers with only the names that came before them."""
    scope = first.scope
    maps = scope.outputs.maps if isinstance(scope.outputs, Nested) else [scope.outputs]
    own = dict(islice(maps[0].items(), first.seen))
    return replace(scope, outputs=Nested(own, *maps[1:]))


def _type(value: Val) -> str:
    tensor = value.tensor
    if tensor is None:
        return "an unknown input"
    limit = "" if tensor.below is None else f" of integers below {tensor.below:,}"
    return shape_text(tensor.shape[1:]) + limit
